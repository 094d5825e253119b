package dev.fusedrnn.cli.charlm;

import com.fasterxml.jackson.databind.node.ArrayNode;
import java.util.Arrays;

/** The loss of every step of a run. */
final class History {
  private static final int POINTS = 200;

  private final double[] losses;
  private int count;

  History(int steps) {
    losses = new double[steps];
  }

  void add(double loss) {
    losses[count++] = loss;
  }

  /** The losses of all steps made. */
  double[] losses() {
    return Arrays.copyOf(losses, count);
  }

  /** Mean over the last twentieth of the steps; NaN where none was made. */
  double recent() {
    return mean(count - Math.max(1, count / 20), count);
  }

  private double mean(int from, int to) {
    return Arrays.stream(losses, Math.max(0, from), to).average().orElse(Double.NaN);
  }

  /** Adds at most 200 objects with the last step and the mean loss of equal stretches. */
  void writeTo(ArrayNode array) {
    int points = Math.min(POINTS, count);
    for (int k = 0; k < points; k++) {
      int from = (int) ((long) k * count / points);
      int to = (int) ((k + 1L) * count / points);
      array.addObject().put("step", to).put("loss", mean(from, to));
    }
  }
}
