package dev.fusedrnn.bench.cpu;

import java.util.Arrays;
import java.util.List;
import java.util.stream.LongStream;

/**
 * What a clock said of one case, in nanoseconds an operation.
 *
 * @param median of all operations of all rounds
 * @param p10 a tenth of them were faster
 * @param fastest of them
 * @param slowest of them
 * @param count how many there were
 */
record Times(double median, double p10, double fastest, double slowest, int count) {

  /** All blocks together. */
  static Times of(List<long[]> blocks) {
    long[] sorted = blocks.stream().flatMapToLong(LongStream::of).sorted().toArray();
    if (sorted.length == 0) {
      throw new IllegalArgumentException("no times");
    }
    return new Times(
        quantile(sorted, 0.5),
        quantile(sorted, 0.1),
        sorted[0],
        sorted[sorted.length - 1],
        sorted.length);
  }

  static double median(long[] block) {
    long[] sorted = block.clone();
    Arrays.sort(sorted);
    return quantile(sorted, 0.5);
  }

  /** Linear between the two that are nearest. */
  private static double quantile(long[] sorted, double share) {
    double at = share * (sorted.length - 1);
    int below = (int) at;
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
  }

  double millis() {
    return median * 1e-6;
  }
}
