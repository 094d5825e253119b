package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Goal: the oracle's linear layer, embedding, losses and sampling are right. Method: small cases
 * worked by hand, and difference quotients for the gradients.
 */
class ReferenceRowsTest {
  private static final double EXACT = 1e-15;
  private static final double H = 1e-5;

  private Device device;
  private Stream stream;
  private final List<DeviceBuffer> open = new ArrayList<>();

  @BeforeEach
  void openDevice() {
    device = Device.open(Backend.REFERENCE);
    stream = device.defaultStream();
  }

  @AfterEach
  void closeDevice() {
    open.forEach(DeviceBuffer::close);
    device.close();
  }

  private DeviceBuffer allocate(DType dtype, long... shape) {
    DeviceBuffer buffer = device.allocate(dtype, shape);
    open.add(buffer);
    return buffer;
  }

  private DeviceBuffer of(double... values) {
    return allocate(DType.F64, values.length).write(values);
  }

  private DeviceBuffer random(long seed, long... shape) {
    DeviceBuffer buffer = allocate(DType.F64, shape);
    return buffer.write(new Random(seed).doubles(buffer.length(), -1, 1).toArray());
  }

  private DeviceBuffer ints(int... values) {
    return allocate(DType.I32, values.length).write(values);
  }

  @Test
  void linearGradientsAreDifferenceQuotients() {
    DeviceBuffer x = random(1, 3, 5);
    DeviceBuffer w = random(2, 7, 5);
    DeviceBuffer b = random(3, 7);
    DeviceBuffer dy = random(4, 3, 7);
    DeviceBuffer y = allocate(DType.F64, 3, 7);
    DeviceBuffer dx = allocate(DType.F64, 3, 5);
    DeviceBuffer dw = allocate(DType.F64, 7, 5);
    DeviceBuffer db = allocate(DType.F64, 7);
    try (Linear linear = Linear.create(device, DType.F64, 3, 5, 7)) {
      linear.x(x).w(w).b(b).y(y).dy(dy).dx(dx).dw(dw).db(db);
      linear.backward(stream);
      DoubleSupplier loss =
          () -> {
            linear.forward(stream);
            return dot(dy, y);
          };
      assertGradient("x", x, dx, loss);
      assertGradient("w", w, dw, loss);
      assertGradient("b", b, db, loss);
      double[] once = dw.readDoubles();
      linear.accumulate(true).backward(stream);
      assertEquals(2 * once[4], dw.readDoubles()[4], EXACT);
    }
  }

  /** Rows 2, 0, 2 of a table; 9 and -1 are outside. */
  @Test
  void embedding() {
    try (Embedding embedding = Embedding.create(device, DType.F64, 5, 3, 2)) {
      DeviceBuffer y = allocate(DType.F64, 5, 2);
      DeviceBuffer dtable = allocate(DType.F64, 3, 2);
      embedding.ids(ints(2, 0, 9, 2, -1)).table(of(1, 2, 3, 4, 5, 6)).y(y);
      embedding.dy(of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)).dtable(dtable);
      embedding.forward(stream);
      double nan = Double.NaN;
      assertArrayEquals(new double[] {5, 6, 1, 2, nan, nan, 5, 6, nan, nan}, y.readDoubles());
      embedding.backward(stream);
      assertArrayEquals(new double[] {3, 4, 0, 0, 8, 10}, dtable.readDoubles());
      embedding.accumulate(true).backward(stream);
      assertArrayEquals(new double[] {6, 8, 0, 0, 16, 20}, dtable.readDoubles());
    }
  }

  /**
   * Logits ln 1, ln 2, ln 5 give probabilities 1/8, 2/8, 5/8; the second row is ignored. Shifting a
   * row by 1000 changes nothing.
   */
  @Test
  void softmaxCrossEntropy() {
    double ln2 = Math.log(2);
    double ln5 = Math.log(5);
    DeviceBuffer logits = of(0, ln2, ln5, 1, 2, 3, 1000, 1000 + ln2, 1000 + ln5);
    DeviceBuffer dlogits = allocate(DType.F64, 3, 3);
    try (SoftmaxCrossEntropy loss = SoftmaxCrossEntropy.create(device, DType.F64, 3, 3)) {
      loss.logits(logits).targets(ints(1, -100, 2)).dlogits(dlogits).scale(0.5).run(stream);
      LossResult result = loss.read();
      assertEquals(2, result.rows());
      assertEquals(Math.log(4) + Math.log(8.0 / 5), result.lossSum(), 1e-12);
      assertEquals(result.lossSum() / 2, result.mean(), EXACT);
      double[] expected = {0.0625, -0.375, 0.3125, 0, 0, 0, 0.0625, 0.125, -0.1875};
      assertArrayEquals(expected, dlogits.readDoubles(), 1e-12);
      loss.targets(ints(1, 3, 2)).run(stream);
      FusedRnnException e = assertThrows(FusedRnnException.class, loss::read);
      assertEquals(
          "targets: expected a class or the ignored index in each of 3 rows that count, got"
              + " something else in 1: compare the targets with the number of classes",
          e.getMessage());
      assertTrue(Double.isNaN(loss.result().readDoubles()[0]));
      assertTrue(Double.isNaN(dlogits.readDoubles()[4]));
      assertEquals(0.0625, dlogits.readDoubles()[0], 1e-12);
    }
  }

  @Test
  void lossGradientIsTheDifferenceQuotient() {
    DeviceBuffer logits = random(5, 3, 7);
    DeviceBuffer dlogits = allocate(DType.F64, 3, 7);
    try (SoftmaxCrossEntropy loss = SoftmaxCrossEntropy.create(device, DType.F64, 3, 7)) {
      loss.logits(logits).targets(ints(0, 6, 3)).dlogits(dlogits).run(stream);
      double[] gradient = dlogits.readDoubles();
      DeviceBuffer kept = allocate(DType.F64, 3, 7).write(gradient);
      assertGradient(
          "logits",
          logits,
          kept,
          () -> {
            loss.run(stream);
            return loss.read().lossSum();
          });
    }
  }

  /** Smoothing by k takes the loss k of the way to the mean of the losses of all classes. */
  @Test
  void labelSmoothing() {
    DeviceBuffer logits = random(6, 1, 5);
    DeviceBuffer dlogits = allocate(DType.F64, 1, 5);
    try (SoftmaxCrossEntropy loss = SoftmaxCrossEntropy.create(device, DType.F64, 1, 5)) {
      loss.logits(logits).dlogits(dlogits);
      double[] each = new double[5];
      double[] gradient = new double[5];
      double mean = 0;
      for (int v = 0; v < 5; v++) {
        loss.targets(ints(v)).run(stream);
        each[v] = loss.read().lossSum();
        mean += each[v] / 5;
        for (int k = 0; k < 5; k++) {
          gradient[k] += dlogits.readDoubles()[k] * (v == 3 ? 0.75 + 0.25 / 5 : 0.25 / 5);
        }
      }
      loss.targets(ints(3)).labelSmoothing(0.25).run(stream);
      assertEquals(0.75 * each[3] + 0.25 * mean, loss.read().lossSum(), 1e-12);
      assertArrayEquals(gradient, dlogits.readDoubles(), 1e-12);
    }
  }

  /** Two of three rows count: a mean halves, a loss scale of 8 is eight times as much. */
  @Test
  void meanAndLossScale() {
    DeviceBuffer logits = random(7, 3, 4);
    DeviceBuffer dlogits = allocate(DType.F64, 3, 4);
    try (SoftmaxCrossEntropy loss = SoftmaxCrossEntropy.create(device, DType.F64, 3, 4)) {
      loss.logits(logits).dlogits(dlogits).targets(ints(0, -100, 3)).run(stream);
      double[] sum = dlogits.readDoubles();
      loss.mean(true).lossScale(of(8, 0)).scale(0.5).run(stream);
      for (int k = 0; k < sum.length; k++) {
        assertEquals(sum[k] / 2 * 8 * 0.5, dlogits.readDoubles()[k], 1e-12);
      }
    }
  }

  /** Rows (1, 3) and (2, 2) against (0, 1), weights 1 and 2; the third row does not count. */
  @Test
  void meanSquaredError() {
    DeviceBuffer dy = allocate(DType.F64, 3, 2);
    try (MeanSquaredError loss = MeanSquaredError.create(device, DType.F64, 3, 2);
        DeviceBuffer weights = device.allocate(DType.F32, 3)) {
      weights.write(new float[] {1, 2, 0});
      loss.y(of(1, 3, 2, 2, Double.NaN, 1)).targets(of(0, 1, 0, 1, 0, 0));
      loss.weights(weights).dy(dy).run(stream);
      assertEquals(new LossResult((1 + 4) / 2.0 + 2 * (4 + 1) / 2.0, 2, 0), loss.read());
      assertArrayEquals(new double[] {1, 2, 4, 2, 0, 0}, dy.readDoubles(), EXACT);
      loss.mean(true).scale(3).run(stream);
      assertArrayEquals(new double[] {1.5, 3, 6, 3, 0, 0}, dy.readDoubles(), EXACT);
      assertEquals(2, loss.read().rows());
    }
  }

  /** Philox with key 0 and counter (0, 0, 0, -1) decides: the same class whoever draws. */
  @Test
  void sampling() {
    DeviceBuffer ids = allocate(DType.I32, 2);
    Sampler sampler = Sampler.create(device, DType.F64, 2, 4).ids(ids);
    double nan = Double.NaN;
    sampler.logits(of(1, 5, 5, nan, nan, nan, nan, nan)).temperature(0).run(stream);
    assertArrayEquals(new int[] {1, -1}, ids.readInts());
    sampler.logits(of(0, 9, 0, 8, 0, 1, 3, 2)).temperature(0.5).topK(1).run(stream);
    assertArrayEquals(new int[] {1, 2}, ids.readInts());
    // The best has a probability above 0.6 in both rows.
    sampler.temperature(1).topK(0).topP(0.6).run(stream);
    assertArrayEquals(new int[] {1, 2}, ids.readInts());
    int[] counts = new int[4];
    for (int offset = 0; offset < 400; offset++) {
      sampler.topP(1).seed(5, offset).run(stream);
      counts[ids.readInts()[1]]++;
    }
    double sum = 1 + Math.E + Math.exp(3) + Math.exp(2);
    double[] shares = {1 / sum, Math.E / sum, Math.exp(3) / sum, Math.exp(2) / sum};
    for (int v = 0; v < 4; v++) {
      double deviation = Math.sqrt(shares[v] * (1 - shares[v]) * 400);
      assertEquals(400 * shares[v], counts[v], 5 * deviation, "class " + v);
    }
  }

  private static void assertGradient(
      String name, DeviceBuffer input, DeviceBuffer gradient, DoubleSupplier loss) {
    double[] values = input.readDoubles();
    double[] expected = gradient.readDoubles();
    for (int k = 0; k < values.length; k++) {
      double kept = values[k];
      values[k] = kept + H;
      input.write(values);
      double above = loss.getAsDouble();
      values[k] = kept - H;
      input.write(values);
      double below = loss.getAsDouble();
      values[k] = kept;
      assertEquals((above - below) / (2 * H), expected[k], 1e-9, name + "[" + k + "]");
    }
    input.write(values);
  }

  private static double dot(DeviceBuffer a, DeviceBuffer b) {
    double[] left = a.readDoubles();
    double[] right = b.readDoubles();
    double sum = 0;
    for (int k = 0; k < left.length; k++) {
      sum += left[k] * right[k];
    }
    return sum;
  }
}
