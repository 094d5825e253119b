package dev.fusedrnn;

/**
 * How the learning rate changes with the step, worked out on the device from its own count. In the
 * warm-up, t &lt;= warmup, it is t / warmup of its base. Then, with u = t - warmup and r = min(u /
 * period, 1), it is what the shape says.
 *
 * @param shape the formula
 * @param warmup steps, at least 0
 * @param period steps; at least 1 unless the shape is {@link Shape#CONSTANT}
 * @param decay what the shape makes of it, at least 0
 */
public record LearningRateSchedule(Shape shape, long warmup, long period, double decay) {
  /** The formulas, as parts of the base. Ordinals are those of {@code frnn_schedule}. */
  public enum Shape {
    /** 1. */
    CONSTANT,
    /** 1 - (1 - decay) r. */
    LINEAR,
    /** decay + (1 - decay) (1 + cos(pi r)) / 2 (Loshchilov and Hutter 2017, no restarts). */
    COSINE,
    /** decay^(u / period). */
    EXPONENTIAL,
    /** decay^floor(u / period). */
    STEP,
    /** sqrt(period / (period + u)); with period = warmup that of Vaswani et al. 2017. */
    INVERSE_SQRT
  }

  /**
   * Refuses what no schedule can be.
   *
   * @param shape the formula
   * @param warmup steps, at least 0
   * @param period steps; at least 1 unless the shape is {@link Shape#CONSTANT}
   * @param decay what the shape makes of it, at least 0
   */
  public LearningRateSchedule {
    Failures.atLeast(0, "warmup", warmup);
    Failures.atLeast(shape == Shape.CONSTANT ? 0 : 1, "period", period);
    if (!(decay >= 0 && decay < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException("decay: expected a number of at least 0, got " + decay);
    }
  }

  /**
   * The base rate at every step.
   *
   * @return without a warm-up
   */
  public static LearningRateSchedule constant() {
    return new LearningRateSchedule(Shape.CONSTANT, 0, 0, 0);
  }

  /**
   * Down along a line.
   *
   * @param period steps until the floor
   * @param floor as a part of the base
   * @return without a warm-up
   */
  public static LearningRateSchedule linear(long period, double floor) {
    return new LearningRateSchedule(Shape.LINEAR, 0, period, floor);
  }

  /**
   * Down along half a cosine.
   *
   * @param period steps until the floor
   * @param floor as a part of the base
   * @return without a warm-up
   */
  public static LearningRateSchedule cosine(long period, double floor) {
    return new LearningRateSchedule(Shape.COSINE, 0, period, floor);
  }

  /**
   * By a factor every period, smoothly.
   *
   * @param period steps
   * @param factor of a period
   * @return without a warm-up
   */
  public static LearningRateSchedule exponential(long period, double factor) {
    return new LearningRateSchedule(Shape.EXPONENTIAL, 0, period, factor);
  }

  /**
   * By a factor at the end of every period.
   *
   * @param period steps
   * @param factor of a period
   * @return without a warm-up
   */
  public static LearningRateSchedule step(long period, double factor) {
    return new LearningRateSchedule(Shape.STEP, 0, period, factor);
  }

  /**
   * With the inverse root of the step.
   *
   * @param period steps after which it has fallen to 1 / sqrt(2)
   * @return without a warm-up
   */
  public static LearningRateSchedule inverseSqrt(long period) {
    return new LearningRateSchedule(Shape.INVERSE_SQRT, 0, period, 0);
  }

  /**
   * The same after a warm-up.
   *
   * @param steps at least 0
   * @return a new schedule
   */
  public LearningRateSchedule withWarmup(long steps) {
    return new LearningRateSchedule(shape, steps, period, decay);
  }

  /**
   * The rate of a step over its base, as the device works it out.
   *
   * @param step from 1
   * @return the factor of the base
   */
  public double factor(long step) {
    if (step <= warmup) {
      return (double) step / warmup;
    }
    double u = step - warmup;
    double r = Math.min(u / period, 1);
    return switch (shape) {
      case CONSTANT -> 1;
      case LINEAR -> 1 - (1 - decay) * r;
      case COSINE -> decay + (1 - decay) * (1 + Math.cos(Math.PI * r)) / 2;
      case EXPONENTIAL -> Math.pow(decay, u / period);
      case STEP -> Math.pow(decay, Math.floor(u / period));
      case INVERSE_SQRT -> Math.sqrt(period / (period + u));
    };
  }
}
