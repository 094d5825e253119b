package dev.fusedrnn.bench;

import java.util.List;
import java.util.Locale;

/** What can be measured. */
enum Suite {
  /** {@link SequenceBenchmark}. */
  SEQUENCE(SequenceBenchmark.class, List.of("forward", "train")),
  /** {@link OverheadBenchmark}. */
  OVERHEAD(OverheadBenchmark.class, List.of("crossing", "enqueue", "forward", "train")),
  /** {@link TrainingBenchmark}. */
  TRAINING(TrainingBenchmark.class, List.of("copy", "clipAdam"));

  private final Class<?> type;
  private final List<String> operations;

  Suite(Class<?> type, List<String> operations) {
    this.type = type;
    this.operations = operations;
  }

  Class<?> type() {
    return type;
  }

  /** The benchmark methods, but the unfused loop's. */
  List<String> operations() {
    return operations;
  }

  /** The method of the unfused loop beside one of {@link #SEQUENCE}. */
  static String unfused(String operation) {
    return operation.equals("train") ? "unfusedTrain" : "unfusedForward";
  }

  String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
