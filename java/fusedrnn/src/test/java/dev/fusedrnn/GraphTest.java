package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Goal: what was captured runs at each launch, on what memory holds by then; an exception in the
 * middle or a refused call does no harm; page-locked memory is copied in stream order. Method: a
 * GRU of odd sizes, whose plain calls give the bits to be met.
 */
class GraphTest {
  private static void assertSameBits(Map<String, float[]> expected, Map<String, float[]> got) {
    expected.forEach((name, values) -> assertArrayEquals(values, got.get(name), 0, name));
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#natives")
  void launchesSeeTheDataOfTheirTime(Backend backend) {
    try (Device device = Device.open(backend);
        Stream stream = device.newStream();
        Net net = new Net(device, Cell.GRU, 5, 3, 4, 7, 11)) {
      assertTrue(device.servesGraphs());
      float[] first = net.sequence.x().readFloats();
      float[] second = first.clone();
      second[3] = 0.5f;
      final Map<String, float[]> ofFirst = net.run(stream);
      net.sequence.x().write(second);
      final Map<String, float[]> ofSecond = net.run(stream);
      try (Graph graph =
          stream.capture(
              () -> {
                net.sequence.forward(stream);
                net.sequence.backward(stream);
              })) {
        net.outputs().values().forEach(buffer -> buffer.zero(stream));
        assertEquals(0, net.read().get("y")[0]);
        graph.launch(stream);
        assertSameBits(ofSecond, net.read());
        net.sequence.x().write(first);
        graph.launch(stream);
        assertSameBits(ofFirst, net.read());
        assertEquals(2, device.counter("graph_launches"));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#natives")
  void closedIsRefused(Backend backend) {
    try (Device device = Device.open(backend);
        Stream stream = device.newStream();
        DeviceBuffer buffer = device.allocate(DType.I32, 2)) {
      Graph graph = stream.capture(() -> buffer.zero(stream));
      HostBuffer host = device.newHostBuffer(8);
      host.bytes().putInt(0, 3);
      graph.close();
      graph.close();
      host.close();
      host.close();
      assertThrows(IllegalStateException.class, () -> graph.launch(stream));
      assertThrows(IllegalStateException.class, () -> buffer.copyFrom(host, 0, stream));
      assertEquals(3, host.bytes().getInt(0)); // the memory is the collector's
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#natives")
  void exceptionsInTheMiddleDropTheCapture(Backend backend) {
    try (Device device = Device.open(backend);
        Stream stream = device.newStream();
        Net net = new Net(device, Cell.LSTM, 3, 2, 3, 5, 2)) {
      final Map<String, float[]> expected = net.run(stream);
      IllegalArgumentException thrown = new IllegalArgumentException("of the user's");
      assertSame(
          thrown,
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  stream.capture(
                      () -> {
                        net.sequence.forward(stream);
                        throw thrown;
                      })));
      FusedRnnException refused =
          assertThrows(
              FusedRnnException.class,
              () -> stream.capture(() -> net.sequence.x().write(new float[18])));
      assertTrue(refused.getMessage().contains("captures"), refused.getMessage());
      refused =
          assertThrows(FusedRnnException.class, () -> stream.capture(() -> newBuffer(device)));
      assertTrue(refused.getMessage().contains("cannot be recorded"), refused.getMessage());
      assertThrows(FusedRnnException.class, () -> device.defaultStream().capture(() -> {}));
      assertSameBits(expected, net.run(stream));
      try (Graph graph = stream.capture(() -> net.sequence.forward(stream))) {
        graph.launch(stream);
        assertSameBits(expected, net.read());
      }
    }
  }

  private static void newBuffer(Device device) {
    device.allocate(DType.F32, 3).close();
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void hostBuffersAreCopiedInStreamOrder(Backend backend) {
    try (Device device = Device.open(backend);
        Stream stream = device.newStream();
        HostBuffer host = device.newHostBuffer(40);
        DeviceBuffer buffer = device.allocate(DType.I32, 3)) {
      for (int k = 0; k < 3; k++) {
        host.bytes().putInt(8 + 4 * k, 10 + k);
      }
      buffer.copyFrom(host, 8, stream);
      buffer.copyTo(host, 24, stream);
      stream.synchronize();
      assertArrayEquals(new int[] {10, 11, 12}, buffer.readInts());
      assertEquals(12, host.bytes().getInt(32));
      assertThrows(IndexOutOfBoundsException.class, () -> buffer.copyFrom(host, 32, stream));
      assertThrows(IndexOutOfBoundsException.class, () -> buffer.copyTo(host, -4, stream));
      assertThrows(IllegalArgumentException.class, () -> device.newHostBuffer(0));
    }
  }

  @Test
  void referenceSaysThatItRecordsNothing() {
    try (Device device = Device.open(Backend.REFERENCE);
        Stream stream = device.newStream()) {
      assertFalse(device.servesGraphs());
      FusedRnnException refused =
          assertThrows(FusedRnnException.class, () -> stream.capture(() -> {}));
      assertEquals(Status.UNSUPPORTED, refused.status());
      assertTrue(refused.getMessage().contains("records none"), refused.getMessage());
    }
  }
}
