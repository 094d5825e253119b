package dev.fusedrnn.internal;

import dev.fusedrnn.DType;
import dev.fusedrnn.NonFinite;
import dev.fusedrnn.NormKind;
import java.nio.ByteBuffer;

/** Norms and clipping in simple loops over doubles. Formulas: {@code fusedrnn.h}. */
final class ReferenceClip {
  private static final int RESULT_BYTES = 8 * Fields.ClipResult.values().length;

  private final ReferenceMemory memory;

  ReferenceClip(ReferenceMemory memory) {
    this.memory = memory;
  }

  /** What a norm is made of, element by element. */
  private static final class Norm {
    private final NormKind kind;
    private double sum;
    private boolean finite = true;

    Norm(NormKind kind) {
      this.kind = kind;
    }

    void add(double read, double stored) {
      finite &= Double.isFinite(stored);
      switch (kind) {
        case L2 -> sum += read * read;
        case L1 -> sum += Math.abs(read);
        case INFINITY -> sum = Math.max(sum, Math.abs(read)); // NaN stays
      }
    }

    double value() {
      return kind == NormKind.L2 ? Math.sqrt(sum) : sum;
    }
  }

  /** FRNN_CLAMP: NaN is read as 0, infinity as {@code infinite}; with 0 nothing is replaced. */
  static double read(double gradient, double infinite) {
    if (infinite == 0 || Double.isFinite(gradient)) {
      return gradient;
    }
    return Double.isNaN(gradient) ? 0 : Math.copySign(infinite, gradient);
  }

  void run(Struct<Fields.Clip> clip) {
    int list = (int) clip.get(Fields.Clip.LIST);
    ReferenceTable table =
        new ReferenceTable(memory, clip.get(Fields.Clip.TABLE), clip.get(Fields.Clip.LAYOUT));
    ByteBuffer all = memory.at(clip.get(Fields.Clip.RESULT), RESULT_BYTES);
    NonFinite policy = NonFinite.values()[(int) clip.get(Fields.Clip.POLICY)];
    if (policy == NonFinite.ERROR && longAt(all, Fields.ClipResult.FAILED) != 0) {
      return;
    }
    boolean perTensor = clip.get(Fields.Clip.PER_TENSOR) != 0;
    double infinite = infinite(clip, table.dtype(list), policy);
    NormKind kind = NormKind.values()[(int) clip.get(Fields.Clip.NORM_KIND)];
    Norm total = new Norm(kind);
    for (int k = 0; k < table.count(); k++) {
      Norm own = new Norm(kind);
      for (double g : table.load(list, k)) {
        total.add(read(g, infinite), g);
        own.add(read(g, infinite), g);
      }
      if (perTensor) {
        conclude(clip, result(clip, 1 + k), true, own, infinite);
      }
    }
    conclude(clip, all, false, total, infinite);
    change(clip, table, list, infinite);
  }

  private double scale(Struct<Fields.Clip> clip) {
    long address = clip.get(Fields.Clip.LOSS_SCALE);
    return address == 0 ? 1 : memory.at(address, 8).getDouble(0);
  }

  private double infinite(Struct<Fields.Clip> clip, DType dtype, NonFinite policy) {
    if (policy != NonFinite.CLAMP) {
      return 0;
    }
    double largest =
        switch (dtype) {
          case F16 -> 65504;
          case BF16 -> 0x1.fep127;
          case F32 -> Float.MAX_VALUE;
          default -> Double.MAX_VALUE;
        };
    return Math.min(largest, clip.getDouble(Fields.Clip.MAX_NORM) * scale(clip));
  }

  private ByteBuffer result(Struct<Fields.Clip> clip, int index) {
    return memory.at(clip.get(Fields.Clip.RESULT) + (long) index * RESULT_BYTES, RESULT_BYTES);
  }

  private static long longAt(ByteBuffer result, Fields.ClipResult field) {
    return result.getLong(8 * field.ordinal());
  }

  private void conclude(
      Struct<Fields.Clip> clip, ByteBuffer result, boolean tensor, Norm measured, double infinite) {
    double norm = measured.value() / scale(clip);
    double limit = clip.getDouble(Fields.Clip.MAX_NORM);
    long action = clip.get(Fields.Clip.ACTION);
    NonFinite policy = NonFinite.values()[(int) clip.get(Fields.Clip.POLICY)];
    boolean clips =
        action != ClipAction.CLAMP_ELEMENTS.ordinal()
            && tensor == (clip.get(Fields.Clip.PER_TENSOR) != 0);
    double coefficient = !clips || norm <= limit ? 1 : limit / norm;
    boolean skip =
        !tensor && !measured.finite && (policy == NonFinite.ERROR || policy == NonFinite.SKIP);
    long calls = longAt(result, Fields.ClipResult.CALLS) + 1;
    boolean measures = action == ClipAction.MEASURE.ordinal();
    result
        .putDouble(norm)
        .putDouble(coefficient)
        .putLong(measured.finite ? 1 : 0)
        .putLong(skip ? 1 : 0)
        .putLong(skip && policy == NonFinite.ERROR ? calls : 0)
        .putLong(calls)
        .putDouble(measures ? coefficient / scale(clip) : 1)
        .putDouble(infinite);
  }

  private void change(Struct<Fields.Clip> clip, ReferenceTable table, int list, double infinite) {
    long action = clip.get(Fields.Clip.ACTION);
    if (action == ClipAction.MEASURE.ordinal()
        || longAt(result(clip, 0), Fields.ClipResult.SKIP) != 0) {
      return;
    }
    boolean perTensor = clip.get(Fields.Clip.PER_TENSOR) != 0;
    boolean clamps = action == ClipAction.CLAMP_ELEMENTS.ordinal();
    double limit = clamps ? clip.getDouble(Fields.Clip.MAX_NORM) : Double.POSITIVE_INFINITY;
    for (int k = 0; k < table.count(); k++) {
      double factor =
          result(clip, perTensor ? 1 + k : 0).getDouble(8 * Fields.ClipResult.COEFFICIENT.ordinal())
              / scale(clip);
      double[] values = table.load(list, k);
      for (int e = 0; e < values.length; e++) {
        double scaled = read(values[e], infinite) * factor;
        values[e] = Math.max(-limit, Math.min(limit, scaled));
      }
      table.store(list, k, values);
    }
  }
}
