package dev.fusedrnn.bench.cpu;

import dev.fusedrnn.Cell;
import dev.fusedrnn.bench.Report;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.Predicate;
import java.util.stream.DoubleStream;

/**
 * What this library wants to reach beside its peers.
 *
 * @param name what is counted, and over whom
 * @param wanted the bound
 * @param atMost whether less is better
 * @param reached empty where nothing was measured that counts
 * @param rows how many rows count
 */
record Goal(String name, double wanted, boolean atMost, OptionalDouble reached, int rows) {
  private static final List<String> INFERENCE = List.of(Engines.LIBTORCH, Engines.ONNX_RUNTIME);

  /** All goals, over whatever was measured. */
  static List<Goal> of(List<CaseResult> results) {
    double[] lstm = ratios(results, train(Cell.LSTM), List.of(Engines.LIBTORCH));
    double[] gru = ratios(results, train(Cell.GRU), List.of(Engines.LIBTORCH));
    Predicate<CaseResult> infers =
        result -> !result.shape().training() && isGoal(result.shape().cell());
    double[] infer = ratios(results, infers, INFERENCE);
    double[] single =
        ratios(
            results,
            infers.and(result -> result.shape().batch() == 1),
            List.of(Engines.ONNX_RUNTIME));
    double[] bytes =
        results.stream()
            .filter(result -> result.engines().containsKey(Engines.FUSEDRNN))
            .mapToDouble(result -> result.engines().get(Engines.FUSEDRNN).bytes())
            .toArray();
    List<Goal> goals = new ArrayList<>();
    goals.add(mean("LSTM train, geometric mean over LibTorch", 1.3, lstm));
    goals.add(mean("GRU train, geometric mean over LibTorch", 3, gru));
    goals.add(
        mean("infer, geometric mean over the faster of LibTorch and ONNX Runtime", 1.1, infer));
    goals.add(least("infer, lowest ratio to the faster of the two", 0.95, infer));
    goals.add(least("infer, B = 1, lowest ratio to ONNX Runtime", 1.2, single));
    goals.add(
        new Goal(
            "Java heap, most bytes an operation",
            0,
            true,
            DoubleStream.of(bytes).max(),
            bytes.length));
    return goals;
  }

  /** Peers have neither the GRU with its reset before the product nor a reason for plain RNNs. */
  private static boolean isGoal(Cell cell) {
    return cell == Cell.LSTM || cell == Cell.GRU;
  }

  private static Predicate<CaseResult> train(Cell cell) {
    return result -> result.shape().training() && result.shape().cell() == cell;
  }

  private static double[] ratios(
      List<CaseResult> results, Predicate<CaseResult> which, List<String> peers) {
    return results.stream()
        .filter(which)
        .map(result -> result.ratio(peers))
        .filter(OptionalDouble::isPresent)
        .mapToDouble(OptionalDouble::getAsDouble)
        .toArray();
  }

  private static Goal mean(String name, double wanted, double[] ratios) {
    Double mean = Report.geometricMean(DoubleStream.of(ratios).boxed().toList());
    return new Goal(
        name,
        wanted,
        false,
        mean == null ? OptionalDouble.empty() : OptionalDouble.of(mean),
        ratios.length);
  }

  private static Goal least(String name, double wanted, double[] ratios) {
    return new Goal(name, wanted, false, DoubleStream.of(ratios).min(), ratios.length);
  }

  /** Met, missed, or not measured. */
  String verdict() {
    if (reached.isEmpty()) {
      return "not measured";
    }
    double value = reached.getAsDouble();
    return (atMost ? value <= wanted : value >= wanted) ? "met" : "missed";
  }
}
