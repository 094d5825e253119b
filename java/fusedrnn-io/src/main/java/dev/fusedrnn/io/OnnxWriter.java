package dev.fusedrnn.io;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.List;

/** Makes an ONNX model of a network; field numbers are those of {@code onnx.proto}. */
final class OnnxWriter {
  private static final int IR_VERSION = 7;
  private static final int OPSET = 14;
  private static final int ATTRIBUTE_FLOAT_TYPE = 1;
  private static final int ATTRIBUTE_INT_TYPE = 2;
  private static final int ATTRIBUTE_STRING_TYPE = 3;
  private static final int ATTRIBUTE_INTS_TYPE = 7;
  private static final int ATTRIBUTE_STRINGS_TYPE = 8;
  private static final int DATA_FLOAT = 1;
  private static final int DATA_INT64 = 7;
  private static final int DATA_DOUBLE = 11;

  private final RnnWeights weights;
  private final RnnConfig config;
  private final OnnxMessage graph = new OnnxMessage();

  OnnxWriter(RnnWeights weights) {
    this.weights = weights;
    this.config = weights.config();
  }

  /** The whole file. */
  byte[] model() {
    String x = "input";
    if (config.batchFirst()) {
      x = transpose(x, "input_time_first", 1, 0, 2);
    }
    constant("keep_two_join_rest", new long[] {0, 0, -1});
    for (int layer = 0; layer < config.layers(); layer++) {
      x = layer(layer, x);
    }
    if (config.batchFirst()) {
      transpose(x, "output", 1, 0, 2);
    } else {
      node("Identity", List.of(x), List.of("output"));
    }
    graph.field(2, "fusedrnn");
    String[] sequence = config.batchFirst() ? new String[] {"B", "T"} : new String[] {"T", "B"};
    graph.field(11, value("input", sequence, config.inputSize()));
    graph.field(12, value("output", sequence, config.outputSize()));
    for (int layer = 0; layer < config.layers(); layer++) {
      String[] state = {String.valueOf(config.directions()), "B"};
      graph.field(12, value("hn_l" + layer, state, config.hiddenSize()));
      if (config.cell().hasCellState()) {
        graph.field(12, value("cn_l" + layer, state, config.hiddenSize()));
      }
    }
    return new OnnxMessage()
        .field(1, IR_VERSION)
        .field(2, "fusedrnn")
        .field(7, graph)
        .field(8, new OnnxMessage().field(1, "").field(2, OPSET))
        .toByteArray();
  }

  private String layer(int layer, String x) {
    boolean lstm = config.cell().hasCellState();
    int directions = config.directions();
    int hidden = Math.toIntExact(config.hiddenSize());
    int rows = config.cell().gates() * hidden;
    String suffix = "_l" + layer;
    constant(
        "W" + suffix,
        blocks(Parameter.WEIGHT_IH, layer),
        directions,
        rows,
        config.inputSize(layer));
    constant("R" + suffix, blocks(Parameter.WEIGHT_HH, layer), directions, rows, hidden);
    String bias = "";
    if (config.bias()) {
      bias = "B" + suffix;
      constant(bias, biases(layer), directions, 2 * rows);
    }
    List<String> inputs = List.of(x, "W" + suffix, "R" + suffix, bias);
    if (config.peephole()) {
      constant("P" + suffix, peepholes(layer), directions, 3 * hidden);
      inputs = List.of(x, "W" + suffix, "R" + suffix, bias, "", "", "", "P" + suffix);
    }
    List<String> outputs =
        lstm
            ? List.of("Y" + suffix, "hn" + suffix, "cn" + suffix)
            : List.of("Y" + suffix, "hn" + suffix);
    OnnxMessage node = start(operation(), inputs, outputs);
    node.field(5, attribute("hidden_size", hidden));
    node.field(5, attribute("direction", directions == 2 ? "bidirectional" : "forward"));
    if (config.cell() == Cell.RNN_RELU) {
      node.field(5, attribute("activations", Collections.nCopies(directions, "Relu")));
    }
    if (config.cell() == Cell.GRU) {
      node.field(5, attribute("linear_before_reset", 1));
    }
    if (config.coupledForget()) {
      node.field(5, attribute("input_forget", 1));
    }
    graph.field(1, node);
    // Y is [T, D, B, H]; the next layer wants [T, B, D * H].
    String joined = transpose("Y" + suffix, "Y_batch_second" + suffix, 0, 2, 1, 3);
    node("Reshape", List.of(joined, "keep_two_join_rest"), List.of("y" + suffix));
    return "y" + suffix;
  }

  private String operation() {
    return switch (config.cell()) {
      case LSTM -> "LSTM";
      case GRU, GRU_RESET_BEFORE -> "GRU";
      default -> "RNN";
    };
  }

  /** A parameter of all directions in ONNX's order. */
  private double[] blocks(Parameter parameter, int layer) {
    double[][] parts = new double[config.directions()][];
    for (int d = 0; d < parts.length; d++) {
      parts[d] = onnx(weights.require(parameter, layer, d).values());
    }
    return concatenated(parts);
  }

  private double[] biases(int layer) {
    double[][] parts = new double[2 * config.directions()][];
    for (int d = 0; d < config.directions(); d++) {
      parts[2 * d] = onnx(weights.require(Parameter.BIAS_IH, layer, d).values());
      parts[2 * d + 1] = onnx(weights.require(Parameter.BIAS_HH, layer, d).values());
    }
    return concatenated(parts);
  }

  private double[] peepholes(int layer) {
    double[][] parts = new double[config.directions()][];
    for (int d = 0; d < parts.length; d++) {
      double[] rows = weights.require(Parameter.WEIGHT_PEEPHOLE, layer, d).values();
      parts[d] = Blocks.reorder(config.coupledForget() ? withInput(rows, 2) : rows, "ifo", "iof");
    }
    return concatenated(parts);
  }

  private double[] onnx(double[] torch) {
    return Blocks.reorder(
        config.coupledForget() ? withInput(torch, 3) : torch,
        Blocks.torch(config.cell(), false),
        OnnxNode.order(config.cell()));
  }

  /**
   * Puts a block i before the blocks of a coupled LSTM, whose first is f. ONNX couples f = 1 - i,
   * the network i = 1 - f; and 1 - s(a) = s(-a). The block f stays, although ONNX does not use it.
   */
  private static double[] withInput(double[] coupled, int blocks) {
    int length = coupled.length / blocks;
    double[] all = new double[coupled.length + length];
    System.arraycopy(coupled, 0, all, length, coupled.length);
    System.arraycopy(Blocks.negate(all), length, all, 0, length);
    return all;
  }

  private static double[] concatenated(double[]... parts) {
    double[] all = new double[parts.length * parts[0].length];
    for (int k = 0; k < parts.length; k++) {
      System.arraycopy(parts[k], 0, all, k * parts[k].length, parts[k].length);
    }
    return all;
  }

  private String transpose(String from, String to, long... order) {
    OnnxMessage node = start("Transpose", List.of(from), List.of(to));
    OnnxMessage attribute = new OnnxMessage().field(1, "perm");
    for (long axis : order) {
      attribute.field(8, axis);
    }
    graph.field(1, node.field(5, attribute.field(20, ATTRIBUTE_INTS_TYPE)));
    return to;
  }

  private void node(String type, List<String> inputs, List<String> outputs) {
    graph.field(1, start(type, inputs, outputs));
  }

  static OnnxMessage start(String type, List<String> inputs, List<String> outputs) {
    OnnxMessage node = new OnnxMessage();
    inputs.forEach(name -> node.field(1, name));
    outputs.forEach(name -> node.field(2, name));
    return node.field(3, type + " of " + outputs.get(0)).field(4, type);
  }

  static OnnxMessage attribute(String name, long value) {
    return new OnnxMessage().field(1, name).field(3, value).field(20, ATTRIBUTE_INT_TYPE);
  }

  static OnnxMessage attribute(String name, float value) {
    return new OnnxMessage().field(1, name).field(2, value).field(20, ATTRIBUTE_FLOAT_TYPE);
  }

  static OnnxMessage attribute(String name, String value) {
    return new OnnxMessage().field(1, name).field(4, value).field(20, ATTRIBUTE_STRING_TYPE);
  }

  static OnnxMessage attribute(String name, List<String> values) {
    OnnxMessage attribute = new OnnxMessage().field(1, name);
    values.forEach(value -> attribute.field(9, value));
    return attribute.field(20, ATTRIBUTE_STRINGS_TYPE);
  }

  private void constant(String name, long[] values) {
    ByteBuffer raw = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    raw.asLongBuffer().put(values);
    graph.field(
        5,
        new OnnxMessage()
            .field(1, values.length)
            .field(2, DATA_INT64)
            .field(8, name)
            .field(9, raw.array()));
  }

  private void constant(String name, double[] values, long... shape) {
    graph.field(5, tensor(name, values, config.dtype() == DType.F64, shape));
  }

  /** A TensorProto. */
  static OnnxMessage tensor(String name, double[] values, boolean isDouble, long... shape) {
    int width = isDouble ? 8 : 4;
    ByteBuffer raw = ByteBuffer.allocate(width * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (double value : values) {
      if (isDouble) {
        raw.putDouble(value);
      } else {
        raw.putFloat((float) value);
      }
    }
    OnnxMessage tensor = new OnnxMessage();
    for (long size : shape) {
      tensor.field(1, size);
    }
    return tensor
        .field(2, isDouble ? DATA_DOUBLE : DATA_FLOAT)
        .field(8, name)
        .field(9, raw.array());
  }

  /** A ValueInfoProto of three dimensions: two by name or number, and the last. */
  private OnnxMessage value(String name, String[] dimensions, long last) {
    OnnxMessage shape = new OnnxMessage();
    for (String dimension : dimensions) {
      boolean number = Character.isDigit(dimension.charAt(0));
      shape.field(
          1,
          number
              ? new OnnxMessage().field(1, Long.parseLong(dimension))
              : new OnnxMessage().field(2, dimension));
    }
    shape.field(1, new OnnxMessage().field(1, last));
    OnnxMessage type =
        new OnnxMessage()
            .field(1, config.dtype() == DType.F64 ? DATA_DOUBLE : DATA_FLOAT)
            .field(2, shape);
    return new OnnxMessage().field(1, name).field(2, new OnnxMessage().field(1, type));
  }
}
