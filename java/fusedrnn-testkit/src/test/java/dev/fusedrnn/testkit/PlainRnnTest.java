package dev.fusedrnn.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Goal: the yardstick is not itself wrong, for a wrong one would allow anything. Method: plain
 * float loops agree with the double oracle, with which they share no code, to what fp32 can hold.
 */
class PlainRnnTest {
  /** Some fifty roundings of 6e-8 that add up. */
  private static final double RELATIVE = 3e-6;

  @ParameterizedTest
  @EnumSource(value = Cell.class, mode = EnumSource.Mode.MATCH_NONE, names = "MUT.*")
  void agreesWithTheOracle(Cell cell) {
    Set<RnnCase.Part> parts = EnumSet.copyOf(RnnCase.ALL);
    parts.add(RnnCase.Part.ACCUMULATE);
    RnnCase sizes = new RnnCase(cell, 6, 3, 5, 7, parts, 42);
    Map<String, float[]> data = sizes.data();
    try (Device oracle = Device.open(Backend.REFERENCE)) {
      Map<String, double[]> expected = RnnRun.of(oracle, DType.F64, sizes, data);
      for (SummationOrder order : SummationOrder.values()) {
        Map<String, float[]> got = PlainRnn.run(sizes, data, order);
        assertEquals(expected.keySet(), got.keySet());
        expected.forEach((name, exact) -> requireClose(name, exact, got.get(name)));
      }
    }
  }

  private static void requireClose(String name, double[] exact, float[] got) {
    assertEquals(exact.length, got.length, name);
    for (int k = 0; k < exact.length; k++) {
      double error = Math.abs(exact[k] - got[k]);
      assertTrue(error <= RELATIVE * Math.max(1, Math.abs(exact[k])), name + " element " + k);
    }
  }
}
