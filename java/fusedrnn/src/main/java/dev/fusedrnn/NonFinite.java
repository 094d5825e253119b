package dev.fusedrnn;

/**
 * What becomes of a gradient with a NaN or an infinity in it. Ordinals are those of {@code
 * frnn_nonfinite}.
 */
public enum NonFinite {
  /** IEEE arithmetic: the norm is NaN or infinite, the coefficient NaN or 0. */
  PROPAGATE,
  /**
   * The step is skipped, and every later one, until {@link GlobalNormClip#clearFailure}; reading
   * the result throws {@link NonFiniteGradientException}.
   */
  ERROR,
  /** The optimiser's step does nothing. */
  SKIP,
  /**
   * NaN counts as 0 and infinity as the limit; where that is infinite too, as the largest finite
   * number of the type.
   */
  CLAMP
}
