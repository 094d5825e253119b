package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Goal: first values are drawn as documented. Method: bounds, moments and products of what was
 * drawn; the same seed twice.
 */
class InitializerTest {
  private Device device;

  @BeforeEach
  void openDevice() {
    device = Device.open(Backend.REFERENCE);
  }

  @AfterEach
  void closeDevice() {
    device.close();
  }

  private RnnParameters parameters(Cell cell, UnaryOperator<RnnConfigBuilder> settings) {
    RnnConfigBuilder builder = RnnConfig.builder(cell).inputSize(31).hiddenSize(17);
    return Rnn.create(device, settings.apply(builder).build()).newParameters();
  }

  /** The spread of U(-a, a) is a / sqrt(3); about 1600 draws give it to a few percent. */
  private static void assertUniform(double bound, double[] values) {
    double squares = 0;
    for (double value : values) {
      assertTrue(Math.abs(value) <= bound, () -> value + " is beyond " + bound);
      squares += value * value;
    }
    assertEquals(bound / Math.sqrt(3), Math.sqrt(squares / values.length), 0.06 * bound);
  }

  @Test
  void uniformIsThatOfTorch() {
    try (RnnParameters p = parameters(Cell.GRU, c -> c.layers(2));
        RnnParameters again = parameters(Cell.GRU, c -> c.layers(2))) {
      p.initializeUniform(5);
      assertUniform(1 / Math.sqrt(17), p.weightIh().readDoubles());
      assertUniform(1 / Math.sqrt(17), p.named().get("weight_hh_l1").readDoubles());
      again.initializeUniform(5);
      assertArrayEquals(p.arena().readFloats(), again.arena().readFloats());
      again.initializeUniform(6);
      assertTrue(p.weightIh().readFloats()[0] != again.weightIh().readFloats()[0]);
    }
  }

  @Test
  void xavierCountsOneGate() {
    try (RnnParameters p = parameters(Cell.LSTM, c -> c.peephole(true).projectionSize(5))) {
      p.initializeUniform(1).initializeXavier(5);
      assertUniform(Math.sqrt(6.0 / (17 + 31)), p.weightIh().readDoubles());
      assertUniform(Math.sqrt(6.0 / (17 + 5)), p.weightHh().readDoubles());
      assertArrayEquals(new float[68], p.named().get("bias_ih_l0").readFloats());
      assertArrayEquals(new float[51], p.named().get("weight_peephole_l0").readFloats());
    }
  }

  /** Of each gate U U^T = 1; with a projection to 5 U is [17, 5] and U^T U = 1. */
  @Test
  void orthogonalGateByGate() {
    try (RnnParameters p = parameters(Cell.GRU, c -> c.dtype(DType.F64));
        RnnParameters projected =
            parameters(Cell.LSTM, c -> c.dtype(DType.F64).projectionSize(5))) {
      double[] square = p.initializeOrthogonal(7).weightHh().readDoubles();
      for (int gate = 0; gate < 3; gate++) {
        for (int a = 0; a < 17; a++) {
          for (int b = 0; b < 17; b++) {
            double dot = 0;
            for (int k = 0; k < 17; k++) {
              dot += square[((gate * 17) + a) * 17 + k] * square[((gate * 17) + b) * 17 + k];
            }
            assertEquals(a == b ? 1 : 0, dot, 1e-6); // values are rounded to float
          }
        }
      }
      double[] tall = projected.initializeOrthogonal(7).weightHh().readDoubles();
      for (int a = 0; a < 5; a++) {
        for (int b = 0; b < 5; b++) {
          double dot = 0;
          for (int row = 0; row < 17; row++) {
            dot += tall[row * 5 + a] * tall[row * 5 + b];
          }
          assertEquals(a == b ? 1 : 0, dot, 1e-6);
        }
      }
    }
  }

  @Test
  void forgetBiasFindsItsBlock() {
    try (RnnParameters plain = parameters(Cell.LSTM, c -> c.bidirectional(true));
        RnnParameters coupled = parameters(Cell.LSTM, c -> c.coupledForget(true));
        RnnParameters gru = parameters(Cell.GRU, c -> c)) {
      plain.forgetBias(1);
      for (String name : new String[] {"bias_ih_l0", "bias_ih_l0_reverse"}) {
        float[] bias = plain.named().get(name).readFloats();
        for (int k = 0; k < bias.length; k++) {
          assertEquals(k / 17 == 1 ? 1 : 0, bias[k], name);
        }
      }
      assertEquals(1, coupled.forgetBias(1).named().get("bias_ih_l0").readFloats()[0]);
      assertEquals(
          "forgetBias: expected an lstm with a forget gate and biases, got gru(I=31, H=17, f32)",
          assertThrows(IllegalStateException.class, () -> gru.forgetBias(1)).getMessage());
    }
  }
}
