package dev.fusedrnn.internal;

import java.util.Arrays;

/** Layer normalisation of one vector (Ba, Kiros and Hinton 2016): gain (v - mean) / deviation. */
final class LayerNorm {
  private final double[] gain;
  private final double[] unit; // (v - mean) / deviation
  private final double deviation; // sqrt(biased variance + epsilon)

  LayerNorm(double[] v, double[] gain, double epsilon) {
    double mean = Arrays.stream(v).sum() / v.length;
    double variance = Arrays.stream(v).map(e -> (e - mean) * (e - mean)).sum() / v.length;
    this.gain = gain;
    this.deviation = Math.sqrt(variance + epsilon);
    this.unit = Arrays.stream(v).map(e -> (e - mean) / deviation).toArray();
  }

  double[] out() {
    double[] out = new double[unit.length];
    Arrays.setAll(out, k -> gain[k] * unit[k]);
    return out;
  }

  /** Adds to the gradient of the gain; answers that of v. */
  double[] backward(double[] dOut, double[] dGain) {
    double[] dUnit = new double[unit.length];
    Arrays.setAll(dUnit, k -> gain[k] * dOut[k]);
    double mean = 0;
    double along = 0;
    for (int k = 0; k < unit.length; k++) {
      dGain[k] += dOut[k] * unit[k];
      mean += dUnit[k] / unit.length;
      along += dUnit[k] * unit[k] / unit.length;
    }
    double meanOfAll = mean;
    double alongUnit = along;
    double[] dv = new double[unit.length];
    Arrays.setAll(dv, k -> (dUnit[k] - meanOfAll - unit[k] * alongUnit) / deviation);
    return dv;
  }
}
