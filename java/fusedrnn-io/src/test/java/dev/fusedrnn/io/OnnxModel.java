package dev.fusedrnn.io;

import dev.fusedrnn.Cell;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** An ONNX model of one recurrent node as somebody else might have written it. */
final class OnnxModel {
  private static final int HIDDEN = 5;

  /** How a file may hold a tensor. */
  enum Storage {
    DOUBLE_RAW,
    DOUBLE_LIST,
    FLOAT_RAW,
    FLOAT_LIST,
    HALF_RAW,
    HALF_LIST,
    BFLOAT_RAW,
    CONSTANT_NODE;

    double rounded(double value) {
      return name().startsWith("FLOAT") ? (float) value : value;
    }

    /** Half a unit in the last place below 1, for those that this test does not round itself. */
    double tolerance() {
      return name().startsWith("HALF") ? 0x1p-12 : name().startsWith("BF") ? 0x1p-8 : 0;
    }
  }

  private final Cell cell;
  private final String direction;
  private final Map<String, HostTensor> tensors = new LinkedHashMap<>();
  private final List<OnnxMessage> attributes = new ArrayList<>();
  private String operation;
  private Storage storage = Storage.DOUBLE_RAW;
  private String external = "";

  OnnxModel(Cell cell, String direction) {
    this.cell = cell;
    this.direction = direction;
    operation = cell == Cell.LSTM ? "LSTM" : cell.name().startsWith("GRU") ? "GRU" : "RNN";
    int directions = direction.equals("bidirectional") ? 2 : 1;
    int rows = cell.gates() * HIDDEN;
    tensors.put("W", Networks.tensor(11, directions, rows, 3));
    tensors.put("R", Networks.tensor(12, directions, rows, HIDDEN));
    tensors.put("B", Networks.tensor(13, directions, 2 * rows));
    attribute(OnnxWriter.attribute("direction", direction));
    if (cell == Cell.GRU) {
      attribute(OnnxWriter.attribute("linear_before_reset", 1));
    }
    if (cell == Cell.RNN_RELU) {
      attribute(OnnxWriter.attribute("activations", List.of("Relu")));
    }
  }

  private OnnxModel(OnnxModel other) {
    cell = other.cell;
    direction = other.direction;
    tensors.putAll(other.tensors);
    attributes.addAll(other.attributes);
    operation = other.operation;
    storage = other.storage;
  }

  HostTensor tensor(String name) {
    return tensors.get(name);
  }

  OnnxModel attribute(OnnxMessage attribute) {
    attributes.add(attribute);
    return this;
  }

  OnnxModel inputForget(boolean coupled) {
    return coupled ? attribute(OnnxWriter.attribute("input_forget", 1)) : this;
  }

  OnnxModel peephole() {
    return with("P", Networks.tensor(14, 1, 3 * HIDDEN));
  }

  OnnxModel with(String name, HostTensor tensor) {
    OnnxModel copy = new OnnxModel(this);
    copy.tensors.put(name, tensor);
    return copy;
  }

  OnnxModel without(String name) {
    OnnxModel copy = new OnnxModel(this);
    copy.tensors.remove(name);
    return copy;
  }

  OnnxModel external(String name) {
    OnnxModel copy = new OnnxModel(this);
    copy.external = name;
    return copy;
  }

  OnnxModel storedAs(Storage how) {
    OnnxModel copy = new OnnxModel(this);
    copy.storage = how;
    return copy;
  }

  OnnxModel operation(String type) {
    operation = type;
    return this;
  }

  private static OnnxMessage model(OnnxMessage graph) {
    return new OnnxMessage().field(1, 7).field(7, graph);
  }

  byte[] bytes() {
    OnnxMessage graph = new OnnxMessage();
    tensors.forEach((name, tensor) -> put(graph, name, tensor));
    String h0 = tensors.containsKey("h0") ? "h0" : "";
    String p = tensors.containsKey("P") ? "P" : "";
    List<String> inputs = List.of("x", "W", "R", "B", "", h0, "", p);
    graph.field(1, node("first", inputs, "Y"));
    return model(graph).toByteArray();
  }

  /** Two such nodes with another between them; the second has {@code input} features. */
  byte[] twice(String between, int input) {
    OnnxMessage graph = new OnnxMessage();
    tensors.forEach((name, tensor) -> put(graph, name, tensor));
    put(graph, "W2", Networks.tensor(21, 1, cell.gates() * HIDDEN, input));
    graph.field(1, node("first", List.of("x", "W", "R", "B"), "Y"));
    graph.field(1, OnnxWriter.start(between, List.of("Y"), List.of("Y1")));
    graph.field(1, node("second", List.of("Y1", "W2", "R", "B"), "Y2"));
    return model(graph).toByteArray();
  }

  private OnnxMessage node(String name, List<String> inputs, String output) {
    OnnxMessage node = new OnnxMessage();
    inputs.forEach(input -> node.field(1, input));
    node.field(2, output).field(3, name).field(4, operation);
    attributes.forEach(attribute -> node.field(5, attribute));
    return node;
  }

  private void put(OnnxMessage graph, String name, HostTensor tensor) {
    OnnxMessage stored = stored(name, tensor);
    if (name.equals(external)) {
      stored.field(14, 1);
    }
    if (storage == Storage.CONSTANT_NODE) {
      OnnxMessage value = new OnnxMessage().field(1, "value").field(5, stored);
      OnnxMessage constant = OnnxWriter.start("Constant", List.of(), List.of(name + "_constant"));
      graph.field(1, constant.field(5, value));
      graph.field(1, OnnxWriter.start("Identity", List.of(name + "_constant"), List.of(name)));
    } else {
      graph.field(5, stored);
    }
  }

  private OnnxMessage stored(String name, HostTensor tensor) {
    double[] values = tensor.values();
    if (storage == Storage.DOUBLE_RAW || storage == Storage.CONSTANT_NODE) {
      return OnnxWriter.tensor(name, values, true, tensor.shape());
    }
    if (storage == Storage.FLOAT_RAW) {
      return OnnxWriter.tensor(name, values, false, tensor.shape());
    }
    OnnxMessage message = new OnnxMessage();
    for (long size : tensor.shape()) {
      message.field(1, size);
    }
    message.field(8, name);
    ByteBuffer raw = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    switch (storage) {
      case DOUBLE_LIST -> {
        for (double value : values) {
          raw.putDouble(value);
        }
        return message.field(2, 11).field(10, filled(raw));
      }
      case FLOAT_LIST -> {
        message.field(2, 1);
        for (double value : values) {
          message.field(4, (float) value);
        }
        return message;
      }
      case HALF_LIST -> {
        message.field(2, 10);
        for (double value : values) {
          message.field(5, half(value) & 0xFFFF);
        }
        return message;
      }
      case HALF_RAW -> {
        for (double value : values) {
          raw.putShort(half(value));
        }
        return message.field(2, 10).field(9, filled(raw));
      }
      default -> {
        for (double value : values) {
          raw.putShort((short) (Float.floatToIntBits((float) value) >> 16)); // rounds to zero
        }
        return message.field(2, 16).field(9, filled(raw));
      }
    }
  }

  private static byte[] filled(ByteBuffer raw) {
    byte[] bytes = new byte[raw.position()];
    raw.flip().get(bytes);
    return bytes;
  }

  /** The nearest binary16 to a value between 2^-14 and 1. */
  private static short half(double value) {
    double magnitude = Math.abs(value);
    if (magnitude < 0x1p-14) {
      return (short) ((value < 0 ? 0x8000 : 0) | Math.round(magnitude * 0x1p24));
    }
    int exponent = Math.getExponent(magnitude);
    long fraction = Math.round((magnitude / Math.scalb(1.0, exponent) - 1) * 1024);
    return (short) ((value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) + fraction);
  }
}
