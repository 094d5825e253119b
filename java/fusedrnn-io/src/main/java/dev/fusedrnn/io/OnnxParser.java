package dev.fusedrnn.io;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads the protobuf of an ONNX model. Field numbers are those of {@code onnx.proto}; fields that
 * are not needed are passed over.
 */
final class OnnxParser {
  private static final int MODEL_GRAPH = 7;
  private static final int GRAPH_NODE = 1;
  private static final int GRAPH_INITIALIZER = 5;
  private static final int DATA_FLOAT = 1;
  private static final int DATA_FLOAT16 = 10;
  private static final int DATA_DOUBLE = 11;
  private static final int DATA_BFLOAT16 = 16;

  private final List<OnnxGraph.Node> nodes = new ArrayList<>();
  private final Map<String, OnnxGraph.Tensor> initializers = new LinkedHashMap<>();
  private boolean graphSeen;

  private OnnxParser() {}

  /** Reads a field's value; the stream stands behind its tag. */
  @FunctionalInterface
  private interface Field {
    /** Whether it was read; where not, it is passed over. */
    boolean read(int number, CodedInputStream in) throws IOException;
  }

  /**
   * Parses a model.
   *
   * @param model the bytes of an {@code .onnx} file
   * @return its graph
   * @throws IOException where they are no ONNX model
   */
  static OnnxGraph parse(byte[] model) throws IOException {
    OnnxParser parser = new OnnxParser();
    message(
        CodedInputStream.newInstance(model),
        (number, in) -> {
          if (number != MODEL_GRAPH) {
            return false;
          }
          parser.graphSeen = true;
          message(in.readBytes(), parser::graphField);
          return true;
        });
    if (!parser.graphSeen) {
      throw new IOException("it holds no graph");
    }
    return new OnnxGraph(List.copyOf(parser.nodes), Map.copyOf(parser.initializers));
  }

  private static void message(ByteString bytes, Field field) throws IOException {
    message(bytes.newCodedInput(), field);
  }

  private static void message(CodedInputStream in, Field field) throws IOException {
    int tag = in.readTag();
    while (tag != 0) {
      if (!field.read(WireFormat.getTagFieldNumber(tag), in)) {
        in.skipField(tag);
      }
      tag = in.readTag();
    }
  }

  private boolean graphField(int number, CodedInputStream in) throws IOException {
    if (number == GRAPH_NODE) {
      nodes.add(node(in.readBytes()));
      return true;
    }
    if (number == GRAPH_INITIALIZER) {
      TensorFields fields = new TensorFields();
      message(in.readBytes(), fields);
      initializers.put(fields.name, fields.tensor());
      return true;
    }
    return false;
  }

  private static OnnxGraph.Node node(ByteString bytes) throws IOException {
    List<String> inputs = new ArrayList<>();
    List<String> outputs = new ArrayList<>();
    Map<String, Object> attributes = new LinkedHashMap<>();
    String[] words = {"", "", ""}; // name, type, domain
    message(
        bytes,
        (number, in) -> {
          switch (number) {
            case 1 -> inputs.add(in.readStringRequireUtf8());
            case 2 -> outputs.add(in.readStringRequireUtf8());
            case 3 -> words[0] = in.readStringRequireUtf8();
            case 4 -> words[1] = in.readStringRequireUtf8();
            case 5 -> attribute(in.readBytes(), attributes);
            case 7 -> words[2] = in.readStringRequireUtf8();
            default -> {
              return false;
            }
          }
          return true;
        });
    return new OnnxGraph.Node(words[0], words[1], words[2], inputs, outputs, attributes);
  }

  /** Attributes say their type in field 20, but every type has a field of its own. */
  private static void attribute(ByteString bytes, Map<String, Object> attributes)
      throws IOException {
    String[] name = {""};
    Object[] single = {null};
    List<Object> several = new ArrayList<>();
    message(
        bytes,
        (number, in) -> {
          switch (number) {
            case 1 -> name[0] = in.readStringRequireUtf8();
            case 2 -> single[0] = in.readFloat();
            case 3 -> single[0] = in.readInt64();
            case 4 -> single[0] = in.readBytes().toString(StandardCharsets.UTF_8);
            case 5 -> {
              TensorFields fields = new TensorFields();
              message(in.readBytes(), fields);
              single[0] = fields.tensor();
            }
            case 7 -> floats(in, several);
            case 8 -> longs(in, several);
            case 9 -> several.add(in.readBytes().toString(StandardCharsets.UTF_8));
            default -> {
              return false;
            }
          }
          return true;
        });
    attributes.put(name[0], single[0] == null ? List.copyOf(several) : single[0]);
  }

  /** Whether the value at hand is a packed list; the last tag tells. */
  private static boolean isPacked(CodedInputStream in) {
    return WireFormat.getTagWireType(in.getLastTag()) == WireFormat.WIRETYPE_LENGTH_DELIMITED;
  }

  private static void floats(CodedInputStream in, List<Object> values) throws IOException {
    if (!isPacked(in)) {
      values.add(in.readFloat());
      return;
    }
    CodedInputStream packed = in.readBytes().newCodedInput();
    while (!packed.isAtEnd()) {
      values.add(packed.readFloat());
    }
  }

  private static void longs(CodedInputStream in, List<Object> values) throws IOException {
    if (!isPacked(in)) {
      values.add(in.readInt64());
      return;
    }
    CodedInputStream packed = in.readBytes().newCodedInput();
    while (!packed.isAtEnd()) {
      values.add(packed.readInt64());
    }
  }

  /** Gathers the fields of a TensorProto. */
  private static final class TensorFields implements Field {
    private final List<Object> shape = new ArrayList<>();
    private final List<Object> floats = new ArrayList<>();
    private final List<Object> words = new ArrayList<>();
    private final List<Double> doubles = new ArrayList<>();
    private String name = "";
    private int type;
    private boolean external;
    private @Nullable ByteString raw;

    @Override
    public boolean read(int number, CodedInputStream in) throws IOException {
      switch (number) {
        case 1 -> longs(in, shape);
        case 2 -> type = in.readInt32();
        case 4 -> floats(in, floats);
        case 5 -> longs(in, words); // int32_data, which also holds 16-bit floats
        case 8 -> name = in.readStringRequireUtf8();
        case 9 -> raw = in.readBytes();
        case 10 -> readDoubles(in);
        case 14 -> external = in.readInt32() == 1;
        default -> {
          return false;
        }
      }
      return true;
    }

    private void readDoubles(CodedInputStream in) throws IOException {
      if (!isPacked(in)) {
        doubles.add(in.readDouble());
        return;
      }
      CodedInputStream packed = in.readBytes().newCodedInput();
      while (!packed.isAtEnd()) {
        doubles.add(packed.readDouble());
      }
    }

    OnnxGraph.Tensor tensor() {
      if (external) {
        return problem("its data lie in another file; save the model as one file");
      }
      if (type != DATA_FLOAT
          && type != DATA_DOUBLE
          && type != DATA_FLOAT16
          && type != DATA_BFLOAT16) {
        return problem("its type " + type + " is not float, double, float16 or bfloat16");
      }
      double[] values = raw == null ? listed() : unpacked(raw);
      long[] sizes = shape.stream().mapToLong(size -> (Long) size).toArray();
      try {
        return new OnnxGraph.Tensor(new HostTensor(values, sizes), "", type == DATA_DOUBLE);
      } catch (IllegalArgumentException | ArithmeticException e) {
        return problem("its data do not fill its shape (" + e.getMessage() + ")");
      }
    }

    private static OnnxGraph.Tensor problem(String text) {
      return new OnnxGraph.Tensor(null, text, false);
    }

    private double[] listed() {
      return switch (type) {
        case DATA_FLOAT -> floats.stream().mapToDouble(value -> (Float) value).toArray();
        case DATA_DOUBLE -> doubles.stream().mapToDouble(Double::doubleValue).toArray();
        default -> words.stream().mapToDouble(word -> half(((Long) word).shortValue())).toArray();
      };
    }

    private double[] unpacked(ByteString bytes) {
      ByteBuffer in = bytes.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
      int width = type == DATA_DOUBLE ? 8 : type == DATA_FLOAT ? 4 : 2;
      double[] values = new double[bytes.size() / width];
      for (int k = 0; k < values.length; k++) {
        values[k] =
            switch (type) {
              case DATA_FLOAT -> in.getFloat();
              case DATA_DOUBLE -> in.getDouble();
              default -> half(in.getShort());
            };
      }
      return values;
    }

    /** A 16-bit float of this tensor's type, exact. */
    private double half(short bits) {
      if (type == DATA_BFLOAT16) {
        return Float.intBitsToFloat(bits << 16);
      }
      int exponent = bits >> 10 & 0x1F;
      int fraction = bits & 0x3FF;
      double sign = bits < 0 ? -1 : 1;
      if (exponent == 0x1F) {
        return fraction == 0 ? sign * Double.POSITIVE_INFINITY : Double.NaN;
      }
      return exponent == 0
          ? sign * fraction * 0x1p-24
          : sign * Math.scalb(1024.0 + fraction, exponent - 25);
    }
  }
}
