package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Goal: the oracle computes what the papers say. Method: one step of one unit with one input, where
 * the pre-activations are chosen so that every gate is a short decimal: s(ln 3) = 3/4, s(0) = 1/2,
 * s(-ln 3) = 1/4, tanh(ln 3) = (9 - 1) / (9 + 1) = 4/5, tanh(ln 3 / 2) = (3 - 1) / (3 + 1) = 1/2.
 * Biases make up the difference to the wanted pre-activation. dhT = 1 throughout.
 */
class ReferenceByHandTest {
  private static final double LN3 = Math.log(3);
  private static final double EXACT = 1e-15;
  private static final double X = 2;

  private Device device;
  private final List<AutoCloseable> open = new ArrayList<>();

  @BeforeEach
  void openDevice() {
    device = Device.open(Backend.REFERENCE);
  }

  @AfterEach
  void closeAll() throws Exception {
    for (AutoCloseable each : open) {
      each.close();
    }
    device.close();
  }

  private RnnParameters gradients;

  /** Runs one step forward and backward; {@code pre} is W x + b, the rest is given. */
  private RnnSequence run(
      Cell cell, double[] w, double[] pre, double[] u, double[] bHh, double h0, double c0) {
    RnnConfig config = RnnConfig.builder(cell).inputSize(1).hiddenSize(1).dtype(DType.F64).build();
    Rnn layer = Rnn.create(device, config);
    RnnParameters parameters = layer.newParameters();
    gradients = layer.newGradients();
    RnnSequence sequence = layer.newSequence(1, 1, true);
    open.addAll(List.of(parameters, gradients, sequence));
    double[] bIh = new double[w.length];
    for (int gate = 0; gate < w.length; gate++) {
      bIh[gate] = pre[gate] - w[gate] * X;
    }
    parameters.weightIh().write(w);
    parameters.weightHh().write(u);
    parameters.biasIh().write(bIh);
    parameters.biasHh().write(bHh);
    sequence.x().write(new double[] {X});
    sequence.h0().write(new double[] {h0});
    if (cell.hasCellState()) {
      sequence.c0().write(new double[] {c0});
    }
    sequence.dhT().write(new double[] {1});
    sequence.call().parameters(parameters).gradients(gradients);
    sequence.forward(device.defaultStream());
    sequence.backward(device.defaultStream());
    return sequence;
  }

  private void assertParameterGradients(
      double[] da, double[] du, double[] seenByU, double... dwIh) {
    double[] dwHh = new double[du.length];
    for (int gate = 0; gate < du.length; gate++) {
      dwHh[gate] = du[gate] * seenByU[gate];
    }
    assertArrayEquals(dwIh, gradients.weightIh().readDoubles(), EXACT, "dw_ih");
    assertArrayEquals(dwHh, gradients.weightHh().readDoubles(), EXACT, "dw_hh");
    assertArrayEquals(da, gradients.biasIh().readDoubles(), EXACT, "db_ih");
    assertArrayEquals(du, gradients.biasHh().readDoubles(), EXACT, "db_hh");
  }

  private static void assertScalar(double expected, DeviceBuffer actual, String name) {
    assertEquals(expected, actual.readDoubles()[0], EXACT, name);
  }

  /**
   * i = 3/4, f = 1/2, g = 1/2, o = 1/4. With c0 = 2 ln 3 - 3/4: c = f c0 + i g = ln 3, so tanh c =
   * 4/5 and h = 1/5.
   *
   * <p>Backward: dc = o (1 - tanh^2 c) = 1/4 * 9/25 = 0.09; da_i = dc g i (1 - i) = 0.09 / 2 * 3/16
   * = 0.0084375; da_f = dc c0 / 4 = 0.0225 c0; da_g = dc i (1 - g^2) = 0.09 * 9/16 = 0.050625; da_o
   * = 4/5 * 3/16 = 0.15; dc0 = dc f = 0.045; dx = w . da, dh0 = u . da.
   */
  @Test
  void lstm() {
    double c0 = 2 * LN3 - 0.75;
    double h0 = 0.5;
    // u h0 + b_hh = 0.5, 0.75, -0.25, 0.75
    RnnSequence s =
        run(
            Cell.LSTM,
            new double[] {1, -1, 0.5, 2},
            new double[] {LN3 - 0.5, -0.75, LN3 / 2 + 0.25, -LN3 - 0.75},
            new double[] {0.5, 1, -1, 1},
            new double[] {0.25, 0.25, 0.25, 0.25},
            h0,
            c0);
    assertScalar(0.2, s.y(), "y");
    assertScalar(0.2, s.hT(), "hT");
    assertScalar(LN3, s.cT(), "cT");
    double[] da = {0.0084375, 0.0225 * c0, 0.050625, 0.15};
    double[] dw = {2 * da[0], 2 * da[1], 2 * da[2], 2 * da[3]};
    assertParameterGradients(da, da, new double[] {h0, h0, h0, h0}, dw);
    assertScalar(da[0] - da[1] + 0.5 * da[2] + 2 * da[3], s.dx(), "dx");
    assertScalar(0.5 * da[0] + da[1] - da[2] + da[3], s.dh0(), "dh0");
    assertScalar(0.045, s.dc0(), "dc0");
  }

  /**
   * h0 = 2/5, r = 1/2, z = 1/4; Un h0 + cn = 1/2 * 2/5 + 3/10 = 1/2; n = tanh(ln 3) = 4/5; h = 3/4
   * * 4/5 + 1/4 * 2/5 = 0.7.
   *
   * <p>Backward: da_n = (1 - z)(1 - n^2) = 0.27; da_z = (h0 - n) z (1 - z) = -0.4 * 3/16 = -0.075;
   * da_r = da_n (Un h0 + cn) r (1 - r) = 0.27 / 8 = 0.03375; du_n = da_n r = 0.135; dh0 = z + Ur
   * da_r + Uz da_z + Un du_n with Ur = 1, Uz = -2, Un = 1/2: 0.25 + 0.03375 + 0.15 + 0.0675 =
   * 0.50125.
   */
  @Test
  void gruResetAfter() {
    RnnSequence s =
        run(
            Cell.GRU,
            new double[] {1, 2, 3},
            new double[] {-0.4, -LN3 + 0.8, LN3 - 0.25},
            new double[] {1, -2, 0.5},
            new double[] {0, 0, 0.3},
            0.4,
            0);
    assertScalar(0.7, s.y(), "y");
    assertScalar(0.7, s.hT(), "hT");
    double[] da = {0.03375, -0.075, 0.27};
    double[] du = {0.03375, -0.075, 0.135};
    assertParameterGradients(da, du, new double[] {0.4, 0.4, 0.4}, 0.0675, -0.15, 0.54);
    assertScalar(0.03375 - 0.15 + 0.81, s.dx(), "dx");
    assertScalar(0.50125, s.dh0(), "dh0");
  }

  /**
   * As above with the reset before the product: Un (r h0) + cn = 1/2 * 1/5 + 3/10 = 2/5; n = 4/5, h
   * = 0.7 again.
   *
   * <p>Backward: da_n = du_n = 0.27, da_z = -0.075; d(r h) = Un du_n = 0.135; da_r = d(r h) h0 r (1
   * - r) = 0.135 * 0.4 / 4 = 0.0135; dUn = du_n (r h0) = 0.27 / 5; dh0 = z + d(r h) r + Ur da_r +
   * Uz da_z = 0.25 + 0.0675 + 0.0135 + 0.15 = 0.481.
   */
  @Test
  void gruResetBefore() {
    RnnSequence s =
        run(
            Cell.GRU_RESET_BEFORE,
            new double[] {1, 2, 3},
            new double[] {-0.4, -LN3 + 0.8, LN3 - 0.4},
            new double[] {1, -2, 0.5},
            new double[] {0, 0, 0.3},
            0.4,
            0);
    assertScalar(0.7, s.y(), "y");
    double[] da = {0.0135, -0.075, 0.27};
    assertParameterGradients(da, da, new double[] {0.4, 0.4, 0.2}, 0.027, -0.15, 0.54);
    assertScalar(0.0135 - 0.15 + 0.81, s.dx(), "dx");
    assertScalar(0.481, s.dh0(), "dh0");
  }

  /**
   * h0 = 2/5, r = 1/2, z = 3/4, tanh(Wn x + bn) = 1/2, Un (r h0) + cn = 1/2 * 1/5 + cn = ln 3 -
   * 1/2; n = 4/5; h = 3/4 * 4/5 + 1/4 * 2/5 = 0.7.
   *
   * <p>Backward: du_n = z (1 - n^2) = 0.27, da_n = 0.27 * 3/4 = 0.2025; da_z = (n - h0) z (1 - z) =
   * 0.075; d(r h) = Un du_n = 0.135; da_r = 0.135 * 0.4 / 4 = 0.0135; dh0 = (1 - z) + d(r h) r + Ur
   * da_r = 0.25 + 0.0675 + 0.0135.
   */
  @Test
  void mut1() {
    RnnSequence s =
        run(
            Cell.MUT1,
            new double[] {1, 2, 3},
            new double[] {-0.4, LN3, LN3 / 2},
            new double[] {1, 0.5},
            new double[] {0, LN3 - 0.6},
            0.4,
            0);
    assertScalar(0.7, s.y(), "y");
    double[] da = {0.0135, 0.075, 0.2025};
    double[] du = {0.0135, 0.27};
    assertParameterGradients(da, du, new double[] {0.4, 0.2}, 0.027, 0.15, 0.405);
    assertScalar(0.0135 + 0.15 + 0.6075, s.dx(), "dx");
    assertScalar(0.331, s.dh0(), "dh0");
  }

  /** As above with Wn x + bn = ln 3 - 2/5, cn = 3/10 and Uz = -2, so dh0 = 0.331 - 2 * 0.075. */
  @Test
  void mut2() {
    RnnSequence s =
        run(
            Cell.MUT2,
            new double[] {1, 2, 3},
            new double[] {-0.4, LN3 + 0.8, LN3 - 0.4},
            new double[] {1, -2, 0.5},
            new double[] {0, 0, 0.3},
            0.4,
            0);
    assertScalar(0.7, s.y(), "y");
    double[] da = {0.0135, 0.075, 0.27};
    assertParameterGradients(da, da, new double[] {0.4, 0.4, 0.2}, 0.027, 0.15, 0.54);
    assertScalar(0.0135 + 0.15 + 0.81, s.dx(), "dx");
    assertScalar(0.181, s.dh0(), "dh0");
  }

  /**
   * With h0 = ln 3 / 2, so that Uz sees tanh(h0) = 1/2: Un (r h0) + cn = h0 / 4 + 3/10; h = 3/5 +
   * h0 / 4. Backward: da_z = (4/5 - h0) * 3/16, da_r = 0.135 h0 / 4, dh0 = 0.25 + 0.0675 + da_r - 2
   * da_z * 3/4.
   */
  @Test
  void mut3() {
    double h0 = LN3 / 2;
    RnnSequence s =
        run(
            Cell.MUT3,
            new double[] {1, 2, 3},
            new double[] {-h0, LN3 + 1, LN3 - 0.3 - h0 / 4},
            new double[] {1, -2, 0.5},
            new double[] {0, 0, 0.3},
            h0,
            0);
    assertScalar(0.6 + h0 / 4, s.y(), "y");
    double daR = 0.135 * h0 / 4;
    double daZ = (0.8 - h0) * 3 / 16;
    double[] da = {daR, daZ, 0.27};
    assertParameterGradients(da, da, new double[] {h0, 0.5, h0 / 2}, 2 * daR, 2 * daZ, 0.54);
    assertScalar(daR + 2 * daZ + 0.81, s.dx(), "dx");
    assertScalar(0.3175 + daR - 1.5 * daZ, s.dh0(), "dh0");
  }

  /** h = tanh(ln 3) = 4/5; da = 1 - 16/25 = 0.36; dx = 3 da, dh0 = 2 da. */
  @Test
  void rnnTanh() {
    RnnSequence s =
        run(
            Cell.RNN_TANH,
            new double[] {3},
            new double[] {LN3 - 1.1},
            new double[] {2},
            new double[] {0.1},
            0.5,
            0);
    assertScalar(0.8, s.y(), "y");
    double[] da = {0.36};
    assertParameterGradients(da, da, new double[] {0.5}, 0.72);
    assertScalar(1.08, s.dx(), "dx");
    assertScalar(0.72, s.dh0(), "dh0");
  }

  /** Above zero the sum 0.4 + 1.1 = 1.5 goes through with slope 1; below, nothing does. */
  @Test
  void rnnRelu() {
    double[] u = {2};
    double[] bias = {0.1};
    double[] w = {3};
    RnnSequence above = run(Cell.RNN_RELU, w, new double[] {0.4}, u, bias, 0.5, 0);
    assertScalar(1.5, above.y(), "y");
    assertParameterGradients(new double[] {1}, new double[] {1}, new double[] {0.5}, 2);
    assertScalar(3, above.dx(), "dx");
    assertScalar(2, above.dh0(), "dh0");
    RnnSequence below = run(Cell.RNN_RELU, w, new double[] {-1.6}, u, bias, 0.5, 0);
    assertScalar(0, below.y(), "y");
    assertScalar(0, below.dx(), "dx");
    assertScalar(0, below.dh0(), "dh0");
  }
}
