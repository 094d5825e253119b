package dev.fusedrnn.testkit;

/**
 * In which order a plain loop adds the terms of a sum. Two orders give two fp32 answers; how far
 * either is from the exact one shows what fp32 arithmetic alone does to a result.
 */
enum SummationOrder {
  /** From the first term to the last. */
  ASCENDING,
  /** From the last term to the first. */
  DESCENDING,
  /** {@link #ASCENDING}, the factors of each term rounded to TF32 first. */
  ASCENDING_TF32,
  /** {@link #DESCENDING}, the factors of each term rounded to TF32 first. */
  DESCENDING_TF32;

  /** TF32 keeps 10 of the 23 bits of fraction: to the nearest, ties away from zero. */
  private static float tf32(float value) {
    if (!Float.isFinite(value)) {
      return value;
    }
    return Float.intBitsToFloat(Float.floatToRawIntBits(value) + 0x1000 & 0xFFFFE000);
  }

  /**
   * The dot product of two strided vectors in float, added to a start value.
   *
   * @param start the first summand
   * @param a one vector, from {@code aStart} in steps of {@code aStep}
   * @param b the other, likewise
   * @param count number of terms
   */
  float dot(
      float start, float[] a, int aStart, int aStep, float[] b, int bStart, int bStep, int count) {
    float sum = start;
    for (int k = 0; k < count; k++) {
      int term = this == ASCENDING || this == ASCENDING_TF32 ? k : count - 1 - k;
      float left = a[aStart + term * aStep];
      float right = b[bStart + term * bStep];
      boolean rounds = this == ASCENDING_TF32 || this == DESCENDING_TF32;
      sum += rounds ? tf32(left) * tf32(right) : left * right;
    }
    return sum;
  }
}
