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
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Goal: a DL4J layer's parameters give a network that computes what DL4J does. Method: DL4J's
 * equations in plain loops over its own matrices against the oracle; round trips; and one changed
 * element moves only its own gate.
 */
class Dl4jWeightsTest {
  private static final int HIDDEN = 5;

  static Stream<RnnConfig> configs() {
    return Stream.concat(
        Networks.plain(Cell.LSTM, Cell.RNN_RELU).stream(),
        Stream.of(Networks.builder(Cell.LSTM).peephole(true).bidirectional(true).build()));
  }

  private static Dl4jWeights.Layer lstm(boolean peephole) {
    return new Dl4jWeights.Layer(
        Networks.tensor(1, 3, 4 * HIDDEN),
        Networks.tensor(2, HIDDEN, 4 * HIDDEN + (peephole ? 3 : 0)),
        Networks.tensor(3, 1, 4 * HIDDEN));
  }

  /** Columns of x W + h RW + b: candidate, forget, output, input; then three peepholes. */
  private static double[] step(
      Dl4jWeights.Layer layer, boolean peephole, double[] x, double[] h, double[] c) {
    double[] sums = new double[4 * HIDDEN];
    for (int k = 0; k < sums.length; k++) {
      sums[k] =
          Networks.dot(x, layer.inputWeights(), k)
              + Networks.dot(h, layer.recurrentWeights(), k)
              + layer.bias().values()[k];
    }
    double[] next = new double[HIDDEN];
    for (int j = 0; j < HIDDEN; j++) {
      double[] row = layer.recurrentWeights().values();
      int last = (4 * HIDDEN + 3) * j + 4 * HIDDEN;
      double forget = peephole ? row[last] * c[j] : 0;
      double input = peephole ? row[last + 2] * c[j] : 0;
      c[j] =
          Networks.sigmoid(sums[HIDDEN + j] + forget) * c[j]
              + Networks.sigmoid(sums[3 * HIDDEN + j] + input) * Math.tanh(sums[j]);
      double output = peephole ? row[last + 1] * c[j] : 0;
      next[j] = Networks.sigmoid(sums[2 * HIDDEN + j] + output) * Math.tanh(c[j]);
    }
    return next;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theNetworkComputesDl4jEquations(boolean peephole) {
    Dl4jWeights.Layer layer = lstm(peephole);
    RnnConfig config = Networks.builder(Cell.LSTM).peephole(peephole).build();
    double[] x = Networks.input(config);
    double[] expected = new double[Networks.STEPS * HIDDEN];
    double[] h = new double[HIDDEN];
    double[] c = new double[HIDDEN];
    for (int t = 0; t < Networks.STEPS; t++) {
      h = step(layer, peephole, Arrays.copyOfRange(x, 3 * t, 3 * t + 3), h, c);
      System.arraycopy(h, 0, expected, t * HIDDEN, HIDDEN);
    }
    double[] got = Networks.run(Dl4jWeights.read(config, List.of(layer)), x);
    assertArrayEquals(expected, got, 1e-12);
  }

  @ParameterizedTest
  @MethodSource("configs")
  void aNetworkThroughDl4jComputesTheSame(RnnConfig config) {
    RnnWeights weights = Networks.weights(config, 6);
    double[] x = Networks.input(config);
    List<Dl4jWeights.Layer> layers = Dl4jWeights.write(weights);
    RnnWeights again = Dl4jWeights.read(config, layers);
    assertArrayEquals(Networks.run(weights, x), Networks.run(again, x), 1e-14);
    List<Dl4jWeights.Layer> twice = Dl4jWeights.write(again);
    for (int k = 0; k < layers.size(); k++) {
      assertArrayEquals(
          layers.get(k).recurrentWeights().values(), twice.get(k).recurrentWeights().values());
    }
  }

  @Test
  void oneElementMovesOnlyItsGate() {
    RnnConfig config = Networks.builder(Cell.LSTM).peephole(true).bidirectional(true).build();
    List<Dl4jWeights.Layer> layers = Dl4jWeights.write(Networks.weights(config, 7));
    RnnWeights before = Dl4jWeights.read(config, layers);
    int[] torchBlock = {2, 1, 3, 0}; // candidate forget output input, among i f g o
    int[] peepholeRow = {1, 2, 0}; // forget output input, among i f o
    for (int column = 0; column < 4 * HIDDEN + 3; column++) {
      List<Dl4jWeights.Layer> changed = new ArrayList<>(layers);
      Dl4jWeights.Layer reverse = layers.get(1);
      changed.set(
          1,
          new Dl4jWeights.Layer(
              reverse.inputWeights(),
              Networks.moved(reverse.recurrentWeights(), column),
              reverse.bias()));
      String expected =
          column < 4 * HIDDEN
              ? "weight_hh_l0_reverse[" + torchBlock[column / HIDDEN] + "]"
              : "weight_peephole_l0_reverse[" + peepholeRow[column - 4 * HIDDEN] + "]";
      assertEquals(
          Set.of(expected), Networks.differences(before, Dl4jWeights.read(config, changed)));
    }
  }

  @Test
  void whatDoesNotFitIsNamed() {
    refused(Networks.builder(Cell.GRU).build(), List.of(lstm(false)), "without GRU");
    RnnConfig config = Networks.builder(Cell.LSTM).build();
    refused(config, List.of(), "expected 1, got 0");
    refused(config, List.of(lstm(true)), "layer 0 RW: expected [5, 20], got [5, 23]");
    Dl4jWeights.Layer layer = lstm(false);
    refused(
        config,
        List.of(new Dl4jWeights.Layer(layer.inputWeights(), layer.recurrentWeights(), null)),
        "layer 0 b: missing");
  }

  private static void refused(RnnConfig config, List<Dl4jWeights.Layer> layers, String message) {
    FormatException e = assertThrows(FormatException.class, () -> Dl4jWeights.read(config, layers));
    assertTrue(String.valueOf(e.getMessage()).contains(message), e.getMessage());
  }
}
