package dev.fusedrnn.cli.replay;

import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.cli.io.ElementType;
import dev.fusedrnn.cli.io.SafeTensor;
import dev.fusedrnn.cli.io.Safetensors;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * The tensors of a replay, checked against the specification and time-major.
 *
 * @param steps T
 * @param batch B
 * @param values by the names of the file
 */
record ReplayInput(int steps, int batch, Map<String, double[]> values) {

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
    if (file.get("lengths") != null) {
      throw new UserException(
          path
              + ": lengths is not supported yet; this version replays rows of one length: leave it"
              + " out");
    }
    SafeTensor input = file.get("input");
    long[] shape = input == null ? new long[0] : input.shape();
    if (input == null || shape.length != 3 || shape[2] != spec.input()) {
      throw new UserException(
          String.format(
              "%s: input: expected %s with input_size %d, got %s",
              path,
              spec.batchFirst() ? "[B, T, I]" : "[T, B, I]",
              spec.input(),
              input == null ? "no such tensor" : Arrays.toString(shape)));
    }
    int steps = Math.toIntExact(shape[spec.batchFirst() ? 1 : 0]);
    int batch = Math.toIntExact(shape[spec.batchFirst() ? 0 : 1]);
    Map<String, long[]> expected = shapes(spec, steps, batch);
    refuseUnknown(file, expected.keySet(), path);
    Map<String, double[]> values = new LinkedHashMap<>();
    for (Map.Entry<String, long[]> e : expected.entrySet()) {
      SafeTensor tensor = file.get(e.getKey());
      if (tensor != null) {
        values.put(e.getKey(), read(spec, path, e.getKey(), tensor, e.getValue()));
      } else if (required(e.getKey())) {
        throw new UserException(
            String.format(
                "%s: %s: expected %s, got no such tensor",
                path, e.getKey(), Arrays.toString(e.getValue())));
      }
    }
    return new ReplayInput(steps, batch, values);
  }

  private static boolean required(String name) {
    return name.startsWith("weight") || name.startsWith("bias");
  }

  /** Every tensor that the specification allows, with its shape in the file. */
  private static Map<String, long[]> shapes(ReplaySpec spec, int steps, int batch) {
    long rows = (long) spec.cell().gates() * spec.hidden();
    boolean batchFirst = spec.batchFirst();
    long first = batchFirst ? batch : steps;
    long second = batchFirst ? steps : batch;
    long[] state = {1, batch, spec.hidden()};
    Map<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put("input", new long[] {first, second, spec.input()});
    shapes.put("weight_ih_l0", new long[] {rows, spec.input()});
    shapes.put("weight_hh_l0", new long[] {rows, spec.hidden()});
    if (spec.bias()) {
      shapes.put("bias_ih_l0", new long[] {rows});
      shapes.put("bias_hh_l0", new long[] {rows});
    }
    shapes.put("h0", state);
    shapes.put("grad_output", new long[] {first, second, spec.hidden()});
    shapes.put("grad_hn", state);
    if (spec.cell().hasCellState()) {
      shapes.put("c0", state);
      shapes.put("grad_cn", state);
    }
    return shapes;
  }

  private static void refuseUnknown(Safetensors file, Set<String> known, Path path) {
    Set<String> unknown = new TreeSet<>(file.tensors().keySet());
    unknown.removeAll(known);
    if (!unknown.isEmpty()) {
      throw new UserException(
          String.format(
              "%s: %s does not belong to this network; known are %s",
              path, String.join(", ", unknown), String.join(", ", known)));
    }
  }

  private static double[] read(
      ReplaySpec spec, Path path, String name, SafeTensor tensor, long[] shape) {
    if (!tensor.type().isFloating()) {
      throw new UserException(
          String.format(
              "%s: %s: expected %s, %s, %s or %s, got %s",
              path,
              name,
              ElementType.F64,
              ElementType.F32,
              ElementType.F16,
              ElementType.BF16,
              tensor.type()));
    }
    if (!Arrays.equals(tensor.shape(), shape)) {
      throw new UserException(
          String.format(
              "%s: %s: expected %s, got %s",
              path, name, Arrays.toString(shape), Arrays.toString(tensor.shape())));
    }
    double[] values = tensor.toDoubles();
    boolean sequence = name.equals("input") || name.equals("grad_output");
    return spec.batchFirst() && sequence
        ? swap(values, (int) shape[0], (int) shape[1], (int) shape[2])
        : values;
  }

  /** [A, B, C] to [B, A, C]. */
  static double[] swap(double[] values, int a, int b, int c) {
    double[] swapped = new double[values.length];
    for (int i = 0; i < a; i++) {
      for (int j = 0; j < b; j++) {
        System.arraycopy(values, (i * b + j) * c, swapped, (j * a + i) * c, c);
      }
    }
    return swapped;
  }
}
