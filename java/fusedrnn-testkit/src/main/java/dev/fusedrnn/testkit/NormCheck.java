package dev.fusedrnn.testkit;

import dev.fusedrnn.ClipResult;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.GlobalNormClip;
import dev.fusedrnn.LossScale;
import dev.fusedrnn.NonFinite;
import dev.fusedrnn.NormKind;
import dev.fusedrnn.TensorList;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Every norm, of all tensors or of each, under a loss scale; with a NaN and an infinity where the
 * policy replaces them or skips.
 */
final class NormCheck extends OpCheck {
  private static final float MAX_NORM = 6;
  private static final float SCALE = 8;

  private final NormKind kind;
  private final NonFinite policy;
  private final boolean perTensor;
  private final float[][] tensors;

  NormCheck(NormKind kind, NonFinite policy, boolean perTensor, int[] lengths, long seed) {
    super(
        String.format(
                "%s norm of %s of %d tensors, %s",
                kind, perTensor ? "each" : "all", lengths.length, policy)
            .toLowerCase(Locale.ROOT),
        seed);
    this.kind = kind;
    this.policy = policy;
    this.perTensor = perTensor;
    SplittableRandom random = new SplittableRandom(seed);
    tensors = new float[lengths.length][];
    for (int k = 0; k < lengths.length; k++) {
      tensors[k] = Draws.normal(random, lengths[k]);
      result("tensor" + k, lengths[k]);
    }
    if (policy != NonFinite.PROPAGATE) {
      tensors[0][0] = Float.NaN;
      tensors[1][lengths[1] / 2] = Float.NEGATIVE_INFINITY;
    }
    if (policy != NonFinite.SKIP) {
      result("norms", perTensor ? 1 + lengths.length : 1);
    }
    result("finite", 1);
  }

  @Override
  Map<String, double[]> compute(GuardedBuffers buffers, Device device, DType dtype) {
    List<DeviceBuffer> list = new ArrayList<>();
    for (int k = 0; k < tensors.length; k++) {
      list.add(buffers.inOut("tensor" + k, tensors[k], tensors[k].length));
    }
    List<ClipResult> results = new ArrayList<>();
    try (TensorList table = TensorList.of(device, dtype, List.of(list));
        LossScale scale = LossScale.create(device, SCALE);
        GlobalNormClip clip = GlobalNormClip.create(table, 0, MAX_NORM)) {
      clip.norm(kind).nonFinite(policy).perTensor(perTensor).lossScale(scale);
      clip.scale(device.defaultStream());
      device.synchronize();
      results.add(clip.read());
      if (perTensor) {
        results.addAll(clip.readTensors());
      }
    }
    Map<String, double[]> all = new LinkedHashMap<>();
    for (int k = 0; k < tensors.length; k++) {
      all.put("tensor" + k, buffers.read("tensor" + k));
    }
    all.put("norms", results.stream().mapToDouble(ClipResult::norm).toArray());
    all.put("finite", new double[] {results.get(0).finite() ? 1 : 0});
    return all;
  }

  private float read(float g) {
    if (policy != NonFinite.CLAMP || Float.isFinite(g)) {
      return g;
    }
    return Float.isNaN(g) ? 0 : Math.copySign(MAX_NORM * SCALE, g);
  }

  private float norm(float[][] read, SummationOrder order) {
    if (kind == NormKind.L2) {
      return PlainOps.norm(read, order) / SCALE;
    }
    float sum = 0;
    for (float[] tensor : read) {
      for (int j = 0; j < tensor.length; j++) {
        float g = tensor[order == SummationOrder.ASCENDING ? j : tensor.length - 1 - j];
        sum = kind == NormKind.L1 ? sum + Math.abs(g) : Math.max(sum, Math.abs(g));
      }
    }
    return sum / SCALE;
  }

  @Override
  Map<String, float[]> plain(SummationOrder order) {
    float[][] read = new float[tensors.length][];
    for (int k = 0; k < tensors.length; k++) {
      read[k] = tensors[k].clone();
      for (int j = 0; j < read[k].length; j++) {
        read[k][j] = read(read[k][j]);
      }
    }
    float[] norms = new float[perTensor ? 1 + tensors.length : 1];
    norms[0] = norm(read, order);
    Map<String, float[]> results = new LinkedHashMap<>();
    for (int k = 0; k < tensors.length; k++) {
      float own = perTensor ? norm(new float[][] {read[k]}, order) : norms[0];
      if (perTensor) {
        norms[1 + k] = own;
      }
      float[] scaled = policy == NonFinite.SKIP ? tensors[k].clone() : read[k].clone();
      for (int j = 0; policy != NonFinite.SKIP && j < scaled.length; j++) {
        scaled[j] *= PlainOps.coefficient(own, MAX_NORM) / SCALE;
      }
      results.put("tensor" + k, scaled);
    }
    results.put("norms", norms);
    results.put("finite", new float[] {policy == NonFinite.PROPAGATE ? 1 : 0});
    return results;
  }
}
