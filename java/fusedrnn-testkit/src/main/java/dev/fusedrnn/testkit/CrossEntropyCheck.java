package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.LossResult;
import dev.fusedrnn.SoftmaxCrossEntropy;
import java.util.Map;
import java.util.SplittableRandom;

/** The mean softmax cross-entropy with its gradient; some rows are ignored, logits are large. */
final class CrossEntropyCheck extends OpCheck {
  private static final int IGNORED = -100;
  private static final float LOSS_SCALE = 8;

  private final int classes;
  private final int[] targets;
  private final float[] logits;
  private final float smoothing;

  CrossEntropyCheck(
      int rows, int classes, float magnitude, float smoothing, DType dtype, long seed) {
    super(
        String.format(
            "cross-entropy N%d V%d, logits of size %.0f%s",
            rows, classes, magnitude, smoothing > 0 ? " +smoothing" : ""),
        dtype,
        seed);
    this.classes = classes;
    this.smoothing = smoothing;
    SplittableRandom random = new SplittableRandom(seed);
    targets = Draws.ids(random, rows, classes);
    for (int n = 2; n < rows; n += 5) {
      targets[n] = IGNORED;
    }
    logits = Draws.normal(random, rows * classes);
    for (int k = 0; k < logits.length; k++) {
      logits[k] *= magnitude;
    }
    storage().round(logits);
    wideResult("loss", 1);
    wideResult("rows", 1);
    result("dlogits", rows, classes);
  }

  @Override
  Map<String, double[]> compute(GuardedBuffers buffers, Device device, DType dtype) {
    int rows = targets.length;
    LossResult loss;
    try (SoftmaxCrossEntropy xent = SoftmaxCrossEntropy.create(device, dtype, rows, classes);
        DeviceBuffer scale = device.allocate(DType.F64, 2)) {
      scale.write(new double[] {LOSS_SCALE, 0});
      xent.mean(true).labelSmoothing(smoothing).lossScale(scale);
      xent.targets(buffers.integers(targets))
          .logits(buffers.input("logits", logits, rows, classes));
      xent.dlogits(buffers.output("dlogits", rows, classes)).ignoreIndex(IGNORED);
      xent.run(device.defaultStream());
      device.synchronize();
      loss = xent.read();
    }
    return Map.of(
        "loss", new double[] {loss.lossSum()},
        "rows", new double[] {loss.rows()},
        "dlogits", buffers.read("dlogits"));
  }

  @Override
  Map<String, float[]> plain(SummationOrder order) {
    float[] gradient = new float[logits.length];
    float rows = 0;
    for (int target : targets) {
      rows += target == IGNORED ? 0 : 1;
    }
    float scale = LOSS_SCALE / rows;
    float loss = PlainOps.crossEntropy(logits, targets, IGNORED, smoothing, scale, gradient);
    return Map.of("loss", new float[] {loss}, "rows", new float[] {rows}, "dlogits", gradient);
  }
}
