package dev.fusedrnn.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Goal: the yardstick is not itself wrong, for a wrong one would allow anything. Method: plain
 * float loops agree with the double oracle, with which they share no code, to what fp32 can hold.
 */
class PlainNetTest {
  /** Some hundred roundings of 6e-8 that add up, and a norm that divides by a small deviation. */
  private static final double RELATIVE = 2e-5;

  static Stream<NetCase> cases() {
    return Stream.of(CheckSuite.quick(42), FamilyChecks.full(new SplittableRandom(42)))
        .flatMap(List::stream)
        .map(
            c ->
                c instanceof NetCheck net
                    ? net.sizes()
                    : c instanceof RnnCheck rnn ? rnn.sizes().net() : null)
        .filter(Objects::nonNull);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void agreesWithTheOracle(NetCase sizes) {
    Map<String, float[]> data = sizes.data();
    try (Device oracle = Device.open(Backend.REFERENCE)) {
      Map<String, double[]> expected = NetRun.of(oracle, DType.F64, false, sizes, data);
      for (SummationOrder order : List.of(SummationOrder.ASCENDING, SummationOrder.DESCENDING)) {
        Map<String, float[]> got = PlainNet.run(sizes, data, order, Storage.F32);
        expected.forEach((name, exact) -> requireClose(name, exact, got.get(name)));
      }
    }
  }

  private static void requireClose(String name, double[] exact, float[] got) {
    assertEquals(exact.length, got.length, name);
    double scale = Math.max(1, Arrays.stream(exact).map(Math::abs).max().orElse(0));
    for (int k = 0; k < exact.length; k++) {
      double error = Math.abs(exact[k] - got[k]);
      String what = name + "[" + k + "]: " + exact[k] + " and " + got[k];
      assertTrue(error <= RELATIVE * scale, what);
    }
  }
}
