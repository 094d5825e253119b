package dev.fusedrnn.internal;

/**
 * Parameters of one layer and direction, or their gradients; absent ones are zeros.
 *
 * @param wIh [G*H, I]
 * @param wHh [G*H, W], of MUT1 [2*H, H]
 * @param bIh [G*H]
 * @param bHh [G*H], of MUT1 [2*H]
 * @param wHr [P, H], empty without a projection
 * @param wPeephole [K, H], empty without peepholes
 */
record ReferenceWeights(
    double[] wIh, double[] wHh, double[] bIh, double[] bHh, double[] wHr, double[] wPeephole) {

  static ReferenceWeights zeros(ReferenceLayer layer) {
    return new ReferenceWeights(
        new double[layer.rows() * layer.input()],
        new double[layer.recurrentRows() * layer.width()],
        new double[layer.rows()],
        new double[layer.recurrentRows()],
        new double[layer.projection() * layer.hidden()],
        new double[Variants.peepholes(layer.variant()) * layer.hidden()]);
  }

  /** Rows {@code from} to {@code to} of w v + b. */
  static double[] product(double[] w, double[] b, double[] v, int from, int to) {
    double[] out = new double[to - from];
    for (int row = from; row < to; row++) {
      double sum = b[row];
      for (int k = 0; k < v.length; k++) {
        sum += w[row * v.length + k] * v[k];
      }
      out[row - from] = sum;
    }
    return out;
  }

  /** Back through {@link #product}: adds d v^T to dw, d to db and w^T d to dv. */
  static void backward(
      double[] w, double[] d, int from, double[] v, double[] dw, double[] db, double[] dv) {
    for (int row = from; row < from + d.length; row++) {
      db[row] += d[row - from];
      for (int k = 0; k < v.length; k++) {
        dw[row * v.length + k] += d[row - from] * v[k];
        dv[k] += d[row - from] * w[row * v.length + k];
      }
    }
  }
}
