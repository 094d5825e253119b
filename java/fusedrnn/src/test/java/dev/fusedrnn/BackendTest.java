package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Goal: what the header promises at the edges holds on every backend. Method: odd sizes (T 5, B 3,
 * I 7, H 11); two ways to the same result are compared bit by bit. How close the values are to the
 * oracle's is the testkit's business.
 */
class BackendTest {
  private static final int T = 5;
  private static final int B = 3;
  private static final int I = 7;
  private static final int H = 11;

  static List<Backend> backends() {
    return Backends.all();
  }

  static Stream<Arguments> cells() {
    return Backends.all().stream()
        .flatMap(backend -> Arrays.stream(Cell.values()).map(cell -> Arguments.of(backend, cell)));
  }

  private static void assertSame(Map<String, float[]> expected, Map<String, float[]> actual) {
    assertEquals(expected.keySet(), actual.keySet());
    expected.forEach((name, values) -> assertArrayEquals(values, actual.get(name), name));
  }

  @ParameterizedTest
  @MethodSource("cells")
  void repeatsToTheBit(Backend backend, Cell cell) {
    try (Device device = Device.open(backend);
        Net net = new Net(device, cell, T, B, I, H, 1)) {
      Map<String, float[]> first = net.run(device.defaultStream());
      assertSame(first, net.run(device.defaultStream()));
      first.forEach(
          (name, values) -> {
            for (float value : values) {
              assertTrue(Float.isFinite(value), name);
            }
            assertNotEquals(0, values[values.length - 1], name);
          });
    }
  }

  /** T = 0: the states pass through, gradients of weights are zero. */
  @ParameterizedTest
  @MethodSource("cells")
  void noSteps(Backend backend, Cell cell) {
    try (Device device = Device.open(backend);
        Net net = new Net(device, cell, 0, B, I, H, 2)) {
      net.gradients.weightHh().write(nonZero(net.gradients.weightHh()));
      Map<String, float[]> out = net.run(device.defaultStream());
      assertArrayEquals(net.sequence.h0().readFloats(), out.get("hT"));
      assertArrayEquals(net.sequence.dhT().readFloats(), out.get("dh0"));
      if (cell.hasCellState()) {
        assertArrayEquals(net.sequence.c0().readFloats(), out.get("cT"));
        assertArrayEquals(net.sequence.dcT().readFloats(), out.get("dc0"));
      }
      assertEquals(0, out.get("y").length);
      assertArrayEquals(new float[out.get("dweight_hh_l0").length], out.get("dweight_hh_l0"));
      float[] kept = nonZero(net.gradients.weightHh());
      net.gradients.weightHh().write(kept);
      net.sequence.call().accumulate(true);
      assertArrayEquals(kept, net.run(device.defaultStream()).get("dweight_hh_l0"));
    }
  }

  private static float[] nonZero(DeviceBuffer buffer) {
    float[] values = new float[(int) buffer.length()];
    Arrays.fill(values, 7);
    return values;
  }

  /** B = 0: everything is empty but the gradients of weights, which are zero. */
  @ParameterizedTest
  @MethodSource("cells")
  void noRows(Backend backend, Cell cell) {
    try (Device device = Device.open(backend);
        Net net = new Net(device, cell, T, 0, I, H, 3)) {
      net.gradients.weightIh().write(nonZero(net.gradients.weightIh()));
      Map<String, float[]> out = net.run(device.defaultStream());
      assertEquals(0, out.get("y").length);
      assertArrayEquals(new float[out.get("dweight_ih_l0").length], out.get("dweight_ih_l0"));
    }
  }

  /** An absent input counts as zero, to the bit. */
  @ParameterizedTest
  @MethodSource("cells")
  void absentInputsAreZero(Backend backend, Cell cell) {
    try (Device device = Device.open(backend);
        Net net = new Net(device, cell, T, B, I, H, 4)) {
      RnnSequence s = net.sequence;
      for (String name : Set.of("h0", "c0", "dhT", "dcT", "dy")) {
        DeviceBuffer buffer = net.inputs().get(name);
        if (buffer != null && !name.equals("dy")) {
          buffer.zero(device.defaultStream());
        }
      }
      device.synchronize();
      Map<String, float[]> zeros = net.run(device.defaultStream());
      s.call().h0(null).c0(null).dhT(null).dcT(null);
      assertSame(zeros, net.run(device.defaultStream()));
      s.dy().zero(device.defaultStream());
      device.synchronize();
      zeros = net.run(device.defaultStream());
      s.call().dy(null);
      assertSame(zeros, net.run(device.defaultStream()));
    }
  }

  /** An absent bias counts as zero; an absent output changes no other. */
  @ParameterizedTest
  @MethodSource("cells")
  void absentOutputsAreNotComputed(Backend backend, Cell cell) {
    try (Device device = Device.open(backend);
        Net net = new Net(device, cell, T, B, I, H, 5)) {
      Map<String, float[]> all = net.run(device.defaultStream());
      net.outputs().values().forEach(buffer -> buffer.write(nonZero(buffer)));
      net.sequence.call().hT(null).cT(null).dx(null).dc0(null);
      for (Parameter each : List.of(Parameter.WEIGHT_IH, Parameter.BIAS_HH, Parameter.BIAS_IH)) {
        net.sequence.call().gradient(each, 0, 0, null);
      }
      Map<String, float[]> some = net.run(device.defaultStream());
      Set<String> absent =
          Set.of("hT", "cT", "dx", "dc0", "dweight_ih_l0", "dbias_hh_l0", "dbias_ih_l0");
      some.forEach(
          (name, values) ->
              assertArrayEquals(
                  absent.contains(name) ? nonZero(net.outputs().get(name)) : all.get(name),
                  values,
                  name));
      net.sequence.call().gradients(null).dh0(null);
      net.sequence.backward(device.defaultStream());
      device.synchronize();
    }
  }

  /**
   * g, then g + g. A product may start its sum at what is there, so each of its T * B + 1 additions
   * may round otherwise: by half an ulp of a partial sum, here taken as the largest element.
   */
  @ParameterizedTest
  @MethodSource("cells")
  void accumulates(Backend backend, Cell cell) {
    try (Device device = Device.open(backend);
        Net net = new Net(device, cell, T, B, I, H, 6)) {
      Map<String, float[]> once = net.run(device.defaultStream());
      net.sequence.call().accumulate(true);
      Map<String, float[]> twice = net.run(device.defaultStream());
      once.forEach(
          (name, values) -> {
            boolean added = name.contains("weight") || name.contains("bias");
            float largest = 0;
            for (float value : values) {
              largest = Math.max(largest, 2 * Math.abs(value));
            }
            float allowed = added ? (T * B + 1) * Math.ulp(largest) / 2 : 0;
            for (int k = 0; k < values.length; k++) {
              float expected = added ? 2 * values[k] : values[k];
              assertEquals(expected, twice.get(name)[k], allowed, name);
            }
          });
    }
  }

  /** Without training, hT may be h0 and cT may be c0; the values are those of training. */
  @ParameterizedTest
  @MethodSource("cells")
  void statesInPlace(Backend backend, Cell cell) {
    try (Device device = Device.open(backend);
        Net net = new Net(device, cell, T, B, I, H, 7);
        RnnSequence plain = net.layer.newSequence(T, B, false)) {
      Map<String, float[]> expected = net.run(device.defaultStream());
      plain.x().copyFrom(net.sequence.x(), device.defaultStream());
      plain.h0().copyFrom(net.sequence.h0(), device.defaultStream());
      plain.call().parameters(net.parameters).hT(plain.h0());
      if (cell.hasCellState()) {
        plain.c0().copyFrom(net.sequence.c0(), device.defaultStream());
        plain.call().cT(plain.c0());
      }
      plain.forward(device.defaultStream());
      assertArrayEquals(expected.get("y"), plain.y().readFloats());
      assertArrayEquals(expected.get("hT"), plain.h0().readFloats());
      if (cell.hasCellState()) {
        assertArrayEquals(expected.get("cT"), plain.c0().readFloats());
      }
    }
  }

  /** A NaN in row 1 of step 2 spoils that row from then on, and no other row. */
  @ParameterizedTest
  @MethodSource("cells")
  void notANumberStaysInItsRow(Backend backend, Cell cell) {
    try (Device device = Device.open(backend);
        Net net = new Net(device, cell, T, B, I, H, 8)) {
      float[] clean = net.run(device.defaultStream()).get("y");
      float[] x = net.sequence.x().readFloats();
      x[(2 * B + 1) * I + 3] = Float.NaN;
      net.sequence.x().write(x);
      Map<String, float[]> out = net.run(device.defaultStream());
      for (int t = 0; t < T; t++) {
        for (int b = 0; b < B; b++) {
          for (int j = 0; j < H; j++) {
            float value = out.get("y")[(t * B + b) * H + j];
            boolean spoilt = b == 1 && t >= 2;
            assertEquals(spoilt, Float.isNaN(value), "y[" + t + ", " + b + ", " + j + "]");
            if (!spoilt) {
              assertEquals(clean[(t * B + b) * H + j], value);
            }
          }
        }
      }
      try (TensorList list =
              TensorList.of(device, DType.F32, List.of(List.of(net.gradients.arena())));
          GlobalNormClip clip = GlobalNormClip.create(list, 0, 1)) {
        clip.measure(device.defaultStream());
        assertFalse(clip.read().finite());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void streamsAndEvents(Backend backend) {
    try (Device device = Device.open(backend);
        dev.fusedrnn.Stream first = device.newStream();
        dev.fusedrnn.Stream second = device.newStream();
        Event begun = device.newEvent();
        Event ready = device.newEvent();
        Net net = new Net(device, Cell.LSTM, T, B, I, H, 9);
        DeviceBuffer copy = device.allocate(DType.F32, T, B, H)) {
      float[] expected = net.run(device.defaultStream()).get("y");
      net.sequence.y().write(nonZero(net.sequence.y()));
      begun.record(first);
      net.sequence.forward(first);
      ready.record(first);
      second.waitFor(ready);
      copy.copyFrom(net.sequence.y(), second);
      second.synchronize();
      assertArrayEquals(expected, copy.readFloats());
      ready.synchronize();
      assertTrue(ready.isDone());
      assertTrue(Event.elapsedMicros(begun, ready) >= 0);
      device.synchronize();
    }
  }

  /** Four threads with a stream and buffers each get what one thread gets. */
  @ParameterizedTest
  @MethodSource("backends")
  void threads(Backend backend) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(4);
    try (Device device = Device.open(backend)) {
      List<Future<Boolean>> same =
          pool.invokeAll(
              IntStream.range(0, 8)
                  .<Callable<Boolean>>mapToObj(
                      k -> () -> sameOnItsOwnStream(device, Cell.values()[k], k))
                  .toList());
      for (Future<Boolean> each : same) {
        assertTrue(each.get());
      }
    } finally {
      pool.shutdown();
    }
  }

  private static boolean sameOnItsOwnStream(Device device, Cell cell, int seed) {
    try (dev.fusedrnn.Stream stream = device.newStream();
        Net net = new Net(device, cell, T, B, I, H, seed)) {
      Map<String, float[]> here = net.run(stream);
      for (int repeat = 0; repeat < 3; repeat++) {
        assertSame(here, net.run(stream));
      }
    }
    return true;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void transfersOfEveryKind(Backend backend) {
    try (Device device = Device.open(backend);
        DeviceBuffer floats = device.allocate(DType.F32, 300_001);
        DeviceBuffer doubles = device.allocate(DType.F64, 3);
        DeviceBuffer ints = device.allocate(DType.I32, 3);
        DeviceBuffer none = device.allocate(DType.F32, 0)) {
      float[] many = new float[300_001]; // more than one chunk of staging memory
      for (int k = 0; k < many.length; k++) {
        many[k] = k;
      }
      assertArrayEquals(many, floats.write(many).readFloats());
      DeviceBuffer tail = floats.slice(300_000, 1);
      assertArrayEquals(new float[] {300_000}, tail.readFloats());
      tail.write(new double[] {0.1});
      assertEquals((double) 0.1f, tail.readDoubles()[0]);
      assertArrayEquals(
          new double[] {1, 2, 0.1}, doubles.write(new double[] {1, 2, 0.1}).readDoubles());
      assertArrayEquals(new float[] {1, 2, 0.1f}, doubles.readFloats());
      assertArrayEquals(new int[] {-1, 0, 7}, ints.write(new int[] {-1, 0, 7}).readInts());
      assertArrayEquals(new float[0], none.write(new float[0]).readFloats());
      none.zero(device.defaultStream());
      floats.zero(device.defaultStream());
      assertArrayEquals(new float[300_001], floats.readFloats());
      DeviceBuffer same = device.wrap(DType.F32, floats.address(), 300_001);
      same.close();
      assertFalse(floats.isClosed());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void describesItself(Backend backend) {
    try (Device device = Device.open(backend.label())) {
      assertEquals(backend, device.backend());
      String text = device.describe();
      assertTrue(text.startsWith("{") && text.contains("\"" + backend.label() + "\""), text);
      long before = device.counter("allocations");
      device.allocate(DType.F32, 3).close();
      assertEquals(before + 1, device.counter("allocations"));
      assertEquals(
          Status.INVALID_ARGUMENT,
          assertThrows(FusedRnnException.class, () -> device.counter("nonsense")).status());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void tooLittleReserveOrWorkspace(Backend backend) {
    try (Device device = Device.open(backend);
        DeviceBuffer small = device.allocate(DType.F32, 1)) {
      Rnn layer =
          Rnn.create(device, RnnConfig.builder(Cell.LSTM).inputSize(I).hiddenSize(H).build());
      RnnCall call = layer.newCall(T, B, true);
      if (backend == Backend.REFERENCE) {
        assertEquals(new RnnSizes(0, 0, 0), call.sizes());
        return;
      }
      long reserve = call.sizes().reserveBytes();
      assertEquals(
          "reserve: expected at least " + reserve + " bytes, got 4",
          assertThrows(IllegalArgumentException.class, () -> call.reserve(small)).getMessage());
      long workspace = call.sizes().forwardWorkspaceBytes();
      assertEquals(
          "workspace: expected at least " + workspace + " bytes, got 4",
          assertThrows(IllegalArgumentException.class, () -> call.workspace(small)).getMessage());
    }
  }
}
