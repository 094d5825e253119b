package dev.fusedrnn.testkit;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnConfigBuilder;
import dev.fusedrnn.testkit.RnnCase.Part;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;

/**
 * One recurrent network over one batch of sequences, with data drawn from a seed. Tensors are x,
 * h0, c0, dy, dhT, dcT, y, hT, cT, dx, dh0, dc0, the parameters under torch.nn's names, and their
 * gradients with a {@code d} before the name.
 *
 * @param name what it shows
 * @param cell which cell
 * @param steps T
 * @param batch B
 * @param input I
 * @param hidden H
 * @param settings everything else of the configuration
 * @param lengths live steps of each row; empty where all have T
 * @param parts the optional tensors that are there
 * @param seed replays the data and the masks
 */
public record NetCase(
    String name,
    Cell cell,
    int steps,
    int batch,
    int input,
    int hidden,
    UnaryOperator<RnnConfigBuilder> settings,
    List<Integer> lengths,
    Set<Part> parts,
    long seed) {

  /** Offset of the masks; any number will do, and one that is not zero is a better test. */
  static final long MASK_OFFSET = 7;

  /** Copies the collections. */
  public NetCase {
    lengths = List.copyOf(lengths);
    parts = Set.copyOf(parts);
  }

  /**
   * The configuration of the network.
   *
   * @param dtype its element type
   * @return the configuration
   */
  public RnnConfig config(DType dtype) {
    RnnConfigBuilder plain = RnnConfig.builder(cell).inputSize(input).hiddenSize(hidden);
    return settings.apply(plain).bias(parts.contains(Part.BIAS)).dtype(dtype).build();
  }

  /** Live steps of each row. */
  int[] liveSteps() {
    int[] live = new int[batch];
    Arrays.fill(live, steps);
    for (int b = 0; b < lengths.size(); b++) {
      live[b] = lengths.get(b);
    }
    return live;
  }

  /**
   * Shape of every tensor that the network can have but gradients, whose shapes are those of what
   * they are gradients of.
   *
   * @return by name
   */
  Map<String, int[]> shapes() {
    RnnConfig config = config(DType.F32);
    int first = config.batchFirst() ? batch : steps;
    int second = config.batchFirst() ? steps : batch;
    int entries = config.layers() * config.directions();
    int width = Math.toIntExact(config.stateSize());
    int[] state = entries == 1 ? new int[] {batch, width} : new int[] {entries, batch, width};
    Map<String, int[]> shapes = new LinkedHashMap<>();
    shapes.put("x", new int[] {first, second, input});
    shapes.put("y", new int[] {first, second, Math.toIntExact(config.outputSize())});
    shapes.put("h0", state);
    shapes.put("hT", state);
    if (cell.hasCellState()) {
      int[] cellState = state.clone();
      cellState[cellState.length - 1] = hidden;
      shapes.put("c0", cellState);
      shapes.put("cT", cellState);
    }
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        List<Parameter> present = new ArrayList<>(config.parameters());
        present.addAll(config.statistics());
        for (Parameter parameter : present) {
          int[] sizes =
              Arrays.stream(config.shape(parameter, layer)).mapToInt(Math::toIntExact).toArray();
          shapes.put(parameter.torchName(layer, direction), sizes);
        }
      }
    }
    return shapes;
  }

  /**
   * @param tensor a name
   * @return its sizes, outermost first
   */
  public int[] shape(String tensor) {
    String base = tensor.startsWith("start_") ? tensor.substring("start_".length()) : tensor;
    int[] shape = shapes().get(base.startsWith("d") ? base.substring(1) : base);
    if (shape == null) {
      throw new IllegalArgumentException("no tensor of the name " + tensor);
    }
    return shape;
  }

  /**
   * Draws the data: parameters as torch.nn initialises them, everything else normal. The values are
   * floats, so that every precision starts from the same numbers.
   *
   * @return by name, only what the case has; {@code start_} and a gradient's name is what that
   *     gradient is added to
   */
  public Map<String, float[]> data() {
    return data(Storage.F32);
  }

  /**
   * The same, rounded to what a type can hold, so that every precision starts from it.
   *
   * @param dtype F32, BF16 or F16
   * @return by name
   */
  public Map<String, float[]> data(DType dtype) {
    return data(Storage.of(dtype));
  }

  /** The same, rounded to what a type can hold, so that every precision starts from it. */
  Map<String, float[]> data(Storage storage) {
    Map<String, float[]> data = draw();
    data.values().forEach(storage::round);
    return data;
  }

  private Map<String, float[]> draw() {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, float[]> data = new LinkedHashMap<>();
    Map<String, int[]> shapes = shapes();
    normal(data, "x", shapes.get("x"), random);
    shapes.forEach(
        (name, shape) -> {
          if (name.contains("_l")) {
            data.put(name, parameter(name, count(shape), random));
          }
        });
    boolean cellState = cell.hasCellState();
    if (parts.contains(Part.INITIAL_STATE)) {
      normal(data, "h0", shapes.get("h0"), random);
      if (cellState) {
        normal(data, "c0", shapes.get("c0"), random);
      }
    }
    if (parts.contains(Part.DY)) {
      normal(data, "dy", shapes.get("y"), random);
    }
    if (parts.contains(Part.FINAL_STATE_GRADIENT)) {
      normal(data, "dhT", shapes.get("hT"), random);
      if (cellState) {
        normal(data, "dcT", shapes.get("cT"), random);
      }
    }
    if (parts.contains(Part.ACCUMULATE)) {
      shapes.forEach(
          (name, shape) -> {
            if (name.contains("_l") && !name.startsWith("running_")) {
              normal(data, "start_d" + name, shape, random);
            }
          });
    }
    return data;
  }

  /** As torch.nn; gains and variances lie around 1. */
  private float[] parameter(String name, int count, SplittableRandom random) {
    float[] values = Draws.uniform(random, count, 1 / Math.sqrt(hidden));
    boolean gain = name.startsWith("norm_") && !name.contains("bias");
    if (gain || name.startsWith("running_var")) {
      for (int k = 0; k < count; k++) {
        values[k] = 1 + values[k] / 2;
      }
    }
    return values;
  }

  private static void normal(
      Map<String, float[]> data, String name, int[] shape, SplittableRandom random) {
    data.put(name, Draws.normal(random, count(shape)));
  }

  /** Product of sizes. */
  static int count(int[] shape) {
    return Arrays.stream(shape).reduce(1, (a, b) -> a * b);
  }

  /** Cell and sizes, as names of cases begin. */
  static String label(Cell cell, int steps, int batch, int input, int hidden) {
    return String.format(
        "%s T%d B%d I%d H%d", cell.name().toLowerCase(Locale.ROOT), steps, batch, input, hidden);
  }
}
