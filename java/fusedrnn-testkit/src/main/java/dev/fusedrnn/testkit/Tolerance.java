package dev.fusedrnn.testkit;

/**
 * How far a computed tensor may be from the double-precision oracle. There is no epsilon to choose:
 * the same thing is computed in plain fp32 loops, twice, with sums taken upwards and downwards (for
 * 16-bit types, stored in that type where a layer is), and the tensor may be {@link #FACTOR} times
 * as far from the oracle as the worse of those two.
 */
public final class Tolerance {
  /**
   * How many times the plain computation's worst error a backend's worst error may be. One plain
   * result is one draw: another order of summation, a fused multiply-add or an exponential of two
   * units in the last place instead of one half draw anew, and the worst of few elements scatters.
   * The most that was seen is 4.7, over 938 cases of two seeds on cpu and emulated (2026-11-20).
   */
  public static final double FACTOR = 8;

  /** Half a unit in the last place of a float, relative. */
  public static final double ROUNDING = 0x1p-24;

  private Tolerance() {}

  /**
   * The error that plain fp32 arithmetic makes of a tensor. A plain result may hit the oracle
   * exactly by luck; the error is at least one rounding of the tensor's largest element.
   *
   * @param oracle the exact values
   * @param plains the same tensor from plain fp32 loops, at least once
   * @return the worst absolute error over elements that are finite in the oracle
   */
  public static double plainError(double[] oracle, float[]... plains) {
    return plainError(Storage.F32, oracle, plains);
  }

  static double plainError(Storage storage, double[] oracle, float[]... plains) {
    double worst = 0;
    for (int k = 0; k < oracle.length; k++) {
      if (Double.isFinite(oracle[k])) {
        worst = Math.max(worst, storage.rounding() * Math.abs(oracle[k]));
        for (float[] plain : plains) {
          double error = Math.abs(plain[k] - oracle[k]);
          worst = Double.isFinite(error) ? Math.max(worst, error) : worst;
        }
      }
    }
    return worst;
  }

  /**
   * The error that a backend may make of a tensor.
   *
   * @param oracle the exact values
   * @param plains the same tensor from plain fp32 loops, at least once
   * @return {@link #FACTOR} times {@link #plainError}
   */
  public static double allowed(double[] oracle, float[]... plains) {
    return allowed(Storage.F32, oracle, plains);
  }

  static double allowed(Storage storage, double[] oracle, float[]... plains) {
    return FACTOR * plainError(storage, oracle, plains);
  }
}
