package dev.fusedrnn.internal;

/** The bits of {@code frnn_flag} in {@code fusedrnn.h}. */
public final class Flags {
  /** Forward fills the reserve for a backward pass. */
  public static final long TRAINING = 1;

  /** Weight gradients are added to what is there. */
  public static final long ACCUMULATE = 2;

  /** Products may be rounded to TF32. */
  public static final long ALLOW_TF32 = 4;

  /** An optimiser step does nothing where the clip result is not finite. */
  public static final long SKIP_NONFINITE = 8;

  private Flags() {}
}
