package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Goal: the count, the rate, the loss scale and the verdict on a gradient live on the device and
 * rule its steps, on every backend. Method: tensors of 5 elements, numbers worked by hand.
 */
class OptimizerTest {
  private static final float[] ONES = {1, 1, 1, 1, 1};
  private static final float NAN = Float.NaN;
  private static final float INFINITY = Float.POSITIVE_INFINITY;

  static List<Backend> backends() {
    return Backends.all();
  }

  /** SGD with rate 1 over one tensor of five elements, which starts at 1. */
  private static final class Descent implements AutoCloseable {
    final Device device;
    final Stream stream;
    final DeviceBuffer parameters;
    final DeviceBuffer gradients;
    final Optimizer optimizer;
    final GlobalNormClip clip;

    Descent(Backend backend, DType gradient, double maxNorm) {
      device = Device.open(backend);
      stream = device.defaultStream();
      parameters = device.allocate(DType.F32, 5).write(ONES);
      gradients = device.allocate(gradient, 5).write(ONES);
      optimizer =
          Optimizer.create(Optimizer.Kind.SGD, List.of(parameters), List.of(gradients))
              .learningRate(1);
      clip = GlobalNormClip.create(optimizer.tensors(), 1, maxNorm);
      optimizer.clip(clip);
    }

    void step(float... gradient) {
      gradients.write(gradient);
      clip.measure(stream);
      optimizer.step(stream);
    }

    @Override
    public void close() {
      clip.close();
      optimizer.close();
      gradients.close();
      parameters.close();
      device.close();
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void skip(Backend backend) {
    try (Descent d = new Descent(backend, DType.F32, 100)) {
      d.clip.nonFinite(NonFinite.SKIP);
      d.step(1, 1, NAN, 1, 1);
      assertArrayEquals(ONES, d.parameters.readFloats());
      assertTrue(d.clip.read().skipped());
      assertEquals(new OptimizerState(0, 1, 1, 0), d.optimizer.readState());
      d.step(0, 1, 0, 0, 0);
      assertArrayEquals(new float[] {1, 0, 1, 1, 1}, d.parameters.readFloats());
      assertFalse(d.clip.read().skipped());
      assertEquals(new OptimizerState(1, 1, 1, 1), d.optimizer.readState());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void errorStopsUntilItIsCleared(Backend backend) {
    try (Descent d = new Descent(backend, DType.F32, 100)) {
      d.clip.nonFinite(NonFinite.ERROR);
      d.step(0, 1, 0, 0, 0);
      d.step(0, INFINITY, 0, 0, 0);
      d.step(0, 1, 0, 0, 0);
      assertArrayEquals(new float[] {1, 0, 1, 1, 1}, d.parameters.readFloats());
      NonFiniteGradientException e =
          assertThrows(NonFiniteGradientException.class, () -> d.clip.read());
      assertEquals(2, e.step());
      assertEquals(Double.POSITIVE_INFINITY, e.norm());
      assertTrue(String.valueOf(e.getMessage()).contains("a norm of Infinity at step 2"));
      assertEquals(2, d.optimizer.readState().skipped());
      d.clip.clearFailure(d.stream);
      d.step(1, 0, 0, 0, 0);
      assertArrayEquals(new float[] {0, 0, 1, 1, 1}, d.parameters.readFloats());
      assertEquals(1, d.clip.readNorm());
    }
  }

  /**
   * NaN is 0 and infinity the limit: the norm is sqrt(5^2 + 12^2) = 13 and the coefficient 5/13.
   */
  @ParameterizedTest
  @MethodSource("backends")
  void clamp(Backend backend) {
    try (Descent d = new Descent(backend, DType.F32, 5)) {
      d.clip.nonFinite(NonFinite.CLAMP);
      d.step(NAN, -INFINITY, 12, 0, 0);
      assertEquals(new ClipResult(13, 5.0 / 13, false, false), d.clip.read());
      float[] p = d.parameters.readFloats();
      assertEquals(1, p[0]);
      assertEquals(1 + 25f / 13, p[1], 1e-6f);
      assertEquals(1 - 60f / 13, p[2], 1e-6f);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void propagate(Backend backend) {
    try (Descent d = new Descent(backend, DType.F32, 5)) {
      d.step(NAN, 0, 0, 0, 0);
      assertTrue(Float.isNaN(d.parameters.readFloats()[1]));
      assertEquals(1, d.optimizer.stepCount());
    }
  }

  /** Of the loss scale 8 the norm knows nothing; it halves after an infinity, doubles after two. */
  @ParameterizedTest
  @MethodSource("backends")
  void lossScaleMoves(Backend backend) {
    try (Descent d = new Descent(backend, DType.F16, 0.5);
        LossScale scale = LossScale.create(d.device, 8)) {
      d.clip.nonFinite(NonFinite.SKIP).lossScale(scale.moves(2, 0.5, 2));
      d.step(0, 8, 0, 0, 0);
      assertEquals(new ClipResult(1, 0.5, true, false), d.clip.read());
      assertArrayEquals(new float[] {1, 0.5f, 1, 1, 1}, d.parameters.readFloats());
      assertEquals(8, scale.read());
      d.step(0, INFINITY, 0, 0, 0);
      assertEquals(4, scale.read());
      d.step(0, 2, 0, 0, 0);
      d.step(0, 2, 0, 0, 0);
      assertEquals(8, scale.read());
      assertArrayEquals(new float[] {1, -0.5f, 1, 1, 1}, d.parameters.readFloats());
      assertTrue(d.optimizer.buffers().containsKey("optimizer.loss_scale"));
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void normsOfEachTensor(Backend backend) {
    try (Device device = Device.open(backend);
        DeviceBuffer a = device.allocate(DType.F32, 2).write(new float[] {3, -4});
        DeviceBuffer b = device.allocate(DType.F32, 1).write(new float[] {12});
        TensorList list = TensorList.of(device, DType.F32, List.of(List.of(a, b)));
        GlobalNormClip clip = GlobalNormClip.create(list, 0, 10).perTensor(true)) {
      Stream stream = device.defaultStream();
      clip.scale(stream);
      assertEquals(new ClipResult(13, 1, true, false), clip.read());
      assertEquals(
          List.of(new ClipResult(5, 1, true, false), new ClipResult(12, 10.0 / 12, true, false)),
          clip.readTensors());
      assertArrayEquals(new float[] {3, -4}, a.readFloats());
      assertArrayEquals(new float[] {10}, b.readFloats(), 1e-6f);
      clip.norm(NormKind.L1).measure(stream);
      assertEquals(17, clip.readNorm(), 1e-6);
      assertEquals(7, clip.readTensors().get(0).norm());
      clip.norm(NormKind.INFINITY).measure(stream);
      assertEquals(4, clip.readTensors().get(0).norm());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aReadingDoesNotStopTheStream(Backend backend) {
    try (Descent d = new Descent(backend, DType.F32, 100);
        ClipReading first = d.clip.newReading();
        ClipReading second = d.clip.newReading()) {
      assertFalse(first.isDone());
      assertThrows(IllegalStateException.class, first::get);
      d.step(3, 4, 0, 0, 0);
      first.enqueue(d.stream);
      first.mark(d.stream);
      d.step(0, 0, 0, 5, 12);
      second.enqueue(d.stream);
      second.mark(d.stream);
      assertEquals(13, second.get().norm());
      assertEquals(5, first.get().norm());
      assertTrue(first.isDone());
    }
  }

  /** The device's own count gives the rates that the schedule says. */
  @ParameterizedTest
  @MethodSource("backends")
  void schedules(Backend backend) {
    List<LearningRateSchedule> schedules = new ArrayList<>();
    for (LearningRateSchedule.Shape shape : LearningRateSchedule.Shape.values()) {
      schedules.add(new LearningRateSchedule(shape, 3, 5, 0.25));
    }
    for (LearningRateSchedule schedule : schedules) {
      try (Descent d = new Descent(backend, DType.F32, 100)) {
        d.optimizer.schedule(schedule).learningRate(0.5);
        for (long step = 1; step <= 12; step++) {
          d.step(0, 0, 0, 0, 0);
          assertEquals(
              0.5 * schedule.factor(step), d.optimizer.readState().rate(), 1e-15, "" + schedule);
        }
        d.optimizer.stepCount(1).learningRate(2, d.stream);
        d.step(0, 0, 0, 0, 0);
        assertEquals(2.0 * 2 / 3, d.optimizer.readState().rate(), 1e-15);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void copiesInSixteenBits(Backend backend) {
    for (DType dtype : List.of(DType.BF16, DType.F16)) {
      try (Device device = Device.open(backend);
          DeviceBuffer p = device.allocate(DType.F32, 3).write(new float[] {1, 0.1f, 1e-3f});
          DeviceBuffer g = device.allocate(dtype, 3).write(new float[] {1, 2, -3});
          DeviceBuffer copy = device.allocate(dtype, 3);
          DeviceBuffer expected = device.allocate(dtype, 3);
          Optimizer optimizer =
              Optimizer.builder(Optimizer.Kind.SGD, List.of(p), List.of(g))
                  .copies(List.of(copy))
                  .withoutMomentum()
                  .build()) {
        optimizer.learningRate(0.125).step(device.defaultStream());
        float[] master = {1 - 0.125f, 0.1f - 0.25f, 1e-3f + 0.375f};
        assertArrayEquals(master, p.readFloats(), 1e-7f);
        assertArrayEquals(expected.write(p.readFloats()).readFloats(), copy.readFloats());
        assertEquals(3, optimizer.tensors().lists());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void whatDoesNotFit(Backend backend) {
    try (Device device = Device.open(backend);
        DeviceBuffer p = device.allocate(DType.F32, 3);
        DeviceBuffer half = device.allocate(DType.F16, 3);
        DeviceBuffer two = device.allocate(DType.F16, 2)) {
      List<DeviceBuffer> parameters = List.of(p);
      assertEquals(
          "copies: expected bf16 or f16, got f32",
          refused(() -> builder(parameters).copies(parameters)));
      assertEquals(
          "list 2 tensor 0: expected 3 elements, got 2",
          refused(() -> builder(parameters).copies(List.of(two)).build()));
      assertEquals(
          "parameters: expected f32, got f16; keep f32 parameters and give these as copies",
          refused(() -> builder(List.of(half)).build()));
      try (Optimizer bare = builder(parameters).withoutMomentum().build()) {
        bare.momentum(0.9);
        FusedRnnException e =
            assertThrows(FusedRnnException.class, () -> bare.step(device.defaultStream()));
        assertEquals(Status.INVALID_ARGUMENT, e.status());
        assertTrue(String.valueOf(e.getMessage()).contains("of f32 state"), e.getMessage());
      }
    }
  }

  private static OptimizerBuilder builder(List<DeviceBuffer> parameters) {
    return Optimizer.builder(Optimizer.Kind.SGD, parameters, parameters);
  }

  private static String refused(Executable call) {
    return String.valueOf(assertThrows(IllegalArgumentException.class, call).getMessage());
  }
}
