package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Goal: the oracle's clipping and optimisers are right. Method: small cases worked by hand. */
class ReferenceOpsTest {
  private static final double EXACT = 1e-15;

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

  /** sqrt(3^2 + 4^2 + 12^2) = 13; a limit of 6.5 halves, one of 13 leaves alone. */
  @Test
  void clip() {
    DeviceBuffer a = of(3, -4);
    DeviceBuffer b = of(12);
    try (TensorList list = TensorList.of(device, DType.F64, List.of(List.of(a, b)));
        GlobalNormClip half = GlobalNormClip.create(list, 0, 6.5);
        GlobalNormClip loose = GlobalNormClip.create(list, 0, 13)) {
      half.measure(stream);
      assertEquals(new ClipResult(13, 0.5, true, false), half.read());
      assertArrayEquals(new double[] {3, -4}, a.readDoubles());
      loose.scale(stream);
      assertEquals(new ClipResult(13, 1, true, false), loose.read());
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
      assertEquals(new ClipResult(Double.NaN, 1, false, false), clip.read());
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
      assertEquals(new ClipResult(Double.POSITIVE_INFINITY, 0, false, false), clip.read());
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
      sgd.learningRate(1).clip(clip.nonFinite(NonFinite.SKIP));
      clip.measure(stream);
      sgd.step(stream);
      assertEquals(-5, p.readDoubles()[0], EXACT);
      g.write(new double[] {Double.NaN});
      clip.measure(stream);
      sgd.step(stream);
      assertEquals(-5, p.readDoubles()[0], EXACT);
    }
  }
}
