package dev.fusedrnn.testkit;

import dev.fusedrnn.Cell;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

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
   * @return cell, sizes and what departs from {@link #ALL}, such as {@code lstm T5 B3 I7 H31 -BIAS}
   */
  public String name() {
    StringBuilder name = new StringBuilder(cell.name().toLowerCase(Locale.ROOT));
    name.append(String.format(" T%d B%d I%d H%d", steps, batch, input, hidden));
    for (Part part : EnumSet.allOf(Part.class)) {
      if (parts.contains(part) != ALL.contains(part)) {
        name.append(parts.contains(part) ? " +" : " -")
            .append(part.name().toLowerCase(Locale.ROOT));
      }
    }
    return name.toString();
  }

  /**
   * @param tensor a name of {@code fusedrnn.h}
   * @return its sizes, outermost first
   */
  public int[] shape(String tensor) {
    int rows = cell.gates() * hidden;
    return switch (tensor) {
      case "x", "dx" -> new int[] {steps, batch, input};
      case "y", "dy" -> new int[] {steps, batch, hidden};
      case "h0", "c0", "hT", "cT", "dh0", "dc0", "dhT", "dcT" -> new int[] {batch, hidden};
      case "w_ih", "dw_ih", "start_dw_ih" -> new int[] {rows, input};
      case "w_hh", "dw_hh", "start_dw_hh" -> new int[] {rows, hidden};
      case "b_ih", "b_hh", "db_ih", "db_hh", "start_db_ih", "start_db_hh" -> new int[] {rows};
      default -> throw new IllegalArgumentException("no tensor of the name " + tensor);
    };
  }

  /**
   * Draws the data: weights as torch.nn initialises them, everything else normal. The values are
   * floats, so that every precision starts from the same numbers.
   *
   * @return by name, only what the case has; {@code start_dw_ih} and so on is what gradients are
   *     added to
   */
  public Map<String, float[]> data() {
    SplittableRandom random = new SplittableRandom(seed);
    Map<String, float[]> data = new LinkedHashMap<>();
    data.put("x", normal(random, "x"));
    data.put("w_ih", uniform(random, "w_ih"));
    data.put("w_hh", uniform(random, "w_hh"));
    boolean lstm = cell.hasCellState();
    if (parts.contains(Part.BIAS)) {
      data.put("b_ih", uniform(random, "b_ih"));
      data.put("b_hh", uniform(random, "b_hh"));
    }
    if (parts.contains(Part.INITIAL_STATE)) {
      data.put("h0", normal(random, "h0"));
      if (lstm) {
        data.put("c0", normal(random, "c0"));
      }
    }
    if (parts.contains(Part.DY)) {
      data.put("dy", normal(random, "dy"));
    }
    if (parts.contains(Part.FINAL_STATE_GRADIENT)) {
      data.put("dhT", normal(random, "dhT"));
      if (lstm) {
        data.put("dcT", normal(random, "dcT"));
      }
    }
    if (parts.contains(Part.ACCUMULATE)) {
      data.put("start_dw_ih", normal(random, "start_dw_ih"));
      data.put("start_dw_hh", normal(random, "start_dw_hh"));
      if (parts.contains(Part.BIAS)) {
        data.put("start_db_ih", normal(random, "start_db_ih"));
        data.put("start_db_hh", normal(random, "start_db_hh"));
      }
    }
    return data;
  }

  private float[] normal(SplittableRandom random, String tensor) {
    return Draws.normal(random, count(tensor));
  }

  private float[] uniform(SplittableRandom random, String tensor) {
    return Draws.uniform(random, count(tensor), 1 / Math.sqrt(hidden));
  }

  /**
   * @param tensor a name of {@code fusedrnn.h}
   * @return how many elements it has
   */
  public int count(String tensor) {
    int count = 1;
    for (int size : shape(tensor)) {
      count *= size;
    }
    return count;
  }
}
