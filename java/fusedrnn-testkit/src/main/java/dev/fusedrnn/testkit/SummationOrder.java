package dev.fusedrnn.testkit;

/**
 * In which order a plain loop adds the terms of a sum. Two orders give two fp32 answers; how far
 * either is from the exact one shows what fp32 arithmetic alone does to a result.
 */
enum SummationOrder {
  /** From the first term to the last. */
  ASCENDING,
  /** From the last term to the first. */
  DESCENDING;

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
      int term = this == ASCENDING ? k : count - 1 - k;
      sum += a[aStart + term * aStep] * b[bStart + term * bStep];
    }
    return sum;
  }
}
