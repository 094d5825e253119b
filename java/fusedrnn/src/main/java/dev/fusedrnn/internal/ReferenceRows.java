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
    double scale = s.getDouble(Fields.SoftmaxXent.SCALE);
    double[] logits = memory.load(s.get(Fields.SoftmaxXent.LOGITS), (long) rows * classes, dtype);
    int[] targets = memory.loadInts(s.get(Fields.SoftmaxXent.TARGETS), rows);
    double[] dlogits = new double[logits.length];
    double lossSum = 0;
    long counted = 0;
    for (int n = 0; n < rows; n++) {
      if (targets[n] == s.get(Fields.SoftmaxXent.IGNORE_INDEX)) {
        continue;
      }
      counted++;
      int at = n * classes;
      if (targets[n] < 0 || targets[n] >= classes) {
        Arrays.fill(dlogits, at, at + classes, Double.NaN);
        lossSum = Double.NaN;
        continue;
      }
      double max = Arrays.stream(logits, at, at + classes).max().orElseThrow();
      double sum = 0;
      for (int v = 0; v < classes; v++) {
        sum += Math.exp(logits[at + v] - max);
      }
      for (int v = 0; v < classes; v++) {
        double probability = Math.exp(logits[at + v] - max) / sum;
        dlogits[at + v] = scale * (probability - (v == targets[n] ? 1 : 0));
      }
      lossSum += Math.log(sum) + max - logits[at + targets[n]];
    }
    memory.store(s.get(Fields.SoftmaxXent.DLOGITS), dlogits, dtype);
    memory.at(s.get(Fields.SoftmaxXent.RESULT), 16).putDouble(lossSum).putLong(counted);
  }
}
