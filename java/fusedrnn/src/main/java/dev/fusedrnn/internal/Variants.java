package dev.fusedrnn.internal;

/** The bits of {@code frnn_variant} in {@code fusedrnn.h}, and what they leave of an LSTM. */
public final class Variants {
  /** i and f see c of the step before, o sees c of this step. */
  public static final long PEEPHOLE = 1;

  /** i = 1 - f. */
  public static final long COUPLED = 2;

  /** i = 1. */
  public static final long NO_INPUT_GATE = 4;

  /** f = 1. */
  public static final long NO_FORGET_GATE = 8;

  /** o = 1. */
  public static final long NO_OUTPUT_GATE = 16;

  private Variants() {}

  /** Whether the parameters have a block of the input gate. */
  public static boolean hasInputGate(long variant) {
    return (variant & (COUPLED | NO_INPUT_GATE)) == 0;
  }

  /** Whether the parameters have a block of the forget gate. */
  public static boolean hasForgetGate(long variant) {
    return (variant & NO_FORGET_GATE) == 0;
  }

  /** Whether the parameters have a block of the output gate. */
  public static boolean hasOutputGate(long variant) {
    return (variant & NO_OUTPUT_GATE) == 0;
  }

  /** Gate blocks of an LSTM. */
  public static int gates(long variant) {
    return 1
        + (hasInputGate(variant) ? 1 : 0)
        + (hasForgetGate(variant) ? 1 : 0)
        + (hasOutputGate(variant) ? 1 : 0);
  }

  /** Rows of the peephole weights: one for each of i, f, o that there is. */
  public static int peepholes(long variant) {
    return (variant & PEEPHOLE) == 0 ? 0 : gates(variant) - 1;
  }
}
