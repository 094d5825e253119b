package dev.fusedrnn.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Cell;
import dev.fusedrnn.Gate;
import dev.fusedrnn.Norm;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Goal: networks go into ONNX and come back, and a node of somebody else's is read as the ONNX
 * operators define it. Method: round trips of the family; {@link OnnxEquations} over a node's own
 * tensors against the oracle over the read weights; one changed element moves only its own gate and
 * direction. That written models compute the same in ONNX Runtime was checked by hand.
 */
class OnnxRnnTest {
  private static final int HIDDEN = 5;

  @TempDir private Path folder = Path.of("");

  static Stream<RnnConfig> configs() {
    return Stream.concat(
        Networks.plain(Cell.LSTM, Cell.GRU, Cell.GRU_RESET_BEFORE, Cell.RNN_TANH, Cell.RNN_RELU)
            .stream(),
        Stream.of(
            Networks.builder(Cell.LSTM).peephole(true).bidirectional(true).build(),
            Networks.builder(Cell.LSTM).coupledForget(true).layers(2).build(),
            Networks.builder(Cell.LSTM).peephole(true).coupledForget(true).build()));
  }

  private Path write(byte[] model) throws IOException {
    return Files.write(folder.resolve("model.onnx"), model);
  }

  @ParameterizedTest
  @MethodSource("configs")
  void aNetworkComesBackBitForBit(RnnConfig config) throws IOException {
    RnnWeights weights = Networks.weights(config, 3);
    Path file = folder.resolve("model.onnx");
    OnnxRnn.write(file, weights);
    RnnWeights again = OnnxRnn.read(file);
    assertEquals(config.toString(), again.config().toString());
    assertEquals(Set.of(), Networks.differences(weights, again));
    assertEquals(config.layers(), OnnxRnn.readNodes(file).size());
  }

  @ParameterizedTest
  @EnumSource(names = {"LSTM", "GRU", "GRU_RESET_BEFORE", "RNN_TANH", "RNN_RELU"})
  void aNodeComputesWhatTheOperatorDefines(Cell cell) throws IOException {
    for (int variant = 0; variant < (cell == Cell.LSTM ? 4 : 1); variant++) {
      boolean peephole = (variant & 1) != 0;
      boolean coupled = (variant & 2) != 0;
      OnnxModel model = new OnnxModel(cell, "forward").inputForget(coupled);
      model = peephole ? model.peephole() : model;
      RnnWeights weights = OnnxRnn.read(write(model.bytes()));
      double[] x = Networks.input(weights.config());
      double[] expected = OnnxEquations.run(cell, coupled, model, x);
      assertArrayEquals(expected, Networks.run(weights, x), 1e-12, weights.config().toString());
    }
  }

  @Test
  void oneElementMovesOnlyItsGateAndDirection() throws IOException {
    String[][] orders = {{"iofg", "ifgo"}, {"zrn", "rzn"}};
    Cell[] cells = {Cell.LSTM, Cell.GRU};
    for (int c = 0; c < cells.length; c++) {
      OnnxModel model = new OnnxModel(cells[c], "bidirectional");
      RnnWeights before = OnnxRnn.read(write(model.bytes()));
      for (String name : List.of("W", "R", "B")) {
        int length = model.tensor(name).values().length;
        for (int at = 0; at < length; at += 7) {
          RnnWeights after =
              OnnxRnn.read(write(model.with(name, Networks.moved(model.tensor(name), at)).bytes()));
          assertEquals(
              Set.of(place(name, at, length, orders[c][0], orders[c][1])),
              Networks.differences(before, after),
              name + "[" + at + "]");
        }
      }
    }
  }

  /**
   * Where an element of a bidirectional node's tensor belongs, from the operator's documentation.
   */
  private static String place(String name, int at, int length, String onnx, String torch) {
    boolean reverse = at >= length / 2;
    int inDirection = at % (length / 2);
    int blocks = onnx.length() * (name.equals("B") ? 2 : 1);
    int block = inDirection / (length / 2 / blocks);
    String parameter =
        switch (name) {
          case "W" -> "weight_ih";
          case "R" -> "weight_hh";
          default -> block < onnx.length() ? "bias_ih" : "bias_hh";
        };
    int gate = torch.indexOf(onnx.charAt(block % onnx.length()));
    return parameter + "_l0" + (reverse ? "_reverse" : "") + "[" + gate + "]";
  }

  @Test
  void peepholesAreOrderedInputOutputForget() throws IOException {
    OnnxModel model = new OnnxModel(Cell.LSTM, "forward").peephole();
    RnnWeights before = OnnxRnn.read(write(model.bytes()));
    int[] rows = {0, 2, 1}; // i o f among i f o
    for (int gate = 0; gate < 3; gate++) {
      HostTensor moved = Networks.moved(model.tensor("P"), gate * HIDDEN + 1);
      RnnWeights after = OnnxRnn.read(write(model.with("P", moved).bytes()));
      assertEquals(
          Set.of("weight_peephole_l0[" + rows[gate] + "]"), Networks.differences(before, after));
    }
  }

  @Test
  void floatsHalvesAndConstantNodesAreRead() throws IOException {
    OnnxModel model = new OnnxModel(Cell.RNN_TANH, "forward");
    double[] values = model.tensor("W").values();
    for (OnnxModel.Storage storage : OnnxModel.Storage.values()) {
      RnnWeights weights = OnnxRnn.read(write(model.storedAs(storage).bytes()));
      double[] read = weights.require(Parameter.WEIGHT_IH, 0, 0).values();
      double[] rounded = Arrays.stream(values).map(storage::rounded).toArray();
      assertArrayEquals(rounded, read, storage.tolerance(), storage.name());
    }
  }

  @Test
  void layoutAndReverseAreTold() throws IOException {
    OnnxModel model = new OnnxModel(Cell.GRU, "reverse");
    model.attribute(OnnxWriter.attribute("layout", 1));
    Path file = write(model.bytes());
    OnnxNode node = OnnxRnn.readNodes(file).get(0);
    assertTrue(node.reversed() && node.weights().config().batchFirst());
    refused(file, "its only direction is reverse");
  }

  @Test
  void whatIsBeyondTheLibraryIsNamed() throws IOException {
    refusedAttribute(OnnxWriter.attribute("swish", 1), "unknown attribute swish; known are ");
    refusedAttribute(OnnxWriter.attribute("linear_before_reset", 1), "unknown attribute linear_");
    refusedAttribute(OnnxWriter.attribute("clip", 2.5f), "clip: not supported");
    refusedAttribute(OnnxWriter.attribute("clip", 3), "clip: expected Float, got 3");
    refusedAttribute(
        OnnxWriter.attribute("activations", List.of("HardSigmoid", "Tanh", "Tanh")),
        "activations: expected [sigmoid, tanh, tanh], got [hardsigmoid, tanh, tanh]");
    refusedAttribute(OnnxWriter.attribute("direction", "sideways"), "got sideways");
    refusedAttribute(
        OnnxWriter.attribute("hidden_size", 7), "W: expected [1, 28, 3], got [1, 20, 3]");
  }

  private void refusedAttribute(OnnxMessage attribute, String message) throws IOException {
    OnnxModel model = new OnnxModel(Cell.LSTM, "forward");
    model.attribute(attribute);
    refused(write(model.bytes()), message);
  }

  @Test
  void brokenModelsAreRefused() throws IOException {
    OnnxModel model = new OnnxModel(Cell.LSTM, "forward");
    refused(folder.resolve("none.onnx"), "not a usable ONNX model");
    refused(write(new byte[] {1, 2, 3}), "not a usable ONNX model");
    refused(write(new byte[0]), "it holds no graph");
    byte[] whole = model.bytes();
    refused(write(Arrays.copyOf(whole, whole.length - 9)), "not a usable ONNX model");
    refused(
        write(new OnnxModel(Cell.LSTM, "forward").operation("Conv").bytes()),
        "no LSTM, GRU or RNN node; its nodes are [Conv]");
    refused(write(model.without("R").bytes()), "R (R): expected a constant of the model");
    refused(write(model.external("W").bytes()), "W (W): its data lie in another file");
    refused(write(model.with("B", Networks.tensor(1, 1, 39)).bytes()), "B: expected [1, 40], got");
    refused(
        write(model.with("h0", Networks.tensor(1, 1, 1, HIDDEN)).bytes()),
        "initial_h: is a constant");
  }

  @Test
  void layersThatAreNoStackAreRefused() throws IOException {
    OnnxModel model = new OnnxModel(Cell.GRU, "forward");
    refused(
        write(model.twice("Relu", HIDDEN)), "not the output of node first (GRU) alone, but of ");
    refused(write(model.twice("Squeeze", 3)), "does not continue node first (GRU)");
    RnnWeights two = OnnxRnn.read(write(model.twice("Squeeze", HIDDEN)));
    assertEquals(2, two.config().layers());
  }

  @Test
  void whatOnnxCannotSayIsNotWritten() {
    cannotWrite(Networks.builder(Cell.MUT2).build(), "ONNX has LSTM, GRU and RNN nodes; got mut2");
    cannotWrite(Networks.builder(Cell.LSTM).norm(Norm.LAYER).build(), "ONNX has LSTM, GRU and RNN");
    cannotWrite(Networks.builder(Cell.LSTM).projectionSize(2).build(), "a projection");
    cannotWrite(Networks.builder(Cell.LSTM).cellClip(3).build(), "a cell clip");
    cannotWrite(Networks.builder(Cell.GRU).layers(2).residual(true).build(), "residual");
    cannotWrite(Networks.builder(Cell.GRU).zoneoutHidden(0.1).build(), "zoneout");
    cannotWrite(Networks.builder(Cell.LSTM).without(Gate.OUTPUT).build(), "missing gates");
  }

  private void cannotWrite(RnnConfig config, String message) {
    RnnWeights weights = Networks.weights(config, 1);
    FormatException e =
        assertThrows(
            FormatException.class, () -> OnnxRnn.write(folder.resolve("no.onnx"), weights));
    assertTrue(String.valueOf(e.getMessage()).contains(message), e.getMessage());
    assertTrue(Files.notExists(folder.resolve("no.onnx")));
  }

  private static void refused(Path file, String message) {
    FormatException e = assertThrows(FormatException.class, () -> OnnxRnn.read(file));
    assertTrue(String.valueOf(e.getMessage()).contains(message), e.getMessage());
  }
}
