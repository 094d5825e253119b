package dev.fusedrnn.internal;

/** What clipping does to its list. Ordinals are those of {@code frnn_clip_action}. */
public enum ClipAction {
  /** The norm alone. */
  MEASURE,
  /** Every element is multiplied by the coefficient. */
  SCALE,
  /** Every element is clamped to [-limit, limit]. */
  CLAMP_ELEMENTS
}
