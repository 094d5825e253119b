package dev.fusedrnn.internal;

import dev.fusedrnn.LearningRateSchedule;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.Status;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** Optimiser steps in simple loops over doubles. Formulas: {@code fusedrnn.h}. */
final class ReferenceOptimizer {
  private static final int RESULT_BYTES = 8 * Fields.ClipResult.values().length;
  private static final double SMALLEST_SCALE = 0x1p-40;
  private static final double LARGEST_SCALE = 0x1p40;

  private final ReferenceMemory memory;

  ReferenceOptimizer(ReferenceMemory memory) {
    this.memory = memory;
  }

  void step(Struct<Fields.Optimizer> o) {
    ReferenceTable table =
        new ReferenceTable(memory, o.get(Fields.Optimizer.TABLE), o.get(Fields.Optimizer.LAYOUT));
    Optimizer.Kind kind = Optimizer.Kind.values()[(int) o.get(Fields.Optimizer.KIND)];
    int states = table.lists() - 2 - (table.hasCopy() ? 1 : 0);
    checkStates(o, kind, states);
    ByteBuffer state =
        memory.at(o.get(Fields.Optimizer.STATE), 8L * Fields.OptimizerState.values().length);
    ByteBuffer clip = clipResult(o, 0);
    boolean finite = clip == null || clip.getLong(8 * Fields.ClipResult.FINITE.ordinal()) != 0;
    boolean failed = clip != null && clip.getLong(8 * Fields.ClipResult.FAILED.ordinal()) != 0;
    if (o.get(Fields.Optimizer.LOSS_SCALE) != 0 && !failed) {
      moveLossScale(o, finite);
    }
    if (clip != null && clip.getLong(8 * Fields.ClipResult.SKIP.ordinal()) != 0) {
      add(state, Fields.OptimizerState.SKIPPED);
      return;
    }
    add(state, Fields.OptimizerState.STEP);
    long step = state.getLong(8 * Fields.OptimizerState.STEP.ordinal());
    double base = state.getDouble(8 * Fields.OptimizerState.LEARNING_RATE.ordinal());
    double rate = base * schedule(o).factor(step);
    state.putDouble(8 * Fields.OptimizerState.RATE.ordinal(), rate);
    for (int k = 0; k < table.count(); k++) {
      double[] p = table.load(0, k);
      double[] g = gradient(o, table, kind, k, p);
      double[] m = states >= 1 ? table.load(2, k) : new double[p.length];
      double[] v = states == 2 ? table.load(3, k) : new double[p.length];
      update(o, kind, rate, step, p, g, m, v);
      table.store(0, k, p);
      if (states >= 1) {
        table.store(2, k, m);
      }
      if (states == 2) {
        table.store(3, k, v);
      }
      if (table.hasCopy()) {
        table.store(2 + states, k, p);
      }
    }
  }

  private static void checkStates(Struct<Fields.Optimizer> o, Optimizer.Kind kind, int states) {
    boolean momentum = o.getDouble(Fields.Optimizer.BETA1) > 0;
    int least = momentum ? kind.states() : kind.leastStates();
    if (states < least || states > kind.states()) {
      throw new Refusal(
          Status.INVALID_ARGUMENT,
          "lists: expected " + least + " to " + kind.states() + " of f32 state, got " + states);
    }
  }

  private @Nullable ByteBuffer clipResult(Struct<Fields.Optimizer> o, int index) {
    long address = o.get(Fields.Optimizer.CLIP);
    return address == 0 ? null : memory.at(address + (long) index * RESULT_BYTES, RESULT_BYTES);
  }

  private static void add(ByteBuffer state, Fields.OptimizerState field) {
    state.putLong(8 * field.ordinal(), state.getLong(8 * field.ordinal()) + 1);
  }

  private void moveLossScale(Struct<Fields.Optimizer> o, boolean finite) {
    ByteBuffer words = memory.at(o.get(Fields.Optimizer.LOSS_SCALE), 16);
    long good = finite ? words.getLong(8) + 1 : 0;
    if (finite && good < o.get(Fields.Optimizer.GROWTH_INTERVAL)) {
      words.putLong(8, good);
      return;
    }
    double moved =
        words.getDouble(0)
            * o.getDouble(
                finite ? Fields.Optimizer.GROWTH_FACTOR : Fields.Optimizer.BACKOFF_FACTOR);
    words.putDouble(0, Math.max(SMALLEST_SCALE, Math.min(LARGEST_SCALE, moved)));
    words.putLong(8, 0);
  }

  private static LearningRateSchedule schedule(Struct<Fields.Optimizer> o) {
    return new LearningRateSchedule(
        LearningRateSchedule.Shape.values()[(int) o.get(Fields.Optimizer.SCHEDULE)],
        o.get(Fields.Optimizer.WARMUP),
        o.get(Fields.Optimizer.PERIOD),
        o.getDouble(Fields.Optimizer.DECAY));
  }

  private double[] gradient(
      Struct<Fields.Optimizer> o, ReferenceTable table, Optimizer.Kind kind, int k, double[] p) {
    double[] g = table.load(1, k);
    ByteBuffer clip = clipResult(o, o.get(Fields.Optimizer.PER_TENSOR) != 0 ? 1 + k : 0);
    double factor = clip == null ? 1 : clip.getDouble(8 * Fields.ClipResult.FACTOR.ordinal());
    double infinite = clip == null ? 0 : clip.getDouble(8 * Fields.ClipResult.INFINITE.ordinal());
    double decay = kind == Optimizer.Kind.ADAMW ? 0 : o.getDouble(Fields.Optimizer.WEIGHT_DECAY);
    for (int e = 0; e < g.length; e++) {
      g[e] = factor * ReferenceClip.read(g[e], infinite) + decay * p[e];
    }
    return g;
  }

  private static void update(
      Struct<Fields.Optimizer> o,
      Optimizer.Kind kind,
      double rate,
      long step,
      double[] p,
      double[] g,
      double[] m,
      double[] v) {
    double beta1 = o.getDouble(Fields.Optimizer.BETA1);
    double beta2 = o.getDouble(Fields.Optimizer.BETA2);
    double epsilon = o.getDouble(Fields.Optimizer.EPSILON);
    double decay = o.getDouble(Fields.Optimizer.WEIGHT_DECAY);
    for (int e = 0; e < p.length; e++) {
      switch (kind) {
        case SGD -> {
          m[e] = beta1 * m[e] + g[e];
          p[e] -= rate * m[e];
        }
        case ADAGRAD -> {
          m[e] += g[e] * g[e];
          p[e] -= rate * g[e] / Math.sqrt(m[e] + epsilon);
        }
        case ADAM, ADAMW -> {
          m[e] = beta1 * m[e] + (1 - beta1) * g[e];
          v[e] = beta2 * v[e] + (1 - beta2) * g[e] * g[e];
          double mean = m[e] / (1 - Math.pow(beta1, step));
          double square = v[e] / (1 - Math.pow(beta2, step));
          double shrinking = kind == Optimizer.Kind.ADAMW ? decay * p[e] : 0;
          p[e] -= rate * (mean / (Math.sqrt(square) + epsilon) + shrinking);
        }
        case RMSPROP -> {
          m[e] = beta2 * m[e] + (1 - beta2) * g[e] * g[e];
          v[e] = beta1 * v[e] + g[e] / (Math.sqrt(m[e]) + epsilon);
          p[e] -= rate * v[e];
        }
      }
    }
  }
}
