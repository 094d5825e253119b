package dev.fusedrnn.internal;

import dev.fusedrnn.DType;
import dev.fusedrnn.Status;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * What stands around a recurrent net, in simple loops over doubles. Formulas: {@code fusedrnn.h}.
 */
final class ReferenceOps {
  private static final int TABLE_HEADER_WORDS = 2; // count, lists; then lengths, then addresses

  private final ReferenceMemory memory;

  ReferenceOps(ReferenceMemory memory) {
    this.memory = memory;
  }

  static DType real(long dtype) {
    DType type = DType.values()[(int) dtype];
    if (type != DType.F64 && type != DType.F32) {
      throw new Refusal(
          Status.UNSUPPORTED, "dtype: the reference backend has f64 and f32, not " + type.label());
    }
    return type;
  }

  // ---- Recurrent ----

  void netForward(NetArguments arguments) {
    long flags = arguments.struct().get(Fields.Net.FLAGS);
    ReferenceNet net = new ReferenceNet(memory, arguments, (flags & Flags.TRAINING) != 0);
    net.forward();
    net.storeForward();
  }

  /** Goes forward again, in double, rather than through what forward rounded. */
  void netBackward(NetArguments arguments) {
    ReferenceNet net = new ReferenceNet(memory, arguments, true);
    net.forward();
    net.backward();
  }

  // ---- Lists of tensors ----

  static long tableBytes(TensorTable tensors) {
    return 8L * (TABLE_HEADER_WORDS + tensors.count() * (1 + tensors.lists()));
  }

  void tableWrite(TensorTable tensors, long table, long bytes) {
    if (bytes < tableBytes(tensors)) {
      throw new Refusal(
          Status.WORKSPACE_TOO_SMALL,
          "table: expected " + tableBytes(tensors) + " bytes, got " + bytes);
    }
    ByteBuffer words = memory.at(table, tableBytes(tensors));
    words.putLong(tensors.count()).putLong(tensors.lists());
    for (int k = 0; k < tensors.count(); k++) {
      words.putLong(tensors.length(k));
    }
    for (int list = 0; list < tensors.lists(); list++) {
      for (int k = 0; k < tensors.count(); k++) {
        words.putLong(tensors.address(list, k));
      }
    }
  }

  private int tableCount(long table) {
    return (int) memory.at(table, 8).getLong(0);
  }

  private long tableLength(long table, int k) {
    return word(table, TABLE_HEADER_WORDS + k);
  }

  private long tableAddress(long table, int list, int k) {
    return word(table, TABLE_HEADER_WORDS + (long) tableCount(table) * (1 + list) + k);
  }

  private long word(long table, long index) {
    return memory.at(table + 8 * index, 8).getLong(0);
  }

  void clip(Struct<Fields.Clip> clip) {
    DType dtype = real(clip.get(Fields.Clip.DTYPE));
    long table = clip.get(Fields.Clip.TABLE);
    int list = (int) clip.get(Fields.Clip.LIST);
    double squares = 0;
    boolean finite = true;
    for (int k = 0; k < tableCount(table); k++) {
      for (double v : memory.load(tableAddress(table, list, k), tableLength(table, k), dtype)) {
        squares += v * v;
        finite &= Double.isFinite(v);
      }
    }
    double norm = Math.sqrt(squares);
    double limit = clip.getDouble(Fields.Clip.MAX_NORM);
    long action = clip.get(Fields.Clip.ACTION);
    boolean clamps = action == ClipAction.CLAMP_ELEMENTS.ordinal();
    double coefficient = clamps || norm <= limit ? 1 : limit / norm;
    memory
        .at(clip.get(Fields.Clip.RESULT), 24)
        .putDouble(norm)
        .putDouble(coefficient)
        .putLong(finite ? 1 : 0);
    if (action != ClipAction.MEASURE.ordinal()) {
      for (int k = 0; k < tableCount(table); k++) {
        long address = tableAddress(table, list, k);
        double[] values = memory.load(address, tableLength(table, k), dtype);
        for (int e = 0; e < values.length; e++) {
          values[e] =
              clamps ? Math.max(-limit, Math.min(limit, values[e])) : values[e] * coefficient;
        }
        memory.store(address, values, dtype);
      }
    }
  }

  void optimizerStep(Struct<Fields.Optimizer> o) {
    DType dtype = real(o.get(Fields.Optimizer.DTYPE));
    long table = o.get(Fields.Optimizer.TABLE);
    double coefficient = 1;
    if (o.get(Fields.Optimizer.CLIP) != 0) {
      ByteBuffer clip = memory.at(o.get(Fields.Optimizer.CLIP), 24);
      coefficient = clip.getDouble(8);
      if ((o.get(Fields.Optimizer.FLAGS) & Flags.SKIP_NONFINITE) != 0 && clip.getLong(16) == 0) {
        return;
      }
    }
    boolean adam = o.get(Fields.Optimizer.KIND) == 2;
    for (int k = 0; k < tableCount(table); k++) {
      long length = tableLength(table, k);
      double[] p = memory.load(tableAddress(table, 0, k), length, dtype);
      double[] g = memory.load(tableAddress(table, 1, k), length, dtype);
      double[] m = memory.load(tableAddress(table, 2, k), length, dtype);
      double[] v = adam ? memory.load(tableAddress(table, 3, k), length, dtype) : new double[0];
      for (int e = 0; e < p.length; e++) {
        g[e] = coefficient * g[e] + o.getDouble(Fields.Optimizer.WEIGHT_DECAY) * p[e];
      }
      update(o, p, g, m, v);
      memory.store(tableAddress(table, 0, k), p, dtype);
      memory.store(tableAddress(table, 2, k), m, dtype);
      if (adam) {
        memory.store(tableAddress(table, 3, k), v, dtype);
      }
    }
  }

  private static void update(
      Struct<Fields.Optimizer> o, double[] p, double[] g, double[] m, double[] v) {
    double rate = o.getDouble(Fields.Optimizer.LEARNING_RATE);
    double beta1 = o.getDouble(Fields.Optimizer.BETA1);
    double beta2 = o.getDouble(Fields.Optimizer.BETA2);
    double epsilon = o.getDouble(Fields.Optimizer.EPSILON);
    double step = o.get(Fields.Optimizer.STEP);
    for (int e = 0; e < p.length; e++) {
      switch ((int) o.get(Fields.Optimizer.KIND)) {
        case 0 -> {
          m[e] = beta1 * m[e] + g[e];
          p[e] -= rate * m[e];
        }
        case 1 -> {
          m[e] += g[e] * g[e];
          p[e] -= rate * g[e] / Math.sqrt(m[e] + epsilon);
        }
        default -> {
          m[e] = beta1 * m[e] + (1 - beta1) * g[e];
          v[e] = beta2 * v[e] + (1 - beta2) * g[e] * g[e];
          double mean = m[e] / (1 - Math.pow(beta1, step));
          double square = v[e] / (1 - Math.pow(beta2, step));
          p[e] -= rate * mean / (Math.sqrt(square) + epsilon);
        }
      }
    }
  }

  // ---- Linear, embedding, loss ----

  void linearForward(Struct<Fields.Linear> l) {
    DType dtype = real(l.get(Fields.Linear.DTYPE));
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
    DType dtype = real(l.get(Fields.Linear.DTYPE));
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
    DType dtype = real(e.get(Fields.Embedding.DTYPE));
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
    DType dtype = real(e.get(Fields.Embedding.DTYPE));
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
    DType dtype = real(s.get(Fields.SoftmaxXent.DTYPE));
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
