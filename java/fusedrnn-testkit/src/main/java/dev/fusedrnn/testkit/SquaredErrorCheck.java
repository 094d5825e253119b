package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.LossResult;
import dev.fusedrnn.MeanSquaredError;
import java.util.Map;
import java.util.SplittableRandom;

/** The mean squared error of weighted rows, with its gradient; some rows do not count. */
final class SquaredErrorCheck extends OpCheck {
  private final int features;
  private final float[] y;
  private final float[] targets;
  private final float[] weights;

  SquaredErrorCheck(int rows, int features, DType dtype, long seed) {
    super(String.format("squared error N%d F%d", rows, features), dtype, seed);
    this.features = features;
    SplittableRandom random = new SplittableRandom(seed);
    y = storage().round(Draws.normal(random, rows * features));
    targets = storage().round(Draws.normal(random, rows * features));
    weights = new float[rows];
    for (int n = 0; n < rows; n++) {
      weights[n] = n % 5 == 2 ? 0 : (float) random.nextDouble(0.5, 2);
    }
    wideResult("loss", 1);
    wideResult("rows", 1);
    result("dy", rows, features);
  }

  @Override
  Map<String, double[]> compute(GuardedBuffers buffers, Device device, DType dtype) {
    int rows = weights.length;
    LossResult loss;
    try (MeanSquaredError mse = MeanSquaredError.create(device, dtype, rows, features)) {
      mse.y(buffers.input("y", y, rows, features));
      mse.targets(buffers.input("targets", targets, rows, features));
      mse.weights(buffers.floats(weights)).dy(buffers.output("dy", rows, features)).mean(true);
      mse.run(device.defaultStream());
      device.synchronize();
      loss = mse.read();
    }
    return Map.of(
        "loss", new double[] {loss.lossSum()},
        "rows", new double[] {loss.rows()},
        "dy", buffers.read("dy"));
  }

  @Override
  Map<String, float[]> plain(SummationOrder order) {
    float rows = 0;
    for (float weight : weights) {
      rows += weight == 0 ? 0 : 1;
    }
    float[] gradient = new float[y.length];
    float loss = PlainOps.squaredError(y, targets, weights, 1 / rows, gradient);
    return Map.of("loss", new float[] {loss}, "rows", new float[] {rows}, "dy", gradient);
  }
}
