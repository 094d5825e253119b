package dev.fusedrnn.io;

import dev.fusedrnn.Cell;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The order of DL4J's layers LSTM, GravesLSTM (with peepholes) and SimpleRnn: {@code W} [I, G*H],
 * {@code RW} [H, G*H] and {@code b} [1, G*H]. The columns of an LSTM are in blocks: candidate,
 * forget, output, input - what DL4J calls i, f, o, g. A GravesLSTM's {@code RW} has three columns
 * more, the peepholes of forget, output and input.
 *
 * <p>With one bias where torch.nn has two, reading leaves the second zero and writing takes their
 * sum.
 */
public final class Dl4jWeights {
  private static final String ORDER = "gfoi";

  private Dl4jWeights() {}

  /**
   * The parameters of one layer in one direction.
   *
   * @param inputWeights {@code W}
   * @param recurrentWeights {@code RW}
   * @param bias {@code b}; null without
   */
  public record Layer(
      HostTensor inputWeights, HostTensor recurrentWeights, @Nullable HostTensor bias) {}

  /**
   * Reads DL4J's layers.
   *
   * @param config an LSTM, with or without peepholes, or a plain RNN
   * @param layers one for each layer, or two where bidirectional, forward first
   * @return torch.nn's tensors
   * @throws FormatException where one is missing, left over or of another shape
   */
  public static RnnWeights read(RnnConfig config, List<Layer> layers) {
    requireKnown(config);
    int expected = config.layers() * config.directions();
    if (layers.size() != expected) {
      throw new FormatException(
          "DL4J layers of " + config + ": expected " + expected + ", got " + layers.size());
    }
    Map<String, HostTensor> torch = new LinkedHashMap<>();
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        readLayer(
            torch, config, layer, direction, layers.get(layer * config.directions() + direction));
      }
    }
    return new RnnWeights(config, torch);
  }

  private static void readLayer(
      Map<String, HostTensor> torch, RnnConfig config, int layer, int direction, Layer dl4j) {
    String where = "layer " + layer + (direction == 1 ? " backward " : " ");
    int rows = Math.toIntExact(config.gateRows());
    int hidden = Math.toIntExact(config.hiddenSize());
    int input = Math.toIntExact(config.inputSize(layer));
    double[] w = dl4j.inputWeights().require(where + "W", input, rows).values();
    torch.put(
        Parameter.WEIGHT_IH.torchName(layer, direction),
        new HostTensor(toTorch(config, Blocks.transpose(w, input, rows)), rows, input));

    int columns = rows + (config.peephole() ? 3 : 0);
    double[] rw = dl4j.recurrentWeights().require(where + "RW", hidden, columns).values();
    double[] byColumn = Blocks.transpose(rw, hidden, columns);
    double[] recurrent = new double[rows * hidden];
    System.arraycopy(byColumn, 0, recurrent, 0, recurrent.length);
    torch.put(
        Parameter.WEIGHT_HH.torchName(layer, direction),
        new HostTensor(toTorch(config, recurrent), rows, hidden));
    if (config.peephole()) {
      double[] peepholes = new double[3 * hidden];
      System.arraycopy(byColumn, recurrent.length, peepholes, 0, peepholes.length);
      torch.put(
          Parameter.WEIGHT_PEEPHOLE.torchName(layer, direction),
          new HostTensor(Blocks.reorder(peepholes, "foi", "ifo"), 3, hidden));
    }
    if (config.bias()) {
      if (dl4j.bias() == null) {
        throw new FormatException(where + "b: missing; " + config + " has a bias");
      }
      double[] b = dl4j.bias().require(where + "b", 1, rows).values();
      torch.put(
          Parameter.BIAS_IH.torchName(layer, direction), new HostTensor(toTorch(config, b), rows));
      torch.put(
          Parameter.BIAS_HH.torchName(layer, direction), new HostTensor(new double[rows], rows));
    }
  }

  /**
   * Writes DL4J's layers.
   *
   * @param weights of an LSTM, with or without peepholes, or a plain RNN
   * @return one for each layer and direction, forward first
   * @throws FormatException where DL4J has no such layer
   */
  public static List<Layer> write(RnnWeights weights) {
    RnnConfig config = weights.config();
    requireKnown(config);
    List<Layer> layers = new ArrayList<>();
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        layers.add(writeLayer(weights, layer, direction));
      }
    }
    return layers;
  }

  private static Layer writeLayer(RnnWeights weights, int layer, int direction) {
    RnnConfig config = weights.config();
    int rows = Math.toIntExact(config.gateRows());
    int hidden = Math.toIntExact(config.hiddenSize());
    int input = Math.toIntExact(config.inputSize(layer));
    double[] w = fromTorch(config, weights.require(Parameter.WEIGHT_IH, layer, direction).values());
    double[] recurrent =
        fromTorch(config, weights.require(Parameter.WEIGHT_HH, layer, direction).values());
    int columns = rows + (config.peephole() ? 3 : 0);
    double[] byColumn = new double[columns * hidden];
    System.arraycopy(recurrent, 0, byColumn, 0, recurrent.length);
    if (config.peephole()) {
      double[] peepholes = weights.require(Parameter.WEIGHT_PEEPHOLE, layer, direction).values();
      System.arraycopy(
          Blocks.reorder(peepholes, "ifo", "foi"), 0, byColumn, recurrent.length, 3 * hidden);
    }
    HostTensor bias = null;
    if (config.bias()) {
      double[] sum =
          Blocks.sum(
              weights.require(Parameter.BIAS_IH, layer, direction).values(),
              weights.require(Parameter.BIAS_HH, layer, direction).values());
      bias = new HostTensor(fromTorch(config, sum), 1, rows);
    }
    return new Layer(
        new HostTensor(Blocks.transpose(w, rows, input), input, rows),
        new HostTensor(Blocks.transpose(byColumn, columns, hidden), hidden, columns),
        bias);
  }

  private static double[] toTorch(RnnConfig config, double[] blocks) {
    return config.cell() == Cell.LSTM
        ? Blocks.reorder(blocks, ORDER, Blocks.torch(Cell.LSTM, false))
        : blocks.clone();
  }

  private static double[] fromTorch(RnnConfig config, double[] blocks) {
    return config.cell() == Cell.LSTM
        ? Blocks.reorder(blocks, Blocks.torch(Cell.LSTM, false), ORDER)
        : blocks.clone();
  }

  private static void requireKnown(RnnConfig config) {
    String known =
        "DL4J has LSTM, GravesLSTM and SimpleRnn, without GRU, projection, coupled or missing gates";
    Blocks.requireServed(known, config, Cell.LSTM, Cell.RNN_TANH, Cell.RNN_RELU);
    boolean allGates = config.gates() == config.cell().gates();
    if (config.projectionSize() > 0 || !allGates) {
      throw new FormatException(known + "; got " + config);
    }
  }
}
