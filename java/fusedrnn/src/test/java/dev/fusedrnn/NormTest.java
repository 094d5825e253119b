package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Goal: the oracle normalises as Ba et al. 2016 and Laurent et al. 2016 say. Method: cases of one
 * unit worked by hand in the comments; gradients are the difference test's business.
 */
class NormTest {
  private static final double LN3 = Math.log(3);
  private static final double EXACT = 1e-12;
  private static final double NO_EPSILON = 1e-300; // beside a variance of 1 it is nothing

  private Device device;

  @BeforeEach
  void openDevice() {
    device = Device.open(Backend.REFERENCE);
  }

  @AfterEach
  void closeDevice() {
    device.close();
  }

  private static RnnConfigBuilder config(Cell cell) {
    return RnnConfig.builder(cell)
        .inputSize(1)
        .hiddenSize(1)
        .dtype(DType.F64)
        .normEpsilon(NO_EPSILON);
  }

  /**
   * W x = 0 2 4 2 for i f g o has mean 2 and variance 2, so it becomes -r 0 r 0 with r = sqrt 2. R
   * h = 0 0 0 0 stays so. With gains ln 3 / r: i = s(-ln 3) = 1/4, f = s(0) = 1/2, g = tanh(ln 3) =
   * 4/5, o = 1/2; c = 1/2 c0 + 1/5. One unit alone has variance 0, so LN(c) = 0 and h = o tanh(bias
   * of c) = 1/2 * 4/5 with a bias of ln 3.
   */
  @Test
  void layerNorm() {
    Rnn rnn = Rnn.create(device, config(Cell.LSTM).norm(Norm.LAYER).build());
    try (RnnParameters p = rnn.newParameters();
        RnnSequence s = rnn.newSequence(1, 1, false)) {
      p.weightIh().write(new double[] {0, 1, 2, 1});
      double gain = LN3 / Math.sqrt(2);
      p.named().get("norm_ih_l0").write(new double[] {gain, gain, gain, gain});
      p.named().get("norm_c_bias_l0").write(new double[] {LN3});
      s.x().write(new double[] {2});
      s.c0().write(new double[] {3});
      s.call().parameters(p);
      s.forward(device.defaultStream());
      assertEquals(1.7, s.cT().readDoubles()[0], EXACT);
      assertEquals(0.4, s.hT().readDoubles()[0], EXACT);
    }
  }

  /**
   * Rows x = 1, 3 and a third that is not live: mean 2, variance 1, so W x becomes -1, 1; with gain
   * ln 3 h = -4/5, 4/5. The running mean goes from 0 to 0.1 * 2, the running variance from 1 to 0.9
   * + 0.1 * 2, for the unbiased variance is 2. In inference x = 3 gives (3 - 0.2) / sqrt(1.1) ln 3.
   */
  @Test
  void batchNorm() {
    Rnn rnn = Rnn.create(device, config(Cell.RNN_TANH).norm(Norm.BATCH).build());
    try (RnnParameters p = rnn.newParameters();
        RnnSequence s = rnn.newSequence(1, 3, true);
        RnnSequence inference = rnn.newSequence(1, 1, false)) {
      p.weightIh().write(new double[] {1});
      p.named().get("norm_ih_l0").write(new double[] {LN3});
      s.x().write(new double[] {1, 3, 100});
      s.lengths(1, 1, 0).call().parameters(p);
      s.forward(device.defaultStream());
      assertArrayEquals(new double[] {-0.8, 0.8, 0}, s.y().readDoubles(), EXACT);
      assertEquals(0.2, p.statistics().get("running_mean_l0").readDoubles()[0], EXACT);
      assertEquals(1.1, p.statistics().get("running_var_l0").readDoubles()[0], EXACT);
      s.backward(device.defaultStream());
      assertEquals(0.2, p.statistics().get("running_mean_l0").readDoubles()[0], EXACT);
      inference.x().write(new double[] {3});
      inference.call().parameters(p);
      inference.forward(device.defaultStream());
      double expected = Math.tanh(2.8 / Math.sqrt(1.1) * LN3);
      assertEquals(expected, inference.y().readDoubles()[0], EXACT);
      assertEquals(0.2, p.statistics().get("running_mean_l0").readDoubles()[0], EXACT);
    }
  }

  @Test
  void startsAsTheIdentity() {
    Rnn rnn = Rnn.create(device, config(Cell.LSTM).norm(Norm.LAYER).build());
    try (RnnParameters p = rnn.newParameters()) {
      assertArrayEquals(new float[] {1, 1, 1, 1}, p.named().get("norm_hh_l0").readFloats());
      p.initializeUniform(3);
      assertArrayEquals(new float[] {1}, p.named().get("norm_c_l0").readFloats());
      assertArrayEquals(new float[] {0}, p.named().get("norm_c_bias_l0").readFloats());
    }
  }

  @Test
  void refusals() {
    assertEquals(
        "norm: layer normalisation expects a plain lstm, got gru(I=1, H=1, LAYER norm, f64)",
        assertThrows(
                IllegalArgumentException.class, () -> config(Cell.GRU).norm(Norm.LAYER).build())
            .getMessage());
    assertEquals(
        "normEpsilon: expected above 0, got 0.0",
        assertThrows(IllegalArgumentException.class, () -> config(Cell.GRU).normEpsilon(0).build())
            .getMessage());
    assertEquals(
        "normMomentum: expected 0 to 1, got 2.0",
        assertThrows(IllegalArgumentException.class, () -> config(Cell.GRU).normMomentum(2).build())
            .getMessage());
    Rnn rnn = Rnn.create(device, config(Cell.GRU).norm(Norm.BATCH).build());
    try (RnnParameters p = rnn.newParameters()) {
      DeviceBuffer mean = p.statistics().get("running_mean_l0");
      assertEquals(
          "drunning_mean_l0: expected none, for it is not trained",
          assertThrows(
                  IllegalArgumentException.class,
                  () -> rnn.newCall(1, 1, true).gradient(Parameter.RUNNING_MEAN, 0, 0, mean))
              .getMessage());
    }
  }
}
