package dev.fusedrnn.bench.peers;

import dev.fusedrnn.bench.CheckedSequence;
import dev.fusedrnn.bench.Precision;
import dev.fusedrnn.testkit.NetCase;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * PyTorch has more than one way to compute the same, and the fastest depends on the case. One can
 * be wrong: without a record of gradients it takes oneDNN's LSTM, which on AVX-512 gives other
 * numbers where H is no multiple of 32, such as 100, 200 or 650. So all are tried when a case is
 * made ready, and the fastest that agrees with the plain one is measured.
 */
abstract class ManyWays extends CheckedSequence {
  /** Largest error beside the plain way, over the largest number of a tensor. */
  private static final double AGREEMENT = 1e-3;

  /** Nanoseconds for which each way is tried in each round. */
  private static final long ENOUGH = 40_000_000;

  private static final int ROUNDS = 4;

  /**
   * A way to compute.
   *
   * @param label for the report
   * @param guard whether nothing can ask for a gradient; else nothing does
   * @param oneDnn whether oneDNN may be used
   */
  record Way(String label, boolean guard, boolean oneDnn) {
    /** The same, for a report that says which ways were not taken because they are wrong. */
    Way but(List<String> wrong) {
      String reason = label.isEmpty() ? "" : label + ", ";
      return new Way(reason + String.join(", ", wrong) + " is wrong", guard, oneDnn);
    }
  }

  private Way way = new Way("", false, true);

  ManyWays(NetCase sizes, boolean training) {
    super(sizes, Precision.F32, training);
  }

  /** Makes the library compute that way from now on. */
  abstract void use(Way next);

  Way way() {
    return way;
  }

  private void take(Way next) {
    way = next;
    use(next);
  }

  /** Takes the fastest way that is right; the first is known to be. They take turns. */
  final void choose(List<Way> ways) {
    take(ways.get(0));
    Map<String, double[]> right = checkedResults();
    Map<Way, Long> least = new LinkedHashMap<>();
    List<String> wrong = new ArrayList<>();
    for (Way next : ways) {
      take(next);
      if (agree(right, checkedResults())) {
        least.put(next, Long.MAX_VALUE);
      } else {
        wrong.add(next.label());
      }
    }
    for (int round = 0; round < ROUNDS && least.size() > 1; round++) {
      for (Way next : List.copyOf(least.keySet())) {
        take(next);
        least.merge(next, shortest(), Math::min);
      }
    }
    Way best = ways.get(0);
    for (Way next : least.keySet()) {
      best = least.get(next) < least.get(best) ? next : best;
    }
    take(wrong.isEmpty() ? best : best.but(wrong));
  }

  private static boolean agree(Map<String, double[]> right, Map<String, double[]> got) {
    return right.entrySet().stream()
        .allMatch(
            entry -> {
              double[] other = got.getOrDefault(entry.getKey(), new double[0]);
              double error = 0;
              double largest = 0;
              for (int k = 0; k < other.length; k++) {
                error = Math.max(error, Math.abs(other[k] - entry.getValue()[k]));
                largest = Math.max(largest, Math.abs(entry.getValue()[k]));
              }
              return error <= AGREEMENT * largest;
            });
  }

  /** Of a few runs; of one where that is long. */
  private long shortest() {
    long least = Long.MAX_VALUE;
    long start = System.nanoTime();
    for (long now = start; now - start < ENOUGH; ) {
      run();
      long after = System.nanoTime();
      least = Math.min(least, after - now);
      now = after;
    }
    return least;
  }

  @Override
  public final String how() {
    return way.label();
  }
}
