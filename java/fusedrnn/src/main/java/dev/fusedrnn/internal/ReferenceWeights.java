package dev.fusedrnn.internal;

/**
 * Parameters of one layer and direction, or their gradients, by the fields of {@code frnn_weights}.
 * Absent ones are zeros, and empty where the layer has no use for them.
 */
final class ReferenceWeights {
  private final double[][] values = new double[Fields.Weights.values().length][];

  /** Zeros of the right lengths. */
  ReferenceWeights(ReferenceLayer layer) {
    for (Fields.Weights field : Fields.Weights.values()) {
      values[field.ordinal()] = new double[length(layer, field)];
    }
  }

  private static int length(ReferenceLayer layer, Fields.Weights field) {
    boolean layerNorm = layer.options().norm() == ReferenceLayer.LAYER_NORM;
    boolean batchNorm = layer.options().norm() == ReferenceLayer.BATCH_NORM;
    return switch (field) {
      case W_IH -> layer.rows() * layer.input();
      case W_HH -> layer.recurrentRows() * layer.width();
      case B_IH -> layer.rows();
      case B_HH -> layer.recurrentRows();
      case W_HR -> layer.projection() * layer.hidden();
      case W_PEEPHOLE -> Variants.peepholes(layer.variant()) * layer.hidden();
      case NORM_IH -> layerNorm || batchNorm ? layer.rows() : 0;
      case NORM_HH -> layerNorm ? layer.rows() : 0;
      case NORM_C, NORM_C_BIAS -> layerNorm ? layer.hidden() : 0;
      case RUNNING_MEAN, RUNNING_VAR -> batchNorm ? layer.rows() : 0;
    };
  }

  /** One tensor; may be written. */
  double[] get(Fields.Weights field) {
    return values[field.ordinal()];
  }

  void set(Fields.Weights field, double[] tensor) {
    values[field.ordinal()] = tensor;
  }

  double[] wIh() {
    return get(Fields.Weights.W_IH);
  }

  double[] wHh() {
    return get(Fields.Weights.W_HH);
  }

  double[] bIh() {
    return get(Fields.Weights.B_IH);
  }

  double[] bHh() {
    return get(Fields.Weights.B_HH);
  }

  double[] wHr() {
    return get(Fields.Weights.W_HR);
  }

  double[] wPeephole() {
    return get(Fields.Weights.W_PEEPHOLE);
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
