package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.GlobalNormClip;
import dev.fusedrnn.Optimizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/** Three steps of an optimiser, the gradient clipped as it is read, with weight decay. */
final class OptimizerCheck extends OpCheck {
  private static final int STEPS = 3;
  private static final float RATE = 0.05f;
  private static final float MOMENTUM = 0.9f;
  private static final float EPSILON = 1e-6f;
  private static final float DECAY = 0.01f;
  private static final float MAX_NORM = 2;

  private final Optimizer.Kind kind;
  private final float[][] parameters;
  private final float[][] gradients;

  OptimizerCheck(Optimizer.Kind kind, int[] lengths, long seed) {
    super(
        String.format(
            "%s over %d tensors, clipped", kind.name().toLowerCase(Locale.ROOT), lengths.length),
        seed);
    this.kind = kind;
    SplittableRandom random = new SplittableRandom(seed);
    parameters = new float[lengths.length][];
    gradients = new float[lengths.length][];
    for (int k = 0; k < lengths.length; k++) {
      parameters[k] = Draws.normal(random, lengths[k]);
      gradients[k] = Draws.normal(random, lengths[k]);
      result("p" + k, lengths[k]);
    }
  }

  @Override
  Map<String, double[]> compute(GuardedBuffers buffers, Device device, DType dtype) {
    List<DeviceBuffer> values = new ArrayList<>();
    List<DeviceBuffer> slopes = new ArrayList<>();
    for (int k = 0; k < parameters.length; k++) {
      values.add(buffers.inOut("p" + k, parameters[k], parameters[k].length));
      slopes.add(buffers.input("g" + k, gradients[k], gradients[k].length));
    }
    try (Optimizer optimizer = Optimizer.create(kind, values, slopes);
        GlobalNormClip clip = GlobalNormClip.create(optimizer.tensors(), 1, MAX_NORM)) {
      optimizer.learningRate(RATE).weightDecay(DECAY).clip(clip, true);
      if (kind == Optimizer.Kind.SGD) {
        optimizer.momentum(MOMENTUM);
      } else {
        optimizer.epsilon(EPSILON);
      }
      for (int step = 0; step < STEPS; step++) {
        clip.measure(device.defaultStream());
        optimizer.step(device.defaultStream());
      }
      device.synchronize();
    }
    Map<String, double[]> results = new LinkedHashMap<>();
    for (int k = 0; k < parameters.length; k++) {
      results.put("p" + k, buffers.read("p" + k));
    }
    return results;
  }

  @Override
  Map<String, float[]> plain(SummationOrder order) {
    float coefficient = PlainOps.coefficient(PlainOps.norm(gradients, order), MAX_NORM);
    Map<String, float[]> results = new LinkedHashMap<>();
    for (int k = 0; k < parameters.length; k++) {
      float[] p = parameters[k].clone();
      float[] first = new float[p.length];
      float[] second = new float[p.length];
      for (int step = 1; step <= STEPS; step++) {
        float[] g = new float[p.length];
        for (int j = 0; j < p.length; j++) {
          g[j] = coefficient * gradients[k][j] + DECAY * p[j];
        }
        switch (kind) {
          case SGD -> PlainOps.sgd(p, g, first, RATE, MOMENTUM);
          case ADAGRAD -> PlainOps.adagrad(p, g, first, RATE, EPSILON);
          case ADAM -> PlainOps.adam(p, g, first, second, RATE, EPSILON, step);
        }
      }
      results.put("p" + k, p);
    }
    return results;
  }
}
