package dev.fusedrnn.testkit;

import dev.fusedrnn.Cell;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * One recurrent layer over one sequence, with data drawn from a seed. Its tensors have the names
 * and shapes of {@code fusedrnn.h}.
 *
 * @param cell which cell
 * @param steps T, from 0 up
 * @param batch B, from 0 up
 * @param input I
 * @param hidden H
 * @param parts the optional tensors that are there
 * @param seed replays the data
 */
public record RnnCase(
    Cell cell, int steps, int batch, int input, int hidden, Set<Part> parts, long seed) {

  /** What a call may do without. */
  public enum Part {
    /** Both biases. */
    BIAS,
    /** h0, and c0 for an LSTM. */
    INITIAL_STATE,
    /** The gradient of every step's output. */
    DY,
    /** The gradients of the final state. */
    FINAL_STATE_GRADIENT,
    /** Weight gradients are added to what is there. */
    ACCUMULATE,
    /** No gradient of x is asked for. */
    WITHOUT_DX
  }

  /** Every tensor that a call can have, but accumulation. */
  public static final Set<Part> ALL =
      Set.of(Part.BIAS, Part.INITIAL_STATE, Part.DY, Part.FINAL_STATE_GRADIENT);

  /** Copies the set. */
  public RnnCase {
    parts = Set.copyOf(parts);
  }

  /**
   * @return cell, sizes and what departs from {@link #ALL}, such as {@code lstm T5 B3 I7 H31 -bias}
   */
  public String name() {
    return NetCase.label(cell, steps, batch, input, hidden) + departures(parts);
  }

  /** What departs from {@link #ALL}, such as {@code -bias +accumulate}. */
  static String departures(Set<Part> parts) {
    StringBuilder text = new StringBuilder();
    for (Part part : EnumSet.allOf(Part.class)) {
      if (parts.contains(part) != ALL.contains(part)) {
        text.append(parts.contains(part) ? " +" : " -");
        text.append(part.name().toLowerCase(Locale.ROOT));
      }
    }
    return text.toString();
  }

  /** The same as a network. */
  NetCase net() {
    return new NetCase(
        name(), cell, steps, batch, input, hidden, settings -> settings, List.of(), parts, seed);
  }

  /** The name that a tensor has in a network. */
  static String netName(String tensor) {
    int at = Math.max(tensor.indexOf("w_"), tensor.indexOf("b_"));
    if (at < 0) {
      return tensor;
    }
    String parameter = tensor.charAt(at) == 'w' ? "weight_" : "bias_";
    return tensor.substring(0, at) + parameter + tensor.substring(at + 2) + "_l0";
  }

  /** The name of a network's tensor in {@code fusedrnn.h}. */
  static String headerName(String tensor) {
    return tensor.replace("weight_", "w_").replace("bias_", "b_").replace("_l0", "");
  }

  static Map<String, float[]> netNames(Map<String, float[]> data) {
    Map<String, float[]> renamed = new LinkedHashMap<>();
    data.forEach((name, values) -> renamed.put(netName(name), values));
    return renamed;
  }

  /**
   * @param tensor a name of {@code fusedrnn.h}
   * @return its sizes, outermost first
   */
  public int[] shape(String tensor) {
    return net().shape(netName(tensor));
  }

  /**
   * Draws the data: weights as torch.nn initialises them, everything else normal. The values are
   * floats, so that every precision starts from the same numbers.
   *
   * @return by name, only what the case has; {@code start_dw_ih} and so on is what gradients are
   *     added to
   */
  public Map<String, float[]> data() {
    Map<String, float[]> renamed = new LinkedHashMap<>();
    net().data().forEach((name, values) -> renamed.put(headerName(name), values));
    return renamed;
  }

  /**
   * @param tensor a name of {@code fusedrnn.h}
   * @return how many elements it has
   */
  public int count(String tensor) {
    return NetCase.count(shape(tensor));
  }
}
