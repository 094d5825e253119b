package dev.fusedrnn;

/** Norms that a clip can measure. Ordinals are those of {@code frnn_norm_kind}. */
public enum NormKind {
  /** The root of the sum of squares (Pascanu, Mikolov and Bengio 2013). */
  L2,
  /** The sum of magnitudes. */
  L1,
  /** The largest magnitude. */
  INFINITY
}
