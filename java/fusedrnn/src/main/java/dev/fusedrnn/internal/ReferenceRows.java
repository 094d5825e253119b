package dev.fusedrnn.internal;

import dev.fusedrnn.DType;
import java.util.Arrays;

/**
 * Linear layer, embedding and losses in simple loops over doubles. Formulas: {@code fusedrnn.h}.
 */
final class ReferenceRows {
  private final ReferenceMemory memory;

  ReferenceRows(ReferenceMemory memory) {
    this.memory = memory;
  }

  void linearForward(Struct<Fields.Linear> l) {
    DType dtype = ReferenceOps.real(l.get(Fields.Linear.DTYPE));
    int rows = Math.toIntExact(l.get(Fields.Linear.N));
    int inputs = Math.toIntExact(l.get(Fields.Linear.I));
    int outputs = Math.toIntExact(l.get(Fields.Linear.O));
    double[] x = memory.load(l.get(Fields.Linear.X), (long) rows * inputs, dtype);
    double[] w = memory.load(l.get(Fields.Linear.W), (long) outputs * inputs, dtype);
    double[] b = memory.load(l.get(Fields.Linear.B), outputs, dtype);
    double[] y = new double[rows * outputs];
    for (int n = 0; n < rows; n++) {
      for (int o = 0; o < outputs; o++) {
        double sum = b[o];
        for (int k = 0; k < inputs; k++) {
          sum += x[n * inputs + k] * w[o * inputs + k];
        }
        y[n * outputs + o] = sum;
      }
    }
    memory.store(l.get(Fields.Linear.Y), y, dtype);
  }

  void linearBackward(Struct<Fields.Linear> l) {
    DType dtype = ReferenceOps.real(l.get(Fields.Linear.DTYPE));
    int rows = Math.toIntExact(l.get(Fields.Linear.N));
    int inputs = Math.toIntExact(l.get(Fields.Linear.I));
    int outputs = Math.toIntExact(l.get(Fields.Linear.O));
    double[] x = memory.load(l.get(Fields.Linear.X), (long) rows * inputs, dtype);
    double[] w = memory.load(l.get(Fields.Linear.W), (long) outputs * inputs, dtype);
    double[] dy = memory.load(l.get(Fields.Linear.DY), (long) rows * outputs, dtype);
    double[] dx = new double[x.length];
    double[] dw = new double[w.length];
    double[] db = new double[outputs];
    for (int n = 0; n < rows; n++) {
      for (int o = 0; o < outputs; o++) {
        double d = dy[n * outputs + o];
        db[o] += d;
        for (int k = 0; k < inputs; k++) {
          dx[n * inputs + k] += d * w[o * inputs + k];
          dw[o * inputs + k] += d * x[n * inputs + k];
        }
      }
    }
    boolean add = (l.get(Fields.Linear.FLAGS) & Flags.ACCUMULATE) != 0;
    memory.store(l.get(Fields.Linear.DX), dx, dtype);
    memory.store(l.get(Fields.Linear.DW), dw, dtype, add);
    memory.store(l.get(Fields.Linear.DB), db, dtype, add);
  }

  void embeddingForward(Struct<Fields.Embedding> e) {
    DType dtype = ReferenceOps.real(e.get(Fields.Embedding.DTYPE));
    int rows = Math.toIntExact(e.get(Fields.Embedding.N));
    int vocabulary = Math.toIntExact(e.get(Fields.Embedding.V));
    int features = Math.toIntExact(e.get(Fields.Embedding.E));
    int[] ids = memory.loadInts(e.get(Fields.Embedding.IDS), rows);
    double[] table =
        memory.load(e.get(Fields.Embedding.TABLE), (long) vocabulary * features, dtype);
    double[] y = new double[rows * features];
    for (int n = 0; n < rows; n++) {
      for (int k = 0; k < features; k++) {
        boolean inside = ids[n] >= 0 && ids[n] < vocabulary;
        y[n * features + k] = inside ? table[ids[n] * features + k] : Double.NaN;
      }
    }
    memory.store(e.get(Fields.Embedding.Y), y, dtype);
  }

  void embeddingBackward(Struct<Fields.Embedding> e) {
    DType dtype = ReferenceOps.real(e.get(Fields.Embedding.DTYPE));
    int rows = Math.toIntExact(e.get(Fields.Embedding.N));
    int vocabulary = Math.toIntExact(e.get(Fields.Embedding.V));
    int features = Math.toIntExact(e.get(Fields.Embedding.E));
    int[] ids = memory.loadInts(e.get(Fields.Embedding.IDS), rows);
    double[] dy = memory.load(e.get(Fields.Embedding.DY), (long) rows * features, dtype);
    double[] dtable = new double[vocabulary * features];
    for (int n = 0; n < rows; n++) {
      if (ids[n] >= 0 && ids[n] < vocabulary) {
        for (int k = 0; k < features; k++) {
          dtable[ids[n] * features + k] += dy[n * features + k];
        }
      }
    }
    boolean add = (e.get(Fields.Embedding.FLAGS) & Flags.ACCUMULATE) != 0;
    memory.store(e.get(Fields.Embedding.DTABLE), dtable, dtype, add);
  }

  void softmaxXent(Struct<Fields.SoftmaxXent> s) {
    DType dtype = ReferenceOps.real(s.get(Fields.SoftmaxXent.DTYPE));
    int rows = Math.toIntExact(s.get(Fields.SoftmaxXent.N));
    int classes = Math.toIntExact(s.get(Fields.SoftmaxXent.V));
    long ignored = s.get(Fields.SoftmaxXent.IGNORE_INDEX);
    double smoothing = s.getDouble(Fields.SoftmaxXent.LABEL_SMOOTHING);
    double[] logits = memory.load(s.get(Fields.SoftmaxXent.LOGITS), (long) rows * classes, dtype);
    int[] targets = memory.loadInts(s.get(Fields.SoftmaxXent.TARGETS), rows);
    long counted = Arrays.stream(targets).filter(target -> target != ignored).count();
    boolean mean = (s.get(Fields.SoftmaxXent.FLAGS) & Flags.MEAN) != 0;
    double factor =
        s.getDouble(Fields.SoftmaxXent.SCALE)
            * scale(s.get(Fields.SoftmaxXent.LOSS_SCALE))
            / (mean ? counted : 1);
    double[] dlogits = new double[logits.length];
    double lossSum = 0;
    long bad = 0;
    for (int n = 0; n < rows; n++) {
      if (targets[n] == ignored) {
        continue;
      }
      int at = n * classes;
      if (targets[n] < 0 || targets[n] >= classes) {
        Arrays.fill(dlogits, at, at + classes, Double.NaN);
        lossSum = Double.NaN;
        bad++;
        continue;
      }
      double max = Arrays.stream(logits, at, at + classes).max().orElseThrow();
      double sum = 0;
      for (int v = 0; v < classes; v++) {
        sum += Math.exp(logits[at + v] - max);
      }
      for (int v = 0; v < classes; v++) {
        double q = smoothing / classes + (v == targets[n] ? 1 - smoothing : 0);
        dlogits[at + v] = factor * (Math.exp(logits[at + v] - max) / sum - q);
        // Where q is 0 a logit of minus infinity costs nothing.
        lossSum += q == 0 ? 0 : q * (Math.log(sum) + max - logits[at + v]);
      }
    }
    memory.store(s.get(Fields.SoftmaxXent.DLOGITS), dlogits, dtype);
    storeLoss(s.get(Fields.SoftmaxXent.RESULT), lossSum, counted, bad);
  }

  void mse(Struct<Fields.Mse> m) {
    DType dtype = ReferenceOps.real(m.get(Fields.Mse.DTYPE));
    int rows = Math.toIntExact(m.get(Fields.Mse.N));
    int features = Math.toIntExact(m.get(Fields.Mse.F));
    double[] y = memory.load(m.get(Fields.Mse.Y), (long) rows * features, dtype);
    double[] targets = memory.load(m.get(Fields.Mse.TARGETS), (long) rows * features, dtype);
    double[] weights = new double[rows];
    Arrays.fill(weights, 1);
    if (m.get(Fields.Mse.WEIGHTS) != 0) {
      weights = memory.load(m.get(Fields.Mse.WEIGHTS), rows, DType.F32);
    }
    long counted = Arrays.stream(weights).filter(weight -> weight != 0).count();
    boolean mean = (m.get(Fields.Mse.FLAGS) & Flags.MEAN) != 0;
    double factor =
        m.getDouble(Fields.Mse.SCALE) * scale(m.get(Fields.Mse.LOSS_SCALE)) / (mean ? counted : 1);
    double[] dy = new double[y.length];
    double lossSum = 0;
    for (int e = 0; e < y.length; e++) {
      double weight = weights[e / features] / features;
      if (weight != 0) {
        double difference = y[e] - targets[e];
        lossSum += weight * difference * difference;
        dy[e] = factor * 2 * weight * difference;
      }
    }
    memory.store(m.get(Fields.Mse.DY), dy, dtype);
    storeLoss(m.get(Fields.Mse.RESULT), lossSum, counted, 0);
  }

  private double scale(long lossScale) {
    return lossScale == 0 ? 1 : memory.at(lossScale, 8).getDouble(0);
  }

  private void storeLoss(long result, double lossSum, long rows, long badTargets) {
    memory.at(result, 24).putDouble(lossSum).putLong(rows).putLong(badTargets);
  }
}
