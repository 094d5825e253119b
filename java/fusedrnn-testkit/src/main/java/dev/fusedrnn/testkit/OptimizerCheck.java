package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.GlobalNormClip;
import dev.fusedrnn.LearningRateSchedule;
import dev.fusedrnn.NonFinite;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.OptimizerBuilder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Steps of an optimiser: the gradient clipped as it is read, weight decay, a schedule with a
 * warm-up; with gradients of 16 bits also copies of the parameters in that type.
 */
final class OptimizerCheck extends OpCheck {
  private static final float RATE = 0.02f;
  private static final float MOMENTUM = 0.9f;
  private static final float EPSILON = 1e-6f;
  private static final float DECAY = 0.01f;
  private static final float MAX_NORM = 2;

  private final Optimizer.Kind kind;
  private final DType type;
  private final int steps;
  private final LearningRateSchedule schedule;
  private final float[][] parameters;
  private final float[][] gradients;

  OptimizerCheck(Optimizer.Kind kind, int[] lengths, DType type, int steps, long seed) {
    super(
        String.format(
            "%s over %d tensors, clipped, %s gradients, %d steps",
            kind.name().toLowerCase(Locale.ROOT), lengths.length, type.label(), steps),
        seed);
    this.kind = kind;
    this.type = type;
    this.steps = steps;
    this.schedule = LearningRateSchedule.cosine(steps, 0.1).withWarmup(steps / 10);
    SplittableRandom random = new SplittableRandom(seed);
    parameters = new float[lengths.length][];
    gradients = new float[lengths.length][];
    for (int k = 0; k < lengths.length; k++) {
      parameters[k] = Draws.normal(random, lengths[k]);
      gradients[k] = Storage.of(type).round(Draws.normal(random, lengths[k]));
      result("p" + k, lengths[k]);
    }
  }

  /** The gradient of a step: a third of the signs differ from step to step. */
  private float[] gradient(int k, int step) {
    float[] g = gradients[k].clone();
    for (int j = step % 3; j < g.length; j += 3) {
      g[j] = -g[j];
    }
    return g;
  }

  private boolean copies() {
    return type != DType.F32;
  }

  @Override
  Map<String, double[]> compute(GuardedBuffers buffers, Device device, DType dtype) {
    List<DeviceBuffer> values = new ArrayList<>();
    List<DeviceBuffer> slopes = new ArrayList<>();
    List<DeviceBuffer> narrow = new ArrayList<>();
    for (int k = 0; k < parameters.length; k++) {
      int length = parameters[k].length;
      values.add(buffers.inOut("p" + k, parameters[k], length));
      slopes.add(device.allocate(copies() ? type : dtype, length));
      narrow.add(device.allocate(copies() ? type : dtype, length));
    }
    OptimizerBuilder builder = Optimizer.builder(kind, values, slopes);
    try (Optimizer optimizer = (copies() ? builder.copies(narrow) : builder).build();
        GlobalNormClip clip = GlobalNormClip.create(optimizer.tensors(), 1, MAX_NORM)) {
      optimizer.learningRate(RATE).schedule(schedule).weightDecay(DECAY).epsilon(EPSILON);
      optimizer.clip(clip.nonFinite(NonFinite.SKIP));
      if (kind == Optimizer.Kind.SGD || kind == Optimizer.Kind.RMSPROP) {
        optimizer.momentum(MOMENTUM);
      }
      for (int step = 1; step <= steps; step++) {
        for (int k = 0; k < slopes.size(); k++) {
          slopes.get(k).write(gradient(k, step));
        }
        clip.measure(device.defaultStream());
        optimizer.step(device.defaultStream());
      }
      device.synchronize();
      requireCopies(values, narrow);
    } finally {
      slopes.forEach(DeviceBuffer::close);
      narrow.forEach(DeviceBuffer::close);
    }
    Map<String, double[]> results = new LinkedHashMap<>();
    for (int k = 0; k < parameters.length; k++) {
      results.put("p" + k, buffers.read("p" + k));
    }
    return results;
  }

  private void requireCopies(List<DeviceBuffer> values, List<DeviceBuffer> narrow) {
    for (int k = 0; copies() && k < values.size(); k++) {
      float[] rounded = Storage.of(type).round(values.get(k).readFloats());
      if (!Arrays.equals(rounded, narrow.get(k).readFloats())) {
        throw new AssertionError("the " + type.label() + " copy of p" + k + " differs from it");
      }
    }
  }

  @Override
  Map<String, float[]> plain(SummationOrder order) {
    float coefficient = PlainOps.coefficient(PlainOps.norm(gradients, order), MAX_NORM);
    Map<String, float[]> results = new LinkedHashMap<>();
    for (int k = 0; k < parameters.length; k++) {
      float[] p = parameters[k].clone();
      float[] first = new float[p.length];
      float[] second = new float[p.length];
      for (int step = 1; step <= steps; step++) {
        float rate = (float) (RATE * schedule.factor(step));
        float[] g = gradient(k, step);
        for (int j = 0; j < p.length; j++) {
          float decay = kind == Optimizer.Kind.ADAMW ? 0 : DECAY * p[j];
          g[j] = coefficient * g[j] + decay;
        }
        switch (kind) {
          case SGD -> PlainOps.sgd(p, g, first, rate, MOMENTUM);
          case ADAGRAD -> PlainOps.adagrad(p, g, first, rate, EPSILON);
          case ADAM -> PlainOps.adam(p, g, first, second, rate, EPSILON, 0, step);
          case ADAMW -> PlainOps.adam(p, g, first, second, rate, EPSILON, DECAY, step);
          case RMSPROP -> PlainOps.rmsprop(p, g, first, second, rate, MOMENTUM, EPSILON);
        }
      }
      results.put("p" + k, p);
    }
    return results;
  }
}
