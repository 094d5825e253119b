package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.Embedding;
import java.util.Map;
import java.util.SplittableRandom;

/** An embedding forward and backward; ids repeat, and some words are never named. */
final class EmbeddingCheck extends OpCheck {
  private final int vocabulary;
  private final int features;
  private final boolean accumulate;
  private final int[] ids;
  private final float[] table;
  private final float[] dy;
  private final float[] start;

  EmbeddingCheck(
      int rows, int vocabulary, int features, boolean accumulate, DType dtype, long seed) {
    super(
        String.format(
            "embedding N%d V%d E%d%s",
            rows, vocabulary, features, accumulate ? " +accumulate" : ""),
        dtype,
        seed);
    this.vocabulary = vocabulary;
    this.features = features;
    this.accumulate = accumulate;
    SplittableRandom random = new SplittableRandom(seed);
    ids = Draws.ids(random, rows, vocabulary);
    for (int n = 0; n < rows; n += 3) {
      ids[n] = vocabulary / 2; // one word is frequent
    }
    table = Draws.normal(random, vocabulary * features);
    dy = Draws.normal(random, rows * features);
    int size = vocabulary * features;
    start = accumulate ? Draws.normal(random, size) : new float[size];
    for (float[] values : new float[][] {table, dy, start}) {
      storage().round(values);
    }
    result("y", rows, features);
    result("dtable", vocabulary, features);
  }

  @Override
  Map<String, double[]> compute(GuardedBuffers buffers, Device device, DType dtype) {
    int rows = ids.length;
    try (Embedding embedding = Embedding.create(device, dtype, rows, vocabulary, features)) {
      embedding.ids(buffers.integers(ids)).y(buffers.output("y", rows, features));
      embedding.table(buffers.input("table", table, vocabulary, features));
      embedding.dy(buffers.input("dy", dy, rows, features));
      embedding.dtable(
          accumulate
              ? buffers.inOut("dtable", start, vocabulary, features)
              : buffers.output("dtable", vocabulary, features));
      embedding.accumulate(accumulate);
      embedding.forward(device.defaultStream());
      embedding.backward(device.defaultStream());
      device.synchronize();
    }
    return Map.of("y", buffers.read("y"), "dtable", buffers.read("dtable"));
  }

  @Override
  Map<String, float[]> plain(SummationOrder order) {
    float[] y = new float[ids.length * features];
    for (int n = 0; n < ids.length; n++) {
      System.arraycopy(table, ids[n] * features, y, n * features, features);
    }
    return Map.of("y", y, "dtable", PlainOps.embeddingGradient(start, ids, dy, features, order));
  }
}
