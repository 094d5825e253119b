package dev.fusedrnn.cli.replay;

import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.io.ElementType;
import dev.fusedrnn.io.SafeTensor;
import dev.fusedrnn.io.Safetensors;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The tensors of a replay, checked against the specification.
 *
 * @param steps T
 * @param batch B
 * @param lengths live steps of each row; null where all have T
 * @param values floating-point tensors by the names of the file
 */
record ReplayInput(int steps, int batch, int @Nullable [] lengths, Map<String, double[]> values) {

  /** Whether a backward pass is asked for. */
  boolean backward() {
    return values.containsKey("grad_output")
        || values.containsKey("grad_hn")
        || values.containsKey("grad_cn");
  }

  /**
   * @throws UserException naming the tensor that is missing, unknown, or of a wrong shape or type
   */
  static ReplayInput of(ReplaySpec spec, Safetensors file, Path path) {
    RnnConfig network = spec.network();
    SafeTensor input = file.get("input");
    long[] shape = input == null ? new long[0] : input.shape();
    if (shape.length != 3 || shape[2] != network.inputSize()) {
      throw new UserException(
          String.format(
              "%s: input: expected %s with input_size %d, got %s",
              path,
              network.batchFirst() ? "[B, T, I]" : "[T, B, I]",
              network.inputSize(),
              input == null ? "no such tensor" : Arrays.toString(shape)));
    }
    int steps = Math.toIntExact(shape[network.batchFirst() ? 1 : 0]);
    int batch = Math.toIntExact(shape[network.batchFirst() ? 0 : 1]);
    Map<String, long[]> expected = shapes(network, steps, batch);
    refuseUnknown(file, expected.keySet(), path);
    Map<String, double[]> values = new LinkedHashMap<>();
    for (Map.Entry<String, long[]> e : expected.entrySet()) {
      SafeTensor tensor = file.get(e.getKey());
      if (tensor != null) {
        values.put(e.getKey(), read(path, e.getKey(), tensor, e.getValue()));
      } else if (required(e.getKey())) {
        throw new UserException(
            String.format(
                "%s: %s: expected %s, got no such tensor",
                path, e.getKey(), Arrays.toString(e.getValue())));
      }
    }
    return new ReplayInput(steps, batch, lengths(path, file, steps, batch), values);
  }

  private static boolean required(String name) {
    return name.startsWith("weight") || name.startsWith("bias");
  }

  /** Every floating-point tensor that the specification allows, with its shape. */
  private static Map<String, long[]> shapes(RnnConfig network, int steps, int batch) {
    boolean batchFirst = network.batchFirst();
    long first = batchFirst ? batch : steps;
    long second = batchFirst ? steps : batch;
    long entries = (long) network.layers() * network.directions();
    long[] hiddenState = {entries, batch, network.stateSize()};
    long[] cellState = {entries, batch, network.hiddenSize()};
    Map<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put("input", new long[] {first, second, network.inputSize()});
    for (int layer = 0; layer < network.layers(); layer++) {
      for (int direction = 0; direction < network.directions(); direction++) {
        for (Parameter parameter : network.parameters()) {
          shapes.put(parameter.torchName(layer, direction), network.shape(parameter, layer));
        }
      }
    }
    shapes.put("h0", hiddenState);
    shapes.put("grad_output", new long[] {first, second, network.outputSize()});
    shapes.put("grad_hn", hiddenState);
    if (network.cell().hasCellState()) {
      shapes.put("c0", cellState);
      shapes.put("grad_cn", cellState);
    }
    return shapes;
  }

  private static void refuseUnknown(Safetensors file, Set<String> known, Path path) {
    Set<String> unknown = new TreeSet<>(file.tensors().keySet());
    unknown.removeAll(known);
    unknown.remove("lengths");
    if (!unknown.isEmpty()) {
      throw new UserException(
          String.format(
              "%s: %s does not belong to this network; known are lengths, %s",
              path, String.join(", ", unknown), String.join(", ", known)));
    }
  }

  private static int @Nullable [] lengths(Path path, Safetensors file, int steps, int batch) {
    SafeTensor tensor = file.get("lengths");
    if (tensor == null) {
      return null;
    }
    if (tensor.type() != ElementType.I64 || !Arrays.equals(tensor.shape(), new long[] {batch})) {
      throw new UserException(
          String.format(
              "%s: lengths: expected I64 [%d], got %s %s",
              path, batch, tensor.type(), Arrays.toString(tensor.shape())));
    }
    long[] values = tensor.toLongs();
    int[] lengths = new int[batch];
    for (int row = 0; row < batch; row++) {
      if (values[row] < 0 || values[row] > steps) {
        throw new UserException(
            String.format(
                "%s: lengths[%d]: expected 0 to %d, got %d", path, row, steps, values[row]));
      }
      lengths[row] = (int) values[row];
    }
    return lengths;
  }

  private static double[] read(Path path, String name, SafeTensor tensor, long[] shape) {
    if (!tensor.type().isFloating()) {
      throw new UserException(
          String.format(
              "%s: %s: expected F64, F32, F16 or BF16, got %s", path, name, tensor.type()));
    }
    if (!Arrays.equals(tensor.shape(), shape)) {
      throw new UserException(
          String.format(
              "%s: %s: expected %s, got %s",
              path, name, Arrays.toString(shape), Arrays.toString(tensor.shape())));
    }
    return tensor.toDoubles();
  }
}
