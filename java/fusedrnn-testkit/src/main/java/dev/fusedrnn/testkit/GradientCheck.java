package dev.fusedrnn.testkit;

import java.util.function.ToDoubleFunction;

/**
 * Compares gradients with central finite differences of a loss, {@code (L(v + e) - L(v - e)) / 2e}.
 * For code that computes in double, such as the reference backend; a loss in float has too much
 * rounding noise for it.
 */
public final class GradientCheck {
  /**
   * The step, relative to the size of a value: the cube root of the rounding of a double, where
   * truncation (e^2) and rounding (u / e) are of one size.
   */
  public static final double STEP = 6e-6;

  private GradientCheck() {}

  /**
   * Checks one input or parameter.
   *
   * @param tensor its name, for the report
   * @param shape sizes, outermost first
   * @param at where the gradient was taken; changed while the loss is called, then restored
   * @param gradient dL/dat as the code under test has it, in the same order
   * @param loss computes the loss from the array it is given, which is {@code at}
   * @param allowed largest error, relative to the larger of 1 and the largest gradient
   * @return the comparison, whose worst element is named by coordinates
   */
  public static Comparison compare(
      String tensor,
      int[] shape,
      double[] at,
      double[] gradient,
      ToDoubleFunction<double[]> loss,
      double allowed) {
    double[] numeric = new double[at.length];
    double scale = 1;
    for (int k = 0; k < at.length; k++) {
      double value = at[k];
      double step = STEP * Math.max(1, Math.abs(value));
      at[k] = value + step;
      double above = loss.applyAsDouble(at);
      at[k] = value - step;
      double below = loss.applyAsDouble(at);
      at[k] = value;
      numeric[k] = (above - below) / (2 * step);
      scale = Math.max(scale, Math.abs(numeric[k]));
    }
    return Comparison.of(tensor, shape, numeric, gradient, allowed * scale);
  }

  /**
   * As {@link #compare}, and fails where it does not pass.
   *
   * @param tensor its name, for the report
   * @param shape sizes, outermost first
   * @param at where the gradient was taken
   * @param gradient dL/dat as the code under test has it
   * @param loss computes the loss from the array it is given
   * @param allowed largest relative error; 1e-7 suits smooth losses
   * @throws AssertionError naming the worst element
   */
  public static void require(
      String tensor,
      int[] shape,
      double[] at,
      double[] gradient,
      ToDoubleFunction<double[]> loss,
      double allowed) {
    Comparison comparison = compare(tensor, shape, at, gradient, loss, allowed);
    if (!comparison.pass()) {
      throw new AssertionError(
          String.format(
              "gradient of %s (error %.3g, allowed %.3g)",
              comparison.worst(), comparison.error(), comparison.allowed()));
    }
  }
}
