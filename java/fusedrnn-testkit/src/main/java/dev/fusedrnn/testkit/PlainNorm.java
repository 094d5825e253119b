package dev.fusedrnn.testkit;

/** Normalisation of a vector in plain float: (v - mean) / sqrt(variance + epsilon), biased. */
final class PlainNorm {
  private PlainNorm() {}

  static float mean(float[] v) {
    float sum = 0;
    for (float value : v) {
      sum += value;
    }
    return sum / v.length;
  }

  /** Biased variance. */
  static float variance(float[] v, float mean) {
    float sum = 0;
    for (float value : v) {
      sum += (value - mean) * (value - mean);
    }
    return sum / v.length;
  }

  /**
   * Normalises in place.
   *
   * @return what the centred values were multiplied with
   */
  static float normalize(float[] v, double epsilon) {
    float mean = mean(v);
    float inverse = 1 / (float) Math.sqrt(variance(v, mean) + (float) epsilon);
    for (int k = 0; k < v.length; k++) {
      v[k] = (v[k] - mean) * inverse;
    }
    return inverse;
  }

  /** Turns the gradient of the normalised values, in place, into that of the values before. */
  static void backward(float[] d, float[] normal, float inverse) {
    float mean = mean(d);
    float along = 0;
    for (int k = 0; k < d.length; k++) {
      along += d[k] * normal[k];
    }
    along /= d.length;
    for (int k = 0; k < d.length; k++) {
      d[k] = inverse * (d[k] - mean - normal[k] * along);
    }
  }
}
