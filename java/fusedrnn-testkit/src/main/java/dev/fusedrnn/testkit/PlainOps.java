package dev.fusedrnn.testkit;

import java.util.Arrays;

/**
 * What stands around a recurrent net, in plain float loops: the yardstick of {@link Tolerance} for
 * clipping, optimisers, linear layers, embeddings and cross-entropy. Shapes as in {@code
 * fusedrnn.h}.
 */
final class PlainOps {
  private PlainOps() {}

  /** Global L2 norm of many tensors. */
  static float norm(float[][] tensors, SummationOrder order) {
    float sum = 0;
    for (float[] tensor : tensors) {
      sum = order.dot(sum, tensor, 0, 1, tensor, 0, 1, tensor.length);
    }
    return (float) Math.sqrt(sum);
  }

  /** What a gradient is multiplied with so that the norm is at most {@code maxNorm}. */
  static float coefficient(float norm, float maxNorm) {
    return norm <= maxNorm ? 1 : maxNorm / norm;
  }

  /** SGD with momentum: v = momentum v + g; p -= rate v. */
  static void sgd(float[] p, float[] g, float[] v, float rate, float momentum) {
    for (int k = 0; k < p.length; k++) {
      v[k] = momentum * v[k] + g[k];
      p[k] -= rate * v[k];
    }
  }

  /** Adagrad: m += g^2; p -= rate g / sqrt(m + epsilon). */
  static void adagrad(float[] p, float[] g, float[] m, float rate, float epsilon) {
    for (int k = 0; k < p.length; k++) {
      m[k] += g[k] * g[k];
      p[k] -= rate * g[k] / (float) Math.sqrt(m[k] + epsilon);
    }
  }

  /**
   * Adam (Kingma and Ba 2015, algorithm 1) at step {@code step}, from 1, and with decay AdamW
   * (Loshchilov and Hutter 2019).
   */
  static void adam(
      float[] p,
      float[] g,
      float[] m,
      float[] v,
      float rate,
      float epsilon,
      float decay,
      int step) {
    float correction1 = (float) (1 - Math.pow(0.9, step));
    float correction2 = (float) (1 - Math.pow(0.999, step));
    for (int k = 0; k < p.length; k++) {
      m[k] = 0.9f * m[k] + (1 - 0.9f) * g[k];
      v[k] = 0.999f * v[k] + (1 - 0.999f) * g[k] * g[k];
      float quotient = m[k] / correction1 / ((float) Math.sqrt(v[k] / correction2) + epsilon);
      p[k] -= rate * (quotient + decay * p[k]);
    }
  }

  /** RMSProp (Hinton 2012): v = 0.9 v + 0.1 g^2; b = momentum b + g / (sqrt(v) + epsilon). */
  static void rmsprop(
      float[] p, float[] g, float[] v, float[] b, float rate, float momentum, float epsilon) {
    for (int k = 0; k < p.length; k++) {
      v[k] = 0.9f * v[k] + (1 - 0.9f) * g[k] * g[k];
      b[k] = momentum * b[k] + g[k] / ((float) Math.sqrt(v[k]) + epsilon);
      p[k] -= rate * b[k];
    }
  }

  /** y [N,O] = x [N,I] w^T + b, w [O,I]. */
  static float[] linear(float[] x, float[] w, float[] b, int rows, int in, SummationOrder order) {
    int out = b.length;
    float[] y = new float[rows * out];
    for (int n = 0; n < rows; n++) {
      for (int o = 0; o < out; o++) {
        y[n * out + o] = order.dot(b[o], x, n * in, 1, w, o * in, 1, in);
      }
    }
    return y;
  }

  /** dx [N,I] = dy [N,O] w [O,I]. */
  static float[] linearDx(float[] dy, float[] w, int rows, int in, int out, SummationOrder order) {
    float[] dx = new float[rows * in];
    for (int n = 0; n < rows; n++) {
      for (int k = 0; k < in; k++) {
        dx[n * in + k] = order.dot(0, dy, n * out, 1, w, k, in, out);
      }
    }
    return dx;
  }

  /** start + dy^T x, [O,I]; with x a single 1 and {@code in} 1 it is the gradient of the bias. */
  static float[] linearDw(
      float[] start, float[] dy, float[] x, int rows, int in, int out, SummationOrder order) {
    float[] dw = start.clone();
    for (int o = 0; o < out; o++) {
      for (int k = 0; k < in; k++) {
        dw[o * in + k] = order.dot(dw[o * in + k], dy, o, out, x, k, in, rows);
      }
    }
    return dw;
  }

  /** start + sums of the rows of dy [N,O]. */
  static float[] linearDb(float[] start, float[] dy, int rows, int out, SummationOrder order) {
    float[] db = start.clone();
    float[] one = {1};
    for (int o = 0; o < out; o++) {
      db[o] = order.dot(db[o], dy, o, out, one, 0, 0, rows);
    }
    return db;
  }

  /** start [V,E] plus every row of dy [N,E] at its id. */
  static float[] embeddingGradient(
      float[] start, int[] ids, float[] dy, int width, SummationOrder order) {
    float[] table = start.clone();
    for (int n = 0; n < ids.length; n++) {
      int row = order == SummationOrder.ASCENDING ? n : ids.length - 1 - n;
      for (int k = 0; k < width; k++) {
        table[ids[row] * width + k] += dy[row * width + k];
      }
    }
    return table;
  }

  /**
   * Softmax cross-entropy: {@code gradient} receives scale (softmax - q), q the one-hot target with
   * {@code smoothing} spread over all classes.
   *
   * @return the sum of losses over rows whose target is not {@code ignored}
   */
  static float crossEntropy(
      float[] logits, int[] targets, int ignored, float smoothing, float scale, float[] gradient) {
    int width = targets.length == 0 ? 0 : logits.length / targets.length;
    float loss = 0;
    for (int n = 0; n < targets.length; n++) {
      float[] row = Arrays.copyOfRange(logits, n * width, (n + 1) * width);
      float max = Float.NEGATIVE_INFINITY;
      for (float value : row) {
        max = Math.max(max, value);
      }
      float sum = 0;
      for (float value : row) {
        sum += (float) Math.exp(value - max);
      }
      if (targets[n] == ignored) {
        continue;
      }
      for (int v = 0; v < width; v++) {
        float q = smoothing / width + (v == targets[n] ? 1 - smoothing : 0);
        loss += q * ((float) Math.log(sum) - (row[v] - max));
        float p = (float) Math.exp(row[v] - max) / sum;
        gradient[n * width + v] = scale * (p - q);
      }
    }
    return loss;
  }

  /**
   * Mean squared error of rows with weights: {@code gradient} receives scale 2 w / F (y - target).
   *
   * @return the sum of losses
   */
  static float squaredError(
      float[] y, float[] targets, float[] weights, float scale, float[] gradient) {
    int width = weights.length == 0 ? 0 : y.length / weights.length;
    float loss = 0;
    for (int e = 0; e < y.length; e++) {
      float weight = weights[e / width];
      float difference = y[e] - targets[e];
      loss += weight * difference * difference / width;
      gradient[e] = scale * 2 * weight * difference / width;
    }
    return loss;
  }
}
