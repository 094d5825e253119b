package dev.fusedrnn.io;

import dev.fusedrnn.Cell;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The order of Keras's {@code get_weights()}: for each layer, and in a {@code Bidirectional} for
 * the forward and then the backward one: {@code kernel} [I, G*H], {@code recurrent_kernel} [H, G*H]
 * and, with {@code use_bias}, {@code bias}. Columns are in blocks: LSTM {@code i f c o}, GRU {@code
 * z r h}, SimpleRNN one. The bias is [G*H], but [2, G*H] for a GRU with {@code reset_after=True}
 * (Cell GRU), whose rows are the input's and the recurrent product's.
 *
 * <p>With one bias where torch.nn has two, reading leaves the second zero and writing takes their
 * sum: the network computes the same, and what Keras wrote comes back as it was.
 */
public final class KerasWeights {
  private KerasWeights() {}

  /**
   * Reads Keras's list.
   *
   * @param config the network; no projection, peepholes, coupled or missing gates
   * @param keras the arrays of all layers, one behind the other
   * @return torch.nn's tensors
   * @throws FormatException where an array is missing, left over or of another shape
   */
  public static RnnWeights read(RnnConfig config, List<HostTensor> keras) {
    requirePlain(config);
    int each = config.bias() ? 3 : 2;
    int expected = each * config.layers() * config.directions();
    if (keras.size() != expected) {
      throw new FormatException(
          "Keras weights of " + config + ": expected " + expected + " arrays, got " + keras.size());
    }
    Map<String, HostTensor> torch = new LinkedHashMap<>();
    int next = 0;
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        String where = "layer " + layer + (direction == 1 ? " backward " : " ");
        int input = Math.toIntExact(config.inputSize(layer));
        int hidden = Math.toIntExact(config.hiddenSize());
        putMatrix(
            torch,
            config,
            Parameter.WEIGHT_IH,
            layer,
            direction,
            where + "kernel",
            keras.get(next),
            input);
        putMatrix(
            torch,
            config,
            Parameter.WEIGHT_HH,
            layer,
            direction,
            where + "recurrent_kernel",
            keras.get(next + 1),
            hidden);
        if (config.bias()) {
          putBias(torch, config, layer, direction, where + "bias", keras.get(next + 2));
        }
        next += each;
      }
    }
    return new RnnWeights(config, torch);
  }

  private static void putMatrix(
      Map<String, HostTensor> torch,
      RnnConfig config,
      Parameter parameter,
      int layer,
      int direction,
      String what,
      HostTensor keras,
      int inputs) {
    int rows = Math.toIntExact(config.gateRows());
    double[] columns = keras.require(what, inputs, rows).values();
    double[] blocks = Blocks.transpose(columns, inputs, rows);
    torch.put(
        parameter.torchName(layer, direction),
        new HostTensor(Blocks.reorder(blocks, order(config), torchOrder(config)), rows, inputs));
  }

  private static void putBias(
      Map<String, HostTensor> torch,
      RnnConfig config,
      int layer,
      int direction,
      String what,
      HostTensor keras) {
    int rows = Math.toIntExact(config.gateRows());
    double[] input = new double[rows];
    double[] recurrent = new double[rows];
    if (config.cell() == Cell.GRU) {
      double[] both = keras.require(what, 2, rows).values();
      System.arraycopy(both, 0, input, 0, rows);
      System.arraycopy(both, rows, recurrent, 0, rows);
    } else {
      System.arraycopy(keras.require(what, rows).values(), 0, input, 0, rows);
    }
    torch.put(
        Parameter.BIAS_IH.torchName(layer, direction),
        new HostTensor(Blocks.reorder(input, order(config), torchOrder(config)), rows));
    torch.put(
        Parameter.BIAS_HH.torchName(layer, direction),
        new HostTensor(Blocks.reorder(recurrent, order(config), torchOrder(config)), rows));
  }

  /**
   * Writes Keras's list.
   *
   * @param weights of a network without projection, peepholes, coupled or missing gates
   * @return the arrays of all layers, one behind the other
   * @throws FormatException where Keras has no such layer
   */
  public static List<HostTensor> write(RnnWeights weights) {
    RnnConfig config = weights.config();
    requirePlain(config);
    List<HostTensor> keras = new ArrayList<>();
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        keras.add(matrix(weights, Parameter.WEIGHT_IH, layer, direction));
        keras.add(matrix(weights, Parameter.WEIGHT_HH, layer, direction));
        if (config.bias()) {
          keras.add(bias(weights, layer, direction));
        }
      }
    }
    return keras;
  }

  private static HostTensor matrix(
      RnnWeights weights, Parameter parameter, int layer, int direction) {
    RnnConfig config = weights.config();
    HostTensor torch = weights.require(parameter, layer, direction);
    int rows = Math.toIntExact(torch.shape()[0]);
    int inputs = Math.toIntExact(torch.shape()[1]);
    double[] blocks = Blocks.reorder(torch.values(), torchOrder(config), order(config));
    return new HostTensor(Blocks.transpose(blocks, rows, inputs), inputs, rows);
  }

  private static HostTensor bias(RnnWeights weights, int layer, int direction) {
    RnnConfig config = weights.config();
    int rows = Math.toIntExact(config.gateRows());
    double[] input = weights.require(Parameter.BIAS_IH, layer, direction).values();
    double[] recurrent = weights.require(Parameter.BIAS_HH, layer, direction).values();
    if (config.cell() != Cell.GRU) {
      double[] sum = Blocks.sum(input, recurrent);
      return new HostTensor(Blocks.reorder(sum, torchOrder(config), order(config)), rows);
    }
    double[] both = new double[2 * rows];
    System.arraycopy(Blocks.reorder(input, torchOrder(config), order(config)), 0, both, 0, rows);
    System.arraycopy(
        Blocks.reorder(recurrent, torchOrder(config), order(config)), 0, both, rows, rows);
    return new HostTensor(both, 2, rows);
  }

  private static String order(RnnConfig config) {
    return switch (config.cell()) {
      case LSTM -> "ifgo";
      case GRU, GRU_RESET_BEFORE -> "zrn";
      default -> "h";
    };
  }

  private static String torchOrder(RnnConfig config) {
    return Blocks.torch(config.cell(), false);
  }

  private static void requirePlain(RnnConfig config) {
    String known =
        "Keras has LSTM, GRU and SimpleRNN, without projection, peepholes, coupled or missing gates";
    Blocks.requireServed(
        known, config, Cell.LSTM, Cell.GRU, Cell.GRU_RESET_BEFORE, Cell.RNN_TANH, Cell.RNN_RELU);
    boolean allGates = config.gates() == config.cell().gates();
    if (config.projectionSize() > 0 || config.peephole() || !allGates) {
      throw new FormatException(known + "; got " + config);
    }
  }
}
