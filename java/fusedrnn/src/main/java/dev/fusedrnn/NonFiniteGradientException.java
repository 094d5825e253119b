package dev.fusedrnn;

/** A gradient held a NaN or an infinity under {@link NonFinite#ERROR}. */
public final class NonFiniteGradientException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final double norm;
  private final long step;

  NonFiniteGradientException(double norm, long step) {
    super(
        "gradient: expected finite elements, got a norm of "
            + norm
            + " at step "
            + step
            + ". The optimiser skips every step until GlobalNormClip.clearFailure is called; lower"
            + " the learning rate, or choose NonFinite.SKIP or CLAMP");
    this.norm = norm;
    this.step = step;
  }

  /**
   * The norm of that step.
   *
   * @return NaN or infinity
   */
  public double norm() {
    return norm;
  }

  /**
   * Which step it was, as the clip counted.
   *
   * @return from 1
   */
  public long step() {
    return step;
  }
}
