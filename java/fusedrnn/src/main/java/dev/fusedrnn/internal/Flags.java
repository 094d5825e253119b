package dev.fusedrnn.internal;

/** The bits of {@code frnn_flag} in {@code fusedrnn.h}. */
public final class Flags {
  /** Forward fills the reserve for a backward pass. */
  public static final long TRAINING = 1;

  /** Weight gradients are added to what is there. */
  public static final long ACCUMULATE = 2;

  /** Products may be rounded to TF32. */
  public static final long ALLOW_TF32 = 4;

  /** Each row runs from its own last step to its first. */
  public static final long REVERSE = 16;

  /** Sequences are [B, T, .]. */
  public static final long BATCH_FIRST = 32;

  /** dx is added to what is there. */
  public static final long ACCUMULATE_DX = 64;

  /** The gradient of a loss is over the rows that count. */
  public static final long MEAN = 128;

  private Flags() {}
}
