package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/**
 * Goal: the oracle's variants compute what their papers say. Method: one step of one unit, worked
 * in the comment, with s(ln 3) = 3/4, s(0) = 1/2, s(-ln 3) = 1/4, tanh(ln 3) = 4/5, tanh(ln 3 / 2)
 * = 1/2. Weights of x and h are zero: pre-activations are the biases, and dhT = 1 throughout.
 */
class VariantByHandTest {
  private static final double LN3 = Math.log(3);
  private static final double EXACT = 1e-15;

  /** What one step left behind. */
  private record Step(
      double h, double c, double dh0, double dc0, double[] db, double[] dPeephole) {}

  private static Step run(
      UnaryOperator<RnnConfigBuilder> settings, double[] bias, double[] peephole, double c0) {
    return run(settings, bias, peephole, 0, c0, true);
  }

  private static Step run(
      UnaryOperator<RnnConfigBuilder> settings,
      double[] bias,
      double[] peephole,
      double h0,
      double c0,
      boolean training) {
    RnnConfig config =
        settings
            .apply(RnnConfig.builder(Cell.LSTM).inputSize(1).hiddenSize(1).dtype(DType.F64))
            .build();
    try (Device device = Device.open(Backend.REFERENCE)) {
      Rnn rnn = Rnn.create(device, config);
      RnnParameters gradients = rnn.newGradients();
      RnnSequence s = rnn.newSequence(1, 1, training);
      try (gradients;
          s;
          RnnParameters parameters = rnn.newParameters()) {
        parameters.named().get("bias_ih_l0").write(bias);
        if (config.peephole()) {
          parameters.named().get("weight_peephole_l0").write(peephole);
        }
        s.h0().write(new double[] {h0});
        s.c0().write(new double[] {c0});
        s.call().parameters(parameters).gradients(gradients);
        s.forward(device.defaultStream());
        if (!training) {
          double[] none = {};
          return new Step(s.hT().readDoubles()[0], s.cT().readDoubles()[0], 0, 0, none, none);
        }
        s.dhT().write(new double[] {1});
        s.backward(device.defaultStream());
        DeviceBuffer dPeephole = gradients.named().get("weight_peephole_l0");
        return new Step(
            s.hT().readDoubles()[0],
            s.cT().readDoubles()[0],
            s.dh0().readDoubles()[0],
            s.dc0().readDoubles()[0],
            gradients.named().get("bias_ih_l0").readDoubles(),
            dPeephole == null ? new double[0] : dPeephole.readDoubles());
      }
    }
  }

  private static void assertAll(double[] expected, double[] actual, String name) {
    assertEquals(expected.length, actual.length, name);
    for (int k = 0; k < expected.length; k++) {
      assertEquals(expected[k], actual[k], EXACT, name + "[" + k + "]");
    }
  }

  /**
   * Peepholes 1, 2, 3 with c0 = 2 ln 3 - 3/4: sums are brought to i = 3/4, f = 1/2, g = 1/2, o =
   * 1/4 by biases ln 3 - c0, -2 c0, ln 3 / 2, -ln 3 - 3 c with c = f c0 + i g = ln 3. h = 1/4 *
   * 4/5.
   *
   * <p>Backward: da_o = 4/5 * 3/16 = 0.15; dc = 1/4 * 9/25 + 3 da_o = 0.54; da_i = 0.54 / 2 * 3/16
   * = 0.050625; da_f = 0.54 c0 / 4 = 0.135 c0; da_g = 0.54 * 3/4 * 3/4 = 0.30375; dc0 = 0.54 / 2 +
   * da_i + 2 da_f; dp = da_i c0, da_f c0, da_o c.
   */
  @Test
  void peephole() {
    double c0 = 2 * LN3 - 0.75;
    double[] bias = {LN3 - c0, -2 * c0, LN3 / 2, -LN3 - 3 * LN3};
    Step step = run(c -> c.peephole(true), bias, new double[] {1, 2, 3}, c0);
    assertEquals(0.2, step.h(), EXACT);
    assertEquals(LN3, step.c(), EXACT);
    double daF = 0.135 * c0;
    assertAll(new double[] {0.050625, daF, 0.30375, 0.15}, step.db(), "db");
    assertAll(new double[] {0.050625 * c0, daF * c0, 0.15 * LN3}, step.dPeephole(), "dp");
    assertEquals(0.27 + 0.050625 + 2 * daF, step.dc0(), EXACT);
  }

  /**
   * Coupled, blocks f g o: f = 1/4 so i = 3/4; g = 1/2; o = 1/4; with c0 = 4 ln 3 - 3/2: c = f c0 +
   * i g = ln 3, h = 1/5.
   *
   * <p>Backward: dc = 0.09; da_f = (0.09 c0 - 0.09 g) f (1 - f) = 0.09 (c0 - 1/2) 3/16; da_g = 0.09
   * * 3/4 * 3/4; da_o = 0.15; dc0 = 0.0225.
   */
  @Test
  void coupled() {
    double c0 = 4 * LN3 - 1.5;
    Step step =
        run(c -> c.coupledForget(true), new double[] {-LN3, LN3 / 2, -LN3}, new double[0], c0);
    assertEquals(0.2, step.h(), EXACT);
    assertAll(new double[] {0.09 * (c0 - 0.5) * 3 / 16, 0.050625, 0.15}, step.db(), "db");
    assertEquals(0.0225, step.dc0(), EXACT);
  }

  /** No gates but g = 1/2: c = c0 + g = ln 3, h = tanh c = 4/5; dc = 9/25; dg = 9/25 * 3/4. */
  @Test
  void withoutGates() {
    Step step =
        run(c -> c.without(Gate.values()), new double[] {LN3 / 2}, new double[0], LN3 - 0.5);
    assertEquals(0.8, step.h(), EXACT);
    assertAll(new double[] {0.27}, step.db(), "db");
    assertEquals(0.36, step.dc0(), EXACT);
  }

  /** c = 1/2 c0 + 3/8 = 5 is clipped to ln 3: h = 1/5, no gradient goes past c. */
  @Test
  void cellClip() {
    double[] bias = {LN3, 0, LN3 / 2, -LN3};
    Step step = run(c -> c.cellClip(LN3), bias, new double[0], 9.25);
    assertEquals(0.2, step.h(), EXACT);
    assertEquals(LN3, step.c(), EXACT);
    assertAll(new double[] {0, 0, 0, 0.15}, step.db(), "db");
    assertEquals(0, step.dc0(), EXACT);
  }

  /** In inference: h = 1/4 h0 + 3/4 * 1/5 and c = 1/2 c0 + 1/2 ln 3. */
  @Test
  void zoneoutInExpectation() {
    double[] bias = {LN3, 0, LN3 / 2, -LN3};
    double c0 = 2 * LN3 - 0.75;
    Step step =
        run(c -> c.zoneoutHidden(0.25).zoneoutCell(0.5), bias, new double[0], 0.8, c0, false);
    assertEquals(0.2 + 0.15, step.h(), EXACT);
    assertEquals(c0 / 2 + LN3 / 2, step.c(), EXACT);
  }
}
