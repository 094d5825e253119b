package dev.fusedrnn.testkit;

/**
 * One tensor compared with the oracle.
 *
 * @param tensor its name
 * @param error the worst absolute error; NaN where a value is finite on one side only
 * @param allowed what {@link Tolerance} allows
 * @param worst the worst element: its coordinates and both values
 */
public record Comparison(String tensor, double error, double allowed, String worst) {

  /**
   * Compares non-finite masks first (NaN with NaN, infinities by sign), then values.
   *
   * @param tensor its name
   * @param shape sizes, outermost first; their product is the number of values
   * @param oracle expected
   * @param got computed
   * @param allowed the largest absolute error that passes
   * @return the comparison
   * @throws IllegalArgumentException where the lengths differ from each other or from the shape
   */
  public static Comparison of(
      String tensor, int[] shape, double[] oracle, double[] got, double allowed) {
    int count = 1;
    for (int size : shape) {
      count *= size;
    }
    if (oracle.length != count || got.length != count) {
      throw new IllegalArgumentException(
          String.format(
              "%s: expected %d elements, got %d from the oracle and %d to compare",
              tensor, count, oracle.length, got.length));
    }
    for (int k = 0; k < count; k++) {
      boolean finite = Double.isFinite(oracle[k]) && Double.isFinite(got[k]);
      if (!finite && Double.compare(oracle[k], got[k]) != 0) {
        return new Comparison(
            tensor, Double.NaN, allowed, describe(tensor, shape, k, oracle[k], got[k]));
      }
    }
    int worst = 0;
    double error = 0;
    for (int k = 0; k < count; k++) {
      double difference = Double.isFinite(oracle[k]) ? Math.abs(got[k] - oracle[k]) : 0;
      if (difference > error) {
        error = difference;
        worst = k;
      }
    }
    String text = count == 0 ? "empty" : describe(tensor, shape, worst, oracle[worst], got[worst]);
    return new Comparison(tensor, error, allowed, text);
  }

  /**
   * @return whether the error is a number and is allowed
   */
  public boolean pass() {
    return error <= allowed;
  }

  /**
   * @return how much of the allowance is used: above 1, or NaN, where it does not pass
   */
  public double ratio() {
    return error == 0 ? 0 : error / allowed;
  }

  /** Coordinates of element {@code index}, such as {@code dw_ih[3, 17]}. */
  private static String describe(String tensor, int[] shape, int index, double oracle, double got) {
    StringBuilder coordinates = new StringBuilder();
    int rest = index;
    for (int axis = shape.length - 1; axis >= 0; axis--) {
      coordinates.insert(0, rest % shape[axis] + (axis == shape.length - 1 ? "" : ", "));
      rest /= shape[axis];
    }
    return String.format("%s[%s]: expected %.9g, got %.9g", tensor, coordinates, oracle, got);
  }
}
