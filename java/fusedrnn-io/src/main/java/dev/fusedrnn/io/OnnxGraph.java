package dev.fusedrnn.io;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The part of an ONNX model that recurrent nodes need.
 *
 * @param nodes in the order of the file
 * @param initializers constant tensors by name
 */
record OnnxGraph(List<Node> nodes, Map<String, Tensor> initializers) {

  /**
   * One operation.
   *
   * @param name may be empty
   * @param type such as {@code LSTM}
   * @param domain empty for ONNX's own
   * @param inputs names; empty where an optional one is absent
   * @param outputs names, likewise
   * @param attributes by name: Long, Float, String, HostTensor as {@link Tensor}, or a list of them
   */
  record Node(
      String name,
      String type,
      String domain,
      List<String> inputs,
      List<String> outputs,
      Map<String, Object> attributes) {

    /** What messages call it. */
    String title() {
      return "node " + (name.isEmpty() ? String.join(",", outputs) : name) + " (" + type + ")";
    }

    /** The name of an input, or null where it is absent. */
    @Nullable String input(int index) {
      return index < inputs.size() && !inputs.get(index).isEmpty() ? inputs.get(index) : null;
    }
  }

  /**
   * A constant tensor.
   *
   * @param values null where its type is not floating-point, or its data lie in another file
   * @param problem why there are no values; empty where there are
   * @param isDouble whether the file holds 64-bit values
   */
  record Tensor(@Nullable HostTensor values, String problem, boolean isDouble) {}
}
