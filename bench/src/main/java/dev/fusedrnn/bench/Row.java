package dev.fusedrnn.bench;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * One measured case.
 *
 * @param suite {@code sequence}, {@code overhead}, {@code training} or {@code cpu}
 * @param benchmark the operation: {@code forward}, {@code train}, {@code unfusedForward}, {@code
 *     unfusedTrain}, {@code crossing}, {@code enqueue}, {@code copy}, {@code clipAdam}, {@code
 *     infer}
 * @param shape the case, empty but for {@code sequence} and {@code cpu}
 * @param backend who computed
 * @param dtype what it was computed in: {@code f32}, {@code tf32}, {@code bf16}, {@code f16}
 * @param threads asked for; 0 where the backend chose
 * @param time_us_median median of the iterations' means, microseconds an operation
 * @param time_us_min fastest iteration
 * @param time_us_max slowest iteration
 * @param gflop work of one operation in 10^9 operations; as {@code shape}
 * @param gflop_per_s work over the median time
 * @param bytes_per_op Java heap allocated by one operation; null where it was not asked for
 * @param baseline_us what the ratio compares with; null without a baseline
 * @param ratio baseline over this: above 1 is faster
 * @param time_us_p10 a tenth of the operations was faster; only of {@code cpu}
 * @param limit_us the same work at the rate of a large product; only of {@code cpu}
 * @param setting how an engine that has several settings was told its threads; only of {@code cpu}
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Row(
    String suite,
    String benchmark,
    String shape,
    String backend,
    String dtype,
    int threads,
    double time_us_median,
    double time_us_min,
    double time_us_max,
    @Nullable Double gflop,
    @Nullable Double gflop_per_s,
    @Nullable Double bytes_per_op,
    @Nullable Double baseline_us,
    @Nullable Double ratio,
    @Nullable Double time_us_p10,
    @Nullable Double limit_us,
    @Nullable String setting) {

  /** A row of the suites that JMH measures. */
  Row(
      String suite,
      String benchmark,
      String shape,
      String backend,
      String dtype,
      int threads,
      double median,
      double min,
      double max,
      @Nullable Double gflop,
      @Nullable Double bytes) {
    this(
        suite,
        benchmark,
        shape,
        backend,
        dtype,
        threads,
        median,
        min,
        max,
        gflop,
        gflop == null ? null : gflop / (median * 1e-6),
        bytes,
        null,
        null,
        null,
        null,
        null);
  }

  /** What makes rows of two reports comparable. */
  String key() {
    return key(suite, benchmark, shape, backend, dtype, threads);
  }

  /** The key of the row that stands beside this: the unfused loop's, or the copy's. */
  String unfusedKey() {
    if (suite.equals(Suite.TRAINING.label())) {
      return benchmark.equals("copy") ? "" : key(suite, "copy", shape, backend, dtype, threads);
    }
    String unfused =
        "unfused" + benchmark.substring(0, 1).toUpperCase(Locale.ROOT) + benchmark.substring(1);
    return key(suite, unfused, shape, backend, dtype, threads);
  }

  static String key(
      String suite, String benchmark, String shape, String backend, String dtype, int threads) {
    return String.join(" ", suite, benchmark, shape, backend, dtype, String.valueOf(threads));
  }

  /** This row beside a baseline's time. */
  public Row against(double baseline) {
    return new Row(
        suite,
        benchmark,
        shape,
        backend,
        dtype,
        threads,
        time_us_median,
        time_us_min,
        time_us_max,
        gflop,
        gflop_per_s,
        bytes_per_op,
        baseline,
        baseline / time_us_median,
        time_us_p10,
        limit_us,
        setting);
  }
}
