package dev.fusedrnn.testkit;

import dev.fusedrnn.ClipResult;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.GlobalNormClip;
import dev.fusedrnn.TensorList;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** Clipping by the global norm over tensors of odd lengths, an empty one among them. */
final class ClipCheck extends OpCheck {
  private final float maxNorm;
  private final boolean poisoned;
  private final boolean clamps;
  private final float[][] tensors;

  ClipCheck(int[] lengths, float maxNorm, boolean poisoned, boolean clamps, long seed) {
    super(
        String.format(
            "clip of %s%d tensors at %.3g%s",
            clamps ? "each element of " : "",
            lengths.length,
            maxNorm,
            poisoned ? " with a NaN" : ""),
        seed);
    this.maxNorm = maxNorm;
    this.poisoned = poisoned;
    this.clamps = clamps;
    SplittableRandom random = new SplittableRandom(seed);
    tensors = new float[lengths.length][];
    for (int k = 0; k < lengths.length; k++) {
      tensors[k] = Draws.normal(random, lengths[k]);
      result("tensor" + k, lengths[k]);
    }
    if (poisoned) {
      tensors[0][lengths[0] / 2] = Float.NaN;
    }
    result("norm", 1);
    result("coefficient", 1);
    result("finite", 1);
  }

  @Override
  Map<String, double[]> compute(GuardedBuffers buffers, Device device, DType dtype) {
    List<DeviceBuffer> list = new ArrayList<>();
    for (int k = 0; k < tensors.length; k++) {
      list.add(buffers.inOut("tensor" + k, tensors[k], tensors[k].length));
    }
    ClipResult result;
    try (TensorList table = TensorList.of(device, dtype, List.of(list));
        GlobalNormClip clip = GlobalNormClip.create(table, 0, maxNorm)) {
      if (clamps) {
        clip.clampElements(device.defaultStream());
      } else {
        clip.scale(device.defaultStream());
      }
      device.synchronize();
      result = clip.read();
    }
    Map<String, double[]> results = new LinkedHashMap<>();
    for (int k = 0; k < tensors.length; k++) {
      results.put("tensor" + k, buffers.read("tensor" + k));
    }
    results.put("norm", new double[] {result.norm()});
    results.put("coefficient", new double[] {result.coefficient()});
    results.put("finite", new double[] {result.finite() ? 1 : 0});
    return results;
  }

  @Override
  Map<String, float[]> plain(SummationOrder order) {
    float norm = PlainOps.norm(tensors, order);
    float coefficient = clamps ? 1 : PlainOps.coefficient(norm, maxNorm);
    Map<String, float[]> results = new LinkedHashMap<>();
    for (int k = 0; k < tensors.length; k++) {
      float[] scaled = tensors[k].clone();
      for (int j = 0; j < scaled.length; j++) {
        scaled[j] =
            clamps ? Math.max(-maxNorm, Math.min(maxNorm, scaled[j])) : scaled[j] * coefficient;
      }
      results.put("tensor" + k, scaled);
    }
    results.put("norm", new float[] {norm});
    results.put("coefficient", new float[] {coefficient});
    results.put("finite", new float[] {poisoned ? 0 : 1});
    return results;
  }
}
