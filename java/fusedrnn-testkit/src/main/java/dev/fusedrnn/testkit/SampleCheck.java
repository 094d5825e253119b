package dev.fusedrnn.testkit;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.Sampler;
import java.util.SplittableRandom;

/**
 * Classes drawn from scores: the oracle's, but where a draw lies so near the border between two
 * classes that rounding decides. The error is the share of rows that differ; one in fifty may.
 */
final class SampleCheck implements CheckCase {
  private static final double ALLOWED = 0.02;

  private final String name;
  private final DType dtype;
  private final int rows;
  private final int classes;
  private final float[] logits;
  private final double temperature;
  private final int topK;
  private final double topP;
  private final long seed;

  SampleCheck(
      int rows, int classes, double temperature, int topK, double topP, DType dtype, long seed) {
    this.name =
        String.format(
            "sample N%d V%d, temperature %.2f, top-k %d, top-p %.2f%s",
            rows, classes, temperature, topK, topP, dtype == DType.F32 ? "" : " " + dtype.label());
    this.dtype = dtype;
    this.rows = rows;
    this.classes = classes;
    this.temperature = temperature;
    this.topK = topK;
    this.topP = topP;
    this.seed = seed;
    logits = Draws.normal(new SplittableRandom(seed), rows * classes);
    for (int k = 0; k < logits.length; k++) {
      logits[k] *= 3;
    }
    Storage.of(dtype).round(logits);
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public boolean servedBy(Backend backend) {
    return dtype == DType.F32 || backend == Backend.CUDA || backend == Backend.EMULATED;
  }

  @Override
  public CheckResult run(Device device, Device oracle) {
    int[] expected = draw(oracle, DType.F64);
    int[] got = draw(device, dtype);
    int different = 0;
    String detail = "all " + rows + " rows drew what the oracle drew";
    for (int n = 0; n < rows; n++) {
      if (got[n] != expected[n]) {
        different++;
        detail = "ids[" + n + "]: expected " + expected[n] + ", got " + got[n];
      }
    }
    double error = (double) different / rows;
    return new CheckResult(name, error, ALLOWED, error <= ALLOWED, detail + " (seed " + seed + ")");
  }

  private int[] draw(Device device, DType type) {
    try (GuardedBuffers buffers = new GuardedBuffers(device, type)) {
      int[] ids = new int[rows];
      var drawn = buffers.integers(ids);
      Sampler.create(device, type, rows, classes)
          .logits(buffers.input("logits", logits, rows, classes))
          .ids(drawn)
          .temperature(temperature)
          .topK(topK)
          .topP(topP)
          .seed(seed, seed >>> 7)
          .run(device.defaultStream());
      device.synchronize();
      buffers.requireIntact();
      drawn.readInto(ids);
      return ids;
    }
  }
}
