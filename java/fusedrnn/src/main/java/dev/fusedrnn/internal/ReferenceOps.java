package dev.fusedrnn.internal;

import dev.fusedrnn.DType;
import dev.fusedrnn.Status;
import java.nio.ByteBuffer;

/**
 * Recurrent nets, lists of tensors and optimisers in simple loops over doubles. Formulas: {@code
 * fusedrnn.h}.
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
}
