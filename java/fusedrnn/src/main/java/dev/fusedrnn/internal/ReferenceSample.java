package dev.fusedrnn.internal;

import dev.fusedrnn.DType;
import dev.fusedrnn.Status;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/** Draws classes from logits by sorting them. The steps: {@code fusedrnn_training.h}. */
final class ReferenceSample {
  private static final int MOST_CLASSES = 1 << 23;

  private final double temperature;
  private final long topK;
  private final double topP;
  private final long seed;
  private final long offset;

  private ReferenceSample(Struct<Fields.Sample> sample, long offset) {
    this.temperature = sample.getDouble(Fields.Sample.TEMPERATURE);
    this.topK = sample.get(Fields.Sample.TOP_K);
    this.topP = sample.getDouble(Fields.Sample.TOP_P);
    this.seed = sample.get(Fields.Sample.SEED);
    this.offset = offset;
  }

  static void run(ReferenceMemory memory, Struct<Fields.Sample> s) {
    DType dtype = ReferenceOps.real(s.get(Fields.Sample.DTYPE));
    int rows = Math.toIntExact(s.get(Fields.Sample.N));
    int classes = Math.toIntExact(s.get(Fields.Sample.V));
    if (classes >= MOST_CLASSES) {
      throw new Refusal(
          Status.UNSUPPORTED,
          "sample.V: expected fewer than " + MOST_CLASSES + " classes, got " + classes);
    }
    double[] logits = memory.load(s.get(Fields.Sample.LOGITS), (long) rows * classes, dtype);
    long added = s.get(Fields.Sample.OFFSET_ADDRESS);
    long offset = s.get(Fields.Sample.OFFSET) + (added == 0 ? 0 : memory.at(added, 8).getLong(0));
    ReferenceSample sample = new ReferenceSample(s, offset);
    for (int n = 0; n < rows; n++) {
      double[] row = Arrays.copyOfRange(logits, n * classes, (n + 1) * classes);
      memory.at(s.get(Fields.Sample.IDS) + 4L * n, 4).putInt(sample.draw(row, n));
    }
  }

  private int draw(double[] row, int n) {
    int[] order =
        IntStream.range(0, row.length)
            .filter(v -> !Double.isNaN(row[v]))
            .boxed()
            // 0.0 and -0.0 are equal; the sort is stable: of equals the first class comes first.
            .sorted(Comparator.comparingDouble(v -> -(row[v] + 0.0)))
            .mapToInt(v -> v)
            .toArray();
    if (order.length == 0) {
      return -1;
    }
    if (temperature == 0) {
      return order[0];
    }
    double largest = row[order[0]];
    int kept = topK == 0 ? order.length : (int) Math.min(topK, order.length);
    double[] weights = new double[row.length];
    double sum = 0;
    for (int k = 0; k < kept; k++) {
      int v = order[k];
      weights[v] = row[v] == largest ? 1 : Math.exp((row[v] - largest) / temperature);
      sum += weights[v];
    }
    double reached = 0;
    for (int k = 0; k < kept; k++) {
      if (reached >= topP * sum) {
        weights[order[k]] = 0;
      }
      reached += weights[order[k]];
    }
    double left = uniform(n) * Arrays.stream(weights).sum();
    for (int v = 0; v < weights.length; v++) {
      left -= weights[v];
      if (left < 0) {
        return v;
      }
    }
    return order[0];
  }

  /** In [0, 1), of 53 bits. */
  private double uniform(int n) {
    int[] words =
        Mask.philox(
            new int[] {n, (int) offset, (int) (offset >>> 32), -1},
            (int) seed,
            (int) (seed >>> 32));
    long bits = ((long) words[0] << 32 | Integer.toUnsignedLong(words[1])) >>> 11;
    return bits * 0x1p-53;
  }
}
