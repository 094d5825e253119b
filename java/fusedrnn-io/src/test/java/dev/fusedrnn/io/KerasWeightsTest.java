package dev.fusedrnn.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Cell;
import dev.fusedrnn.RnnConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Goal: a Keras layer's arrays give a network that computes what Keras documents. Method: Keras's
 * equations in plain loops over Keras's own arrays against the oracle over the read ones; round
 * trips; and one changed element of an array moves only its own gate, layer and direction.
 */
class KerasWeightsTest {
  private static final int HIDDEN = 5;

  static Stream<RnnConfig> configs() {
    return Networks.plain(Cell.LSTM, Cell.GRU, Cell.GRU_RESET_BEFORE, Cell.RNN_TANH).stream();
  }

  private static List<HostTensor> layer(Cell cell) {
    int columns = cell.gates() * HIDDEN;
    return List.of(
        Networks.tensor(1, 3, columns),
        Networks.tensor(2, HIDDEN, columns),
        cell == Cell.GRU ? Networks.tensor(3, 2, columns) : Networks.tensor(3, columns));
  }

  /** One step of Keras: columns of x kernel + b and h recurrent_kernel (+ b of reset_after). */
  private static double[] step(
      Cell cell, List<HostTensor> keras, double[] x, double[] h, double[] c) {
    int columns = cell.gates() * HIDDEN;
    double[] bias = keras.get(2).values();
    double[] in = new double[columns];
    double[] back = new double[columns];
    for (int k = 0; k < columns; k++) {
      in[k] = Networks.dot(x, keras.get(0), k) + bias[k];
      back[k] = Networks.dot(h, keras.get(1), k) + (cell == Cell.GRU ? bias[columns + k] : 0);
    }
    double[] next = new double[HIDDEN];
    double[] z = new double[HIDDEN];
    double[] reset = new double[HIDDEN];
    for (int j = 0; j < HIDDEN; j++) {
      z[j] = Networks.sigmoid(in[j] + back[j]);
      reset[j] = cell == Cell.RNN_TANH ? 0 : Networks.sigmoid(in[HIDDEN + j] + back[HIDDEN + j]);
    }
    double[] resetState = new double[HIDDEN];
    Arrays.setAll(resetState, j -> reset[j] * h[j]);
    for (int j = 0; j < HIDDEN; j++) {
      int third = 2 * HIDDEN + j;
      switch (cell) {
        case LSTM -> { // i f c o
          c[j] = reset[j] * c[j] + z[j] * Math.tanh(in[third] + back[third]);
          next[j] = Networks.sigmoid(in[HIDDEN + third] + back[HIDDEN + third]) * Math.tanh(c[j]);
        }
        case RNN_TANH -> next[j] = Math.tanh(in[j] + back[j]);
        default -> { // z r h
          double recurrent =
              cell == Cell.GRU
                  ? reset[j] * back[third]
                  : Networks.dot(resetState, keras.get(1), third);
          next[j] = z[j] * h[j] + (1 - z[j]) * Math.tanh(in[third] + recurrent);
        }
      }
    }
    return next;
  }

  @ParameterizedTest
  @EnumSource(names = {"LSTM", "GRU", "GRU_RESET_BEFORE", "RNN_TANH"})
  void theNetworkComputesKerasEquations(Cell cell) {
    List<HostTensor> keras = layer(cell);
    RnnConfig config = Networks.builder(cell).build();
    double[] x = Networks.input(config);
    double[] expected = new double[Networks.STEPS * HIDDEN];
    double[] h = new double[HIDDEN];
    double[] c = new double[HIDDEN];
    for (int t = 0; t < Networks.STEPS; t++) {
      h = step(cell, keras, Arrays.copyOfRange(x, 3 * t, 3 * t + 3), h, c);
      System.arraycopy(h, 0, expected, t * HIDDEN, HIDDEN);
    }
    double[] got = Networks.run(KerasWeights.read(config, keras), x);
    assertArrayEquals(expected, got, 1e-12);
  }

  @ParameterizedTest
  @MethodSource("configs")
  void whatKerasWroteComesBack(RnnConfig config) {
    List<HostTensor> keras = KerasWeights.write(Networks.weights(config, 5));
    List<HostTensor> again = KerasWeights.write(KerasWeights.read(config, keras));
    for (int k = 0; k < keras.size(); k++) {
      assertArrayEquals(keras.get(k).shape(), again.get(k).shape());
      assertArrayEquals(keras.get(k).values(), again.get(k).values());
    }
  }

  @ParameterizedTest
  @MethodSource("configs")
  void aNetworkThroughKerasComputesTheSame(RnnConfig config) {
    RnnWeights weights = Networks.weights(config, 6);
    double[] x = Networks.input(config);
    RnnWeights again = KerasWeights.read(config, KerasWeights.write(weights));
    assertArrayEquals(Networks.run(weights, x), Networks.run(again, x), 1e-14);
  }

  @Test
  void oneElementMovesOnlyItsGateLayerAndDirection() {
    RnnConfig config = Networks.builder(Cell.LSTM).layers(2).bidirectional(true).build();
    List<HostTensor> keras = KerasWeights.write(Networks.weights(config, 7));
    RnnWeights before = KerasWeights.read(config, keras);
    String[] arrays = {"weight_ih", "weight_hh", "bias_ih"};
    for (int array = 0; array < keras.size(); array++) {
      for (int gate = 0; gate < 4; gate++) { // i f c o: torch's i f g o
        List<HostTensor> changed = new ArrayList<>(keras);
        changed.set(array, Networks.moved(keras.get(array), gate * HIDDEN + 2));
        String name = arrays[array % 3] + "_l" + array / 6 + (array / 3 % 2 == 1 ? "_reverse" : "");
        assertEquals(
            Set.of(name + "[" + gate + "]"),
            Networks.differences(before, KerasWeights.read(config, changed)));
      }
    }
  }

  @Test
  void whatDoesNotFitIsNamed() {
    RnnConfig config = Networks.builder(Cell.GRU).build();
    List<HostTensor> keras = layer(Cell.GRU);
    refused(config, keras.subList(0, 2), "expected 3 arrays, got 2");
    List<HostTensor> wrong = new ArrayList<>(keras);
    wrong.set(1, Networks.tensor(1, 15, 5));
    refused(config, wrong, "layer 0 recurrent_kernel: expected [5, 15], got [15, 5]");
    wrong.set(1, keras.get(1));
    wrong.set(2, Networks.tensor(1, 15));
    refused(config, wrong, "layer 0 bias: expected [2, 15], got [15]");
    refused(Networks.builder(Cell.MUT1).build(), keras, "Keras has LSTM, GRU and SimpleRNN");
    refused(Networks.builder(Cell.LSTM).peephole(true).build(), keras, "without projection");
  }

  private static void refused(RnnConfig config, List<HostTensor> keras, String message) {
    FormatException e = assertThrows(FormatException.class, () -> KerasWeights.read(config, keras));
    assertTrue(String.valueOf(e.getMessage()).contains(message), e.getMessage());
  }
}
