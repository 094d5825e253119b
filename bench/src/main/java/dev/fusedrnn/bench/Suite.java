package dev.fusedrnn.bench;

import java.util.List;
import java.util.Locale;

/** What can be measured. */
enum Suite {
  /** {@link SequenceBenchmark}. */
  SEQUENCE(SequenceBenchmark.class, List.of("forward", "train")),
  /** {@link OverheadBenchmark}. */
  OVERHEAD(OverheadBenchmark.class, List.of("crossing", "forward", "train"));

  private final Class<?> type;
  private final List<String> operations;

  Suite(Class<?> type, List<String> operations) {
    this.type = type;
    this.operations = operations;
  }

  Class<?> type() {
    return type;
  }

  /** The benchmark methods. */
  List<String> operations() {
    return operations;
  }

  String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
