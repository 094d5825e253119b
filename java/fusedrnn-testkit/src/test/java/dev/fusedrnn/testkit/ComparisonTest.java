package dev.fusedrnn.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** Goal: the error metric says what is wrong and where. Method: cases worked by hand. */
class ComparisonTest {
  private static final double NAN = Double.NaN;
  private static final double INFINITE = Double.POSITIVE_INFINITY;

  private static Comparison compare(double[] oracle, double... got) {
    return Comparison.of("y", new int[] {oracle.length}, oracle, got, 0.5);
  }

  @Test
  void theWorstElementIsNamedByCoordinates() {
    double[] oracle = new double[2 * 3 * 5];
    double[] got = oracle.clone();
    got[(1 * 3 + 2) * 5 + 4] = 0.25;
    got[3] = -0.125;
    Comparison comparison = Comparison.of("y", new int[] {2, 3, 5}, oracle, got, 0.5);
    assertEquals(0.25, comparison.error());
    assertEquals("y[1, 2, 4]: expected 0.00000000, got 0.250000000", comparison.worst());
    assertTrue(comparison.pass());
    assertEquals(0.5, comparison.ratio());
  }

  @Test
  void anErrorAboveTheAllowanceFails() {
    assertFalse(compare(new double[] {1, 2}, 1, 2.75).pass());
  }

  @Test
  void nonFiniteMasksComeFirst() {
    assertTrue(compare(new double[] {NAN, INFINITE, 1}, NAN, INFINITE, 1).pass());
    Comparison lost = compare(new double[] {1, NAN}, 1, 0);
    assertFalse(lost.pass());
    assertTrue(Double.isNaN(lost.error()));
    assertEquals("y[1]: expected NaN, got 0.00000000", lost.worst());
    assertFalse(compare(new double[] {1}, NAN).pass());
    assertFalse(compare(new double[] {INFINITE}, -INFINITE).pass());
    assertFalse(compare(new double[] {INFINITE}, NAN).pass());
  }

  @Test
  void lengthsMustFitTheShape() {
    Exception e =
        assertThrows(IllegalArgumentException.class, () -> compare(new double[] {1, 2}, 1));
    assertEquals("y: expected 2 elements, got 2 from the oracle and 1 to compare", e.getMessage());
  }

  @Test
  void emptyTensorsPass() {
    assertTrue(compare(new double[0]).pass());
  }

  @Test
  void plainErrorIsTheWorseOfTheDrawsAndAtLeastOneRounding() {
    double[] oracle = {1, 4, NAN};
    float[] exact = {1, 4, 0};
    assertEquals(4 * 0x1p-24, Tolerance.plainError(oracle, exact));
    assertEquals(0.5, Tolerance.plainError(oracle, exact, new float[] {1.25f, 3.5f, 7}));
    assertEquals(4, Tolerance.allowed(oracle, new float[] {1, 3.5f, 0}));
  }
}
