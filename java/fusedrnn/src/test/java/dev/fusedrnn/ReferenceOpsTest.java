package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Goal: the oracle's clipping, optimisers, linear layer, embedding and loss are right. Method:
 * small cases worked by hand, and difference quotients for the gradients.
 */
class ReferenceOpsTest {
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

  /** sqrt(3^2 + 4^2 + 12^2) = 13; a limit of 6.5 halves, one of 13 leaves alone. */
  @Test
  void clip() {
    DeviceBuffer a = of(3, -4);
    DeviceBuffer b = of(12);
    try (TensorList list = TensorList.of(device, DType.F64, List.of(List.of(a, b)));
        GlobalNormClip half = GlobalNormClip.create(list, 0, 6.5);
        GlobalNormClip loose = GlobalNormClip.create(list, 0, 13)) {
      half.measure(stream);
      assertEquals(new ClipResult(13, 0.5, true), half.read());
      assertArrayEquals(new double[] {3, -4}, a.readDoubles());
      loose.scale(stream);
      assertEquals(new ClipResult(13, 1, true), loose.read());
      assertArrayEquals(new double[] {3, -4}, a.readDoubles());
      half.scale(stream);
      assertArrayEquals(new double[] {1.5, -2}, a.readDoubles());
      assertArrayEquals(new double[] {6}, b.readDoubles());
    }
  }

  @Test
  void clampElements() {
    DeviceBuffer a = of(3, -4, 0.5, Double.NaN);
    try (TensorList list = TensorList.of(device, DType.F64, List.of(List.of(a)));
        GlobalNormClip clip = GlobalNormClip.create(list, 0, 3.5)) {
      clip.clampElements(stream);
      assertArrayEquals(new double[] {3, -3.5, 0.5, Double.NaN}, a.readDoubles());
      assertEquals(new ClipResult(Double.NaN, 1, false), clip.read());
    }
  }

  @Test
  void clipReportsWhatIsNotFinite() {
    DeviceBuffer a = of(3, Double.NaN);
    try (TensorList list = TensorList.of(device, DType.F64, List.of(List.of(a)));
        GlobalNormClip clip = GlobalNormClip.create(list, 0, 1)) {
      clip.scale(stream);
      ClipResult result = clip.read();
      assertFalse(result.finite());
      assertTrue(Double.isNaN(result.norm()));
      assertTrue(Double.isNaN(a.readDoubles()[0]));
      a.write(new double[] {Double.POSITIVE_INFINITY, 1});
      clip.measure(stream);
      assertEquals(new ClipResult(Double.POSITIVE_INFINITY, 0, false), clip.read());
    }
  }

  /** Two steps with lr 0.1, momentum 0.5, g = 2: v = 2, 3; p = 1 - 0.2 - 0.3. */
  @Test
  void sgdWithMomentum() {
    DeviceBuffer p = of(1);
    try (Optimizer sgd = Optimizer.create(Optimizer.Kind.SGD, List.of(p), List.of(of(2)))) {
      sgd.learningRate(0.1).momentum(0.5);
      sgd.step(stream);
      assertEquals(0.8, p.readDoubles()[0], EXACT);
      sgd.step(stream);
      assertEquals(0.5, p.readDoubles()[0], EXACT);
      assertEquals(3, sgd.tensors().tensors(2).get(0).readDoubles()[0], EXACT);
      assertEquals(2, sgd.stepCount());
    }
  }

  /** lr 0.1, decay 0.5: g = 2 + 0.5 * 2 = 3; p = 2 - 0.3. */
  @Test
  void weightDecayJoinsTheGradient() {
    DeviceBuffer p = of(2);
    try (Optimizer sgd = Optimizer.create(Optimizer.Kind.SGD, List.of(p), List.of(of(2)))) {
      sgd.learningRate(0.1).weightDecay(0.5).step(stream);
      assertEquals(1.7, p.readDoubles()[0], EXACT);
    }
  }

  /** g = 3 then 4 with lr 1 and epsilon 0: p = 0 - 3/3 - 4/5. */
  @Test
  void adagrad() {
    DeviceBuffer p = of(0);
    DeviceBuffer g = of(3);
    try (Optimizer adagrad = Optimizer.create(Optimizer.Kind.ADAGRAD, List.of(p), List.of(g))) {
      adagrad.learningRate(1).epsilon(0);
      adagrad.step(stream);
      assertEquals(-1, p.readDoubles()[0], EXACT);
      g.write(new double[] {4});
      adagrad.step(stream);
      assertEquals(-1.8, p.readDoubles()[0], EXACT);
    }
  }

  /**
   * lr 0.1, beta1 0.5, beta2 0.75, epsilon 1. Step 1, g = 2: m = 1, v = 1, corrected 2 and 4, p =
   * -0.1 * 2 / 3. Step 2, g = 0: m = 1/2, v = 3/4, corrected 2/3 and 12/7.
   */
  @Test
  void adam() {
    DeviceBuffer p = of(0);
    DeviceBuffer g = of(2);
    try (Optimizer adam = Optimizer.create(Optimizer.Kind.ADAM, List.of(p), List.of(g))) {
      adam.learningRate(0.1).betas(0.5, 0.75).epsilon(1);
      adam.step(stream);
      assertEquals(-0.2 / 3, p.readDoubles()[0], EXACT);
      g.write(new double[] {0});
      adam.step(stream);
      double second = 0.1 * (2.0 / 3) / (Math.sqrt(12.0 / 7) + 1);
      assertEquals(-0.2 / 3 - second, p.readDoubles()[0], EXACT);
    }
  }

  /** The gradient 10 is clipped to norm 5; a NaN is passed over where asked. */
  @Test
  void optimizerReadsTheClip() {
    DeviceBuffer p = of(0);
    DeviceBuffer g = of(10);
    try (Optimizer sgd = Optimizer.create(Optimizer.Kind.SGD, List.of(p), List.of(g));
        GlobalNormClip clip = GlobalNormClip.create(sgd.tensors(), 1, 5)) {
      sgd.learningRate(1).clip(clip, true);
      clip.measure(stream);
      sgd.step(stream);
      assertEquals(-5, p.readDoubles()[0], EXACT);
      g.write(new double[] {Double.NaN});
      clip.measure(stream);
      sgd.step(stream);
      assertEquals(-5, p.readDoubles()[0], EXACT);
    }
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
    Embedding embedding = Embedding.create(device, DType.F64, 5, 3, 2);
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
      assertTrue(Double.isNaN(loss.read().lossSum()));
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
