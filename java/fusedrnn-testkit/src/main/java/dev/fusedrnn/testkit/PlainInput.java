package dev.fusedrnn.testkit;

import dev.fusedrnn.Norm;
import dev.fusedrnn.RnnConfig;
import java.util.Arrays;
import java.util.Map;

/**
 * The input part of a layer for all rows: W x + b, or the norm of W x times a gain, plus b; and the
 * way back from its gradient to that of W x. Rows are time-first.
 */
final class PlainInput {
  private final PlainLayer layer;
  private final RnnConfig config;
  private final int gateRows;
  private final int[] liveRows;
  private final float[] gain;

  /** W x after the norm, before the gain [T*B, G*H]; and what its centred values were times. */
  private final float[] normal;

  private final float[] inverse;
  private final float[] parts;
  private float[] before;

  PlainInput(PlainLayer layer, int[] liveRows, float[] x, float[] w, float[] bias) {
    this.layer = layer;
    this.config = layer.config;
    this.gateRows = layer.gateRows;
    this.liveRows = liveRows;
    int rows = layer.steps * layer.batch;
    boolean plain = config.norm() == Norm.NONE;
    gain = plain ? new float[0] : layer.parameter("norm_ih");
    normal = new float[plain ? 0 : rows * gateRows];
    inverse = new float[config.norm() == Norm.LAYER ? rows : plain ? 0 : gateRows];
    parts = new float[rows * gateRows];
    int input = layer.input;
    for (int e = 0; e < parts.length; e++) {
      int g = e % gateRows;
      int n = e / gateRows;
      float start = plain ? bias[g] : 0;
      parts[e] = layer.order.dot(start, w, g * input, 1, x, n * input, 1, input);
    }
    before = parts;
    if (!plain) {
      before = parts.clone();
      normalize();
      for (int e = 0; e < parts.length; e++) {
        parts[e] = normal[e] * gain[e % gateRows] + bias[e % gateRows];
      }
    }
  }

  float at(int n, int g) {
    return parts[n * gateRows + g];
  }

  private float[] row(float[] from, int n) {
    return Arrays.copyOfRange(from, n * gateRows, (n + 1) * gateRows);
  }

  private float[] column(float[] from, int g) {
    float[] column = new float[liveRows.length];
    for (int k = 0; k < column.length; k++) {
      column[k] = from[liveRows[k] * gateRows + g];
    }
    return column;
  }

  private void setColumn(float[] to, int g, float[] column) {
    for (int k = 0; k < column.length; k++) {
      to[liveRows[k] * gateRows + g] = column[k];
    }
  }

  private void normalize() {
    if (config.norm() == Norm.LAYER) {
      for (int n : liveRows) {
        float[] v = row(before, n);
        inverse[n] = PlainNorm.normalize(v, config.normEpsilon());
        System.arraycopy(v, 0, normal, n * gateRows, gateRows);
      }
      return;
    }
    for (int g = 0; g < gateRows; g++) {
      float[] v = column(before, g);
      inverse[g] = PlainNorm.normalize(v, config.normEpsilon());
      setColumn(normal, g, v);
    }
  }

  /** From the gradient of the input part to that of W x [T*B, G*H]; zero in dead rows. */
  float[] backward(float[] d) {
    if (config.norm() == Norm.NONE) {
      return d;
    }
    float[] out = new float[d.length];
    if (config.norm() == Norm.LAYER) {
      for (int n : liveRows) {
        float[] v = row(d, n);
        for (int g = 0; g < gateRows; g++) {
          v[g] *= gain[g];
        }
        PlainNorm.backward(v, row(normal, n), inverse[n]);
        System.arraycopy(v, 0, out, n * gateRows, gateRows);
      }
      return out;
    }
    for (int g = 0; g < gateRows; g++) {
      float[] v = column(d, g);
      for (int k = 0; k < v.length; k++) {
        v[k] *= gain[g];
      }
      PlainNorm.backward(v, column(normal, g), inverse[g]);
      setColumn(out, g, v);
    }
    return out;
  }

  /** Gradient of the gain, and the running statistics after this batch. */
  void results(float[] d, Map<String, float[]> out) {
    if (config.norm() == Norm.NONE) {
      return;
    }
    out.put("dnorm_ih" + layer.suffix, layer.products("norm_ih", d, normal, gateRows));
    if (config.norm() == Norm.BATCH) {
      float[] mean = layer.parameter("running_mean").clone();
      float[] variance = layer.parameter("running_var").clone();
      float share = (float) config.normMomentum();
      int count = liveRows.length;
      for (int g = 0; g < gateRows; g++) {
        float[] v = column(before, g);
        float now = PlainNorm.mean(v);
        float biased = PlainNorm.variance(v, now);
        float unbiased = count > 1 ? biased * count / (count - 1) : biased;
        mean[g] = (1 - share) * mean[g] + share * now;
        variance[g] = (1 - share) * variance[g] + share * unbiased;
      }
      out.put("running_mean" + layer.suffix, mean);
      out.put("running_var" + layer.suffix, variance);
    }
  }
}
