package dev.fusedrnn.testkit;

import java.util.SplittableRandom;

/** Random floats that a seed replays on every JDK. */
public final class Draws {
  private Draws() {}

  /**
   * Uniform draws.
   *
   * @param random where from
   * @param count how many
   * @param limit values lie in [-limit, limit)
   * @return the values
   */
  public static float[] uniform(SplittableRandom random, int count, double limit) {
    float[] values = new float[count];
    for (int k = 0; k < count; k++) {
      values[k] = (float) (limit * (2 * random.nextDouble() - 1));
    }
    return values;
  }

  /**
   * Normal draws with mean 0 and variance 1, by Box and Muller's method.
   *
   * @param random where from
   * @param count how many
   * @return the values
   */
  public static float[] normal(SplittableRandom random, int count) {
    float[] values = new float[count];
    for (int k = 0; k < count; k++) {
      double radius = Math.sqrt(-2 * Math.log(1 - random.nextDouble()));
      values[k] = (float) (radius * Math.cos(2 * Math.PI * random.nextDouble()));
    }
    return values;
  }

  /**
   * Whole numbers, each as likely.
   *
   * @param random where from
   * @param count how many
   * @param limit values lie in [0, limit)
   * @return the values
   */
  public static int[] ids(SplittableRandom random, int count, int limit) {
    int[] values = new int[count];
    for (int k = 0; k < count; k++) {
      values[k] = random.nextInt(limit);
    }
    return values;
  }
}
