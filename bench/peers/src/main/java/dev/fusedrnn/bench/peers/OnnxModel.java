package dev.fusedrnn.bench.peers;

import com.google.protobuf.CodedOutputStream;
import dev.fusedrnn.Cell;
import dev.fusedrnn.testkit.NetCase;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * An ONNX model of one LSTM, GRU or RNN node, with its weights as initializers, which ONNX Runtime
 * packs when it loads them. Field numbers are those of {@code onnx.proto}. Inputs are x and the
 * initial states, outputs y and the final states, under the names of {@link NetCase}.
 */
final class OnnxModel {
  private static final int IR_VERSION = 8;
  private static final int OPSET = 17;
  private static final int FLOAT = 1;
  private static final int ATTRIBUTE_INT = 2;

  private final NetCase sizes;
  private final Map<String, float[]> data;
  private final Message graph = new Message();

  /** One protobuf message. */
  private static final class Message {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final CodedOutputStream out = CodedOutputStream.newInstance(bytes);

    Message field(int number, long value) {
      try {
        out.writeInt64(number, value);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      return this;
    }

    Message field(int number, byte[] value) {
      try {
        out.writeByteArray(number, value);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      return this;
    }

    Message field(int number, String value) {
      return field(number, value.getBytes(StandardCharsets.UTF_8));
    }

    Message field(int number, Message value) {
      return field(number, value.toByteArray());
    }

    byte[] toByteArray() {
      try {
        out.flush();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      return bytes.toByteArray();
    }
  }

  private OnnxModel(NetCase sizes, Map<String, float[]> data) {
    this.sizes = sizes;
    this.data = data;
  }

  /** The whole file. */
  static byte[] of(NetCase sizes, Map<String, float[]> data) {
    return new OnnxModel(sizes, data).model();
  }

  private byte[] model() {
    boolean lstm = sizes.cell() == Cell.LSTM;
    Message node = new Message();
    List<String> inputs = lstm ? List.of("x", "h0", "c0") : List.of("x", "h0");
    for (String input : lstm ? List.of("x", "W", "R", "B", "", "h0", "c0") : states()) {
      node.field(1, input);
    }
    List<String> outputs = lstm ? List.of("y", "hT", "cT") : List.of("y", "hT");
    outputs.forEach(output -> node.field(2, output));
    node.field(4, lstm ? "LSTM" : sizes.cell() == Cell.RNN_TANH ? "RNN" : "GRU");
    node.field(5, attribute("hidden_size", sizes.hidden()));
    if (sizes.cell() == Cell.GRU || sizes.cell() == Cell.GRU_RESET_BEFORE) {
      node.field(5, attribute("linear_before_reset", sizes.cell() == Cell.GRU ? 1 : 0));
    }
    graph.field(1, node).field(2, "bench");
    int rows = sizes.cell().gates() * sizes.hidden();
    initializer("W", reordered("weight_ih_l0", sizes.input()), 1, rows, sizes.input());
    initializer("R", reordered("weight_hh_l0", sizes.hidden()), 1, rows, sizes.hidden());
    float[] bias = new float[2 * rows];
    System.arraycopy(reordered("bias_ih_l0", 1), 0, bias, 0, rows);
    System.arraycopy(reordered("bias_hh_l0", 1), 0, bias, rows, rows);
    initializer("B", bias, 1, 2L * rows);
    inputs.forEach(name -> graph.field(11, value(name)));
    outputs.forEach(name -> graph.field(12, value(name)));
    return new Message()
        .field(1, IR_VERSION)
        .field(7, graph)
        .field(8, new Message().field(1, "").field(2, OPSET))
        .toByteArray();
  }

  private static List<String> states() {
    return List.of("x", "W", "R", "B", "", "h0");
  }

  /** Shape of an input or output as ONNX has it: y is [T, 1, B, H], states are [1, B, H]. */
  static long[] shape(NetCase sizes, String name) {
    return switch (name) {
      case "x" -> new long[] {sizes.steps(), sizes.batch(), sizes.input()};
      case "y" -> new long[] {sizes.steps(), 1, sizes.batch(), sizes.hidden()};
      default -> new long[] {1, sizes.batch(), sizes.hidden()};
    };
  }

  /** Blocks in ONNX's order: i o f c of i f g o, z r h of r z n. */
  private float[] reordered(String name, int width) {
    int[] order =
        switch (sizes.cell()) {
          case LSTM -> new int[] {0, 3, 1, 2};
          case GRU, GRU_RESET_BEFORE -> new int[] {1, 0, 2};
          default -> new int[] {0};
        };
    float[] values = data.getOrDefault(name, new float[0]);
    int block = sizes.hidden() * width;
    float[] out = new float[values.length];
    for (int k = 0; k < order.length; k++) {
      System.arraycopy(values, order[k] * block, out, k * block, block);
    }
    return out;
  }

  private void initializer(String name, float[] values, long... shape) {
    ByteBuffer raw =
        ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    raw.asFloatBuffer().put(values);
    Message tensor = new Message();
    for (long size : shape) {
      tensor.field(1, size);
    }
    graph.field(5, tensor.field(2, FLOAT).field(8, name).field(9, raw.array()));
  }

  private static Message attribute(String name, long value) {
    return new Message().field(1, name).field(3, value).field(20, ATTRIBUTE_INT);
  }

  private Message value(String name) {
    Message shape = new Message();
    for (long size : shape(sizes, name)) {
      shape.field(1, new Message().field(1, size));
    }
    Message tensor = new Message().field(1, FLOAT).field(2, shape);
    return new Message().field(1, name).field(2, new Message().field(1, tensor));
  }
}
