package dev.fusedrnn.io;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.io.OnnxGraph.Node;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Reads the recurrent nodes of ONNX models, as one network or one by one, and writes them. */
public final class OnnxRnn {
  /** What may stand between two stacked layers without changing a value. */
  private static final List<String> SHAPE_ONLY =
      List.of("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Dropout");

  private OnnxRnn() {}

  /**
   * Reads every recurrent node.
   *
   * @param model an {@code .onnx} file
   * @return one layer each, in the order of the file; empty where there is none
   * @throws FormatException where the file is no ONNX model, or a node is beyond this library
   */
  public static List<OnnxNode> readNodes(Path model) {
    OnnxGraph graph = graph(model);
    return recurrent(graph).stream().map(node -> OnnxNode.read(graph, node)).toList();
  }

  /**
   * Reads all recurrent nodes as one network of stacked layers.
   *
   * @param model an {@code .onnx} file
   * @return the network; F64 where the weights are doubles
   * @throws FormatException where the file is no ONNX model, has no recurrent node, or has nodes
   *     that are no stack of equal layers
   */
  public static RnnWeights read(Path model) {
    OnnxGraph graph = graph(model);
    List<Node> nodes = recurrent(graph);
    if (nodes.isEmpty()) {
      String found =
          graph.nodes().stream()
              .map(Node::type)
              .collect(Collectors.toCollection(TreeSet::new))
              .toString();
      throw new FormatException(model + ": no LSTM, GRU or RNN node; its nodes are " + found);
    }
    List<OnnxNode> layers = nodes.stream().map(node -> OnnxNode.read(graph, node)).toList();
    for (int k = 0; k < layers.size(); k++) {
      if (layers.get(k).reversed()) {
        throw new FormatException(
            nodes.get(k).title()
                + ": its only direction is reverse; use readNodes and turn its sequences round");
      }
      if (k > 0) {
        requireStacked(graph, nodes, layers, k);
      }
    }
    return stack(layers);
  }

  private static List<Node> recurrent(OnnxGraph graph) {
    return graph.nodes().stream().filter(OnnxNode::isRecurrent).toList();
  }

  private static OnnxGraph graph(Path model) {
    try {
      return OnnxParser.parse(Files.readAllBytes(model));
    } catch (IOException e) {
      throw new FormatException(model + ": not a usable ONNX model: " + e.getMessage(), e);
    }
  }

  /** The node that makes a tensor, or null for inputs and initialisers. */
  static @Nullable Node producer(OnnxGraph graph, String tensor) {
    return graph.nodes().stream()
        .filter(node -> node.outputs().contains(tensor))
        .findFirst()
        .orElse(null);
  }

  private static void requireStacked(
      OnnxGraph graph, List<Node> nodes, List<OnnxNode> layers, int k) {
    Node node = nodes.get(k);
    Node below = nodes.get(k - 1);
    RnnConfig one = layers.get(k - 1).weights().config();
    RnnConfig two = layers.get(k).weights().config();
    boolean alike =
        one.cell() == two.cell()
            && one.hiddenSize() == two.hiddenSize()
            && one.directions() == two.directions()
            && one.peephole() == two.peephole()
            && one.coupledForget() == two.coupledForget()
            && one.batchFirst() == two.batchFirst()
            && two.inputSize() == one.outputSize();
    if (!alike) {
      throw new FormatException(
          node.title()
              + ": "
              + two
              + " does not continue "
              + below.title()
              + ": "
              + one
              + "; read them by readNodes");
    }
    String tensor = node.input(0);
    Node source = tensor == null ? null : producer(graph, tensor);
    while (source != null && SHAPE_ONLY.contains(source.type())) {
      tensor = source.input(0);
      source = tensor == null ? null : producer(graph, tensor);
    }
    if (source != below || below.outputs().indexOf(tensor) != 0) {
      throw new FormatException(
          node.title()
              + ": its input is not the output of "
              + below.title()
              + " alone, but of "
              + (source == null ? "the model's input" : source.title())
              + "; read them by readNodes");
    }
  }

  private static RnnWeights stack(List<OnnxNode> layers) {
    RnnConfig first = layers.get(0).weights().config();
    boolean bias = layers.stream().anyMatch(layer -> layer.weights().config().bias());
    RnnConfig config =
        RnnConfig.builder(first.cell())
            .inputSize(first.inputSize())
            .hiddenSize(first.hiddenSize())
            .layers(layers.size())
            .bidirectional(first.bidirectional())
            .bias(bias)
            .peephole(first.peephole())
            .coupledForget(first.coupledForget())
            .batchFirst(first.batchFirst())
            .dtype(first.dtype())
            .build();
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    for (int layer = 0; layer < layers.size(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        for (Parameter parameter : config.parameters()) {
          HostTensor tensor = layers.get(layer).weights().get(parameter, 0, direction);
          if (tensor == null) { // a layer without a bias among others with one
            tensor = new HostTensor(new double[(int) config.gateRows()], config.gateRows());
          }
          tensors.put(parameter.torchName(layer, direction), tensor);
        }
      }
    }
    return new RnnWeights(config, tensors);
  }

  /**
   * Writes a model that computes the network's inference from zero states: input {@code input} [T,
   * B, I], outputs {@code output} [T, B, D*H] and for each layer {@code hn_l0} [D, B, H] and, of an
   * LSTM, {@code cn_l0}. Batch-first networks have [B, T, ..]. Opset 14; doubles where the network
   * is F64, else floats.
   *
   * @param model the file; replaced where it exists
   * @param weights the network
   * @throws FormatException where ONNX cannot say what the network computes
   * @throws IOException where the file cannot be written
   */
  public static void write(Path model, RnnWeights weights) throws IOException {
    requireKnown(weights.config());
    Files.write(model, new OnnxWriter(weights).model());
  }

  private static void requireKnown(RnnConfig config) {
    Blocks.requireServed(
        "ONNX has LSTM, GRU and RNN nodes",
        config,
        Cell.LSTM,
        Cell.GRU,
        Cell.GRU_RESET_BEFORE,
        Cell.RNN_TANH,
        Cell.RNN_RELU);
    List<String> beyond = new ArrayList<>();
    if (config.projectionSize() > 0) {
      beyond.add("a projection");
    }
    if (config.cellClip() != 0) {
      beyond.add("a cell clip");
    }
    if (config.residual()) {
      beyond.add("residual connections");
    }
    if (config.zoneoutHidden() != 0 || config.zoneoutCell() != 0) {
      beyond.add("zoneout");
    }
    if (config.gates() != config.cell().gates() && !config.coupledForget()) {
      beyond.add("missing gates");
    }
    if (config.coupledForget() && config.gates() != config.cell().gates() - 1) {
      beyond.add("missing gates");
    }
    if (config.dtype() != DType.F32 && config.dtype() != DType.F64) {
      beyond.add(config.dtype().label());
    }
    if (!beyond.isEmpty()) {
      throw new FormatException(
          "ONNX's recurrent nodes do not have " + String.join(", ", beyond) + "; got " + config);
    }
  }
}
