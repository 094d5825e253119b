package dev.fusedrnn.testkit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;

/** Goal: right gradients pass and wrong ones are named. Method: a loss with a known gradient. */
class GradientCheckTest {
  private static final ToDoubleFunction<double[]> LOSS =
      v -> Math.sin(v[0]) * v[1] + v[1] * v[1] * v[2];

  private final double[] at = {0.3, -2, 5};

  private double[] gradient() {
    return new double[] {
      Math.cos(at[0]) * at[1], Math.sin(at[0]) + 2 * at[1] * at[2], at[1] * at[1]
    };
  }

  @Test
  void theRightGradientPassesAndTheValuesAreRestored() {
    GradientCheck.require("v", new int[] {3}, at, gradient(), LOSS, 1e-9);
    assertArrayEquals(new double[] {0.3, -2, 5}, at);
  }

  @Test
  void aWrongElementIsNamed() {
    double[] wrong = gradient();
    wrong[2] += 0.01;
    AssertionError e =
        assertThrows(
            AssertionError.class,
            () -> GradientCheck.require("v", new int[] {3}, at, wrong, LOSS, 1e-7));
    assertTrue(e.getMessage().startsWith("gradient of v[2]: expected 4.0"), e.getMessage());
  }
}
