package dev.fusedrnn.io;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.io.OnnxGraph.Node;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * One LSTM, GRU or RNN node of an ONNX model: one layer in one or two directions. ONNX's order of
 * gates is {@code i o f c} and {@code z r h}; biases are [Wb | Rb]; peepholes are {@code i o f}; a
 * GRU resets before the recurrent product unless {@code linear_before_reset} is set.
 *
 * @param name of the node; may be empty
 * @param reversed whether the node's only direction is the reverse one: its sequences have to be
 *     turned round for the weights here
 * @param weights of one layer
 */
public record OnnxNode(String name, boolean reversed, RnnWeights weights) {
  private static final List<String> KNOWN =
      List.of(
          "activation_alpha",
          "activation_beta",
          "activations",
          "clip",
          "direction",
          "hidden_size",
          "layout",
          "output_sequence");

  /** Whether an operation is a recurrent node. */
  static boolean isRecurrent(Node node) {
    return node.domain().isEmpty() && List.of("LSTM", "GRU", "RNN").contains(node.type());
  }

  /**
   * The order of gates in ONNX.
   *
   * @param cell which
   * @return letters as {@link Blocks} has them
   */
  static String order(Cell cell) {
    return switch (cell) {
      case LSTM -> "iofg";
      case GRU, GRU_RESET_BEFORE -> "zrn";
      default -> "h";
    };
  }

  /** Reads one node. */
  static OnnxNode read(OnnxGraph graph, Node node) {
    return new Reader(graph, node).read();
  }

  private static final class Reader {
    private final OnnxGraph graph;
    private final Node node;
    private final Map<String, HostTensor> torch = new LinkedHashMap<>();

    Reader(OnnxGraph graph, Node node) {
      this.graph = graph;
      this.node = node;
    }

    OnnxNode read() {
      checkAttributes();
      String direction = attribute("direction", String.class, "forward").toLowerCase(Locale.ROOT);
      if (!List.of("forward", "reverse", "bidirectional").contains(direction)) {
        throw bad("direction: expected forward, reverse or bidirectional, got " + direction);
      }
      int directions = direction.equals("bidirectional") ? 2 : 1;
      HostTensor w = constant(1, "W");
      HostTensor r = constant(2, "R");
      HostTensor b = node.input(3) == null ? null : constant(3, "B");
      HostTensor p = node.input(7) == null ? null : constant(7, "P");
      requireZero(5, "initial_h");
      requireZero(6, "initial_c");
      if (w.shape().length != 3 || r.shape().length != 3) {
        throw bad("W and R: expected three dimensions, got " + w + " and " + r);
      }
      RnnConfig config = config(directions, w, r, b != null, p != null);
      int rows = config.cell().gates() * Math.toIntExact(config.hiddenSize());
      int hidden = Math.toIntExact(config.hiddenSize());
      w.require(node.title() + " W", directions, rows, config.inputSize());
      r.require(node.title() + " R", directions, rows, hidden);
      for (int d = 0; d < directions; d++) {
        putBlocks(config, Parameter.WEIGHT_IH, d, part(w, d, directions));
        putBlocks(config, Parameter.WEIGHT_HH, d, part(r, d, directions));
        if (b != null) {
          double[] both = part(b.require(node.title() + " B", directions, 2 * rows), d, directions);
          putBlocks(config, Parameter.BIAS_IH, d, Arrays.copyOfRange(both, 0, rows));
          putBlocks(config, Parameter.BIAS_HH, d, Arrays.copyOfRange(both, rows, 2 * rows));
        }
        if (p != null) {
          putPeepholes(
              config,
              d,
              part(p.require(node.title() + " P", directions, 3 * hidden), d, directions));
        }
      }
      return new OnnxNode(node.name(), direction.equals("reverse"), new RnnWeights(config, torch));
    }

    private RnnConfig config(
        int directions, HostTensor w, HostTensor r, boolean bias, boolean peephole) {
      long hidden = attribute("hidden_size", Long.class, r.shape()[2]);
      try {
        return RnnConfig.builder(cell(directions))
            .inputSize(w.shape()[2])
            .hiddenSize(hidden)
            .bidirectional(directions == 2)
            .bias(bias)
            .peephole(peephole)
            .coupledForget(attribute("input_forget", Long.class, 0L) != 0)
            .batchFirst(attribute("layout", Long.class, 0L) != 0)
            .dtype(isDouble(1) ? DType.F64 : DType.F32)
            .build();
      } catch (IllegalArgumentException e) {
        throw bad(String.valueOf(e.getMessage()));
      }
    }

    private Cell cell(int directions) {
      List<String> activations = new ArrayList<>();
      for (Object activation : attribute("activations", List.class, List.of())) {
        activations.add(activation.toString().toLowerCase(Locale.ROOT));
      }
      if (node.type().equals("RNN")) {
        if (activations.equals(Collections.nCopies(directions, "relu"))) {
          return Cell.RNN_RELU;
        }
        requireActivations(activations, directions, List.of("tanh"));
        return Cell.RNN_TANH;
      }
      if (node.type().equals("LSTM")) {
        requireActivations(activations, directions, List.of("sigmoid", "tanh", "tanh"));
        return Cell.LSTM;
      }
      requireActivations(activations, directions, List.of("sigmoid", "tanh"));
      return attribute("linear_before_reset", Long.class, 0L) != 0
          ? Cell.GRU
          : Cell.GRU_RESET_BEFORE;
    }

    private void requireActivations(List<String> got, int directions, List<String> each) {
      List<String> expected = new ArrayList<>();
      for (int d = 0; d < directions; d++) {
        expected.addAll(each);
      }
      if (!got.isEmpty() && !got.equals(expected)) {
        throw bad(
            "activations: expected "
                + expected
                + (node.type().equals("RNN") ? " or relu" : "")
                + ", got "
                + got);
      }
    }

    private void checkAttributes() {
      TreeSet<String> known = new TreeSet<>(KNOWN);
      if (node.type().equals("LSTM")) {
        known.add("input_forget");
      } else if (node.type().equals("GRU")) {
        known.add("linear_before_reset");
      }
      for (String name : node.attributes().keySet()) {
        if (!known.contains(name)) {
          throw bad("unknown attribute " + name + "; known are " + String.join(", ", known));
        }
      }
      if (attribute("clip", Float.class, 0f) != 0) {
        throw bad(
            "clip: not supported, for it bounds what enters the activations (a network's cellClip"
                + " bounds its cell state)");
      }
    }

    private <A> A attribute(String name, Class<A> type, A absent) {
      Object value = node.attributes().get(name);
      if (value == null) {
        return absent;
      }
      if (!type.isInstance(value)) {
        throw bad("attribute " + name + ": expected " + type.getSimpleName() + ", got " + value);
      }
      return type.cast(value);
    }

    /** The constant behind an input, looked for through Constant and Identity nodes. */
    private OnnxGraph.@Nullable Tensor find(@Nullable String name) {
      for (int hops = 0; name != null && hops <= graph.nodes().size(); hops++) {
        OnnxGraph.Tensor tensor = graph.initializers().get(name);
        if (tensor != null) {
          return tensor;
        }
        Node source = OnnxRnn.producer(graph, name);
        if (source == null) {
          return null;
        }
        if (source.type().equals("Constant")
            && source.attributes().get("value") instanceof OnnxGraph.Tensor value) {
          return value;
        }
        name = source.type().equals("Identity") ? source.input(0) : null;
      }
      return null;
    }

    private HostTensor constant(int index, String name) {
      String input = node.input(index);
      OnnxGraph.Tensor tensor = find(input);
      if (input == null || tensor == null) {
        throw bad(
            name
                + " ("
                + input
                + "): expected a constant of the model; where nodes compute it,"
                + " fold constants first");
      }
      if (tensor.values() == null) {
        throw bad(name + " (" + input + "): " + tensor.problem());
      }
      return tensor.values();
    }

    private boolean isDouble(int index) {
      OnnxGraph.Tensor tensor = find(node.input(index));
      return tensor != null && tensor.isDouble();
    }

    private void requireZero(int index, String name) {
      OnnxGraph.Tensor tensor = find(node.input(index));
      if (tensor != null && tensor.values() != null) {
        for (double value : tensor.values().values()) {
          if (value != 0) {
            throw bad(
                name
                    + ": is a constant of the model that is not zero; make it an input, and give"
                    + " it to the network as h0 or c0");
          }
        }
      }
    }

    private void putBlocks(RnnConfig config, Parameter parameter, int direction, double[] onnx) {
      String to = Blocks.torch(config.cell(), false);
      double[] blocks = Blocks.reorder(onnx, order(config.cell()), to);
      if (config.coupledForget()) {
        // ONNX couples f = 1 - i, the network i = 1 - f; and 1 - s(a) = s(-a).
        int block = blocks.length / 4;
        System.arraycopy(Blocks.negate(Arrays.copyOf(blocks, block)), 0, blocks, block, block);
        blocks = Arrays.copyOfRange(blocks, block, blocks.length);
      }
      torch.put(
          parameter.torchName(0, direction), new HostTensor(blocks, config.shape(parameter, 0)));
    }

    private void putPeepholes(RnnConfig config, int direction, double[] onnx) {
      double[] rows = Blocks.reorder(onnx, "iof", "ifo");
      if (config.coupledForget()) {
        int hidden = rows.length / 3;
        System.arraycopy(Blocks.negate(Arrays.copyOf(rows, hidden)), 0, rows, hidden, hidden);
        rows = Arrays.copyOfRange(rows, hidden, rows.length);
      }
      torch.put(
          Parameter.WEIGHT_PEEPHOLE.torchName(0, direction),
          new HostTensor(rows, config.shape(Parameter.WEIGHT_PEEPHOLE, 0)));
    }

    private static double[] part(HostTensor tensor, int direction, int directions) {
      int length = tensor.values().length / directions;
      return Arrays.copyOfRange(tensor.values(), direction * length, (direction + 1) * length);
    }

    private FormatException bad(String message) {
      return new FormatException(node.title() + ": " + message);
    }
  }
}
