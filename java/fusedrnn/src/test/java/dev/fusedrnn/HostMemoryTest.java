package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/**
 * Goal: the cpu backend computes in direct buffers of Java's, and what cannot be computed in is
 * refused. Method: a product whose operands begin at odd positions, and one wrong thing at a time.
 */
class HostMemoryTest {
  private static ByteBuffer direct(float... values) {
    ByteBuffer buffer = ByteBuffer.allocateDirect(4 * values.length).order(ByteOrder.nativeOrder());
    buffer.asFloatBuffer().put(values);
    return buffer;
  }

  private static void refused(String part, Executable call) {
    String message = assertThrows(IllegalArgumentException.class, call).getMessage();
    assertTrue(message.contains(part), message);
  }

  @Test
  void aProductIsComputedInPlace() {
    ByteBuffer y = direct(0, 0);
    try (Device device = Device.open(Backend.CPU);
        Linear linear = Linear.create(device, DType.F32, 1, 2, 1)) {
      linear.x(device.wrap(DType.F32, direct(9, 1, 2).position(4), 1, 2));
      linear.w(device.wrap(DType.F32, direct(3, 4), 1, 2));
      linear.y(device.wrap(DType.F32, y.position(4), 1, 1));
      linear.forward(device.defaultStream());
      device.synchronize();
    }
    float[] got = new float[2];
    y.position(0).order(ByteOrder.nativeOrder()).asFloatBuffer().get(got);
    assertArrayEquals(new float[] {0, 11}, got);
  }

  @Test
  void whatCannotBeComputedInIsRefused() {
    try (Device cpu = Device.open(Backend.CPU);
        Device emulated = Device.open(Backend.EMULATED)) {
      refused("expected a direct buffer", () -> cpu.wrap(DType.F32, ByteBuffer.allocate(8), 2));
      refused(
          "expected 12 bytes from its position, got 8", () -> cpu.wrap(DType.F32, direct(1, 2), 3));
      refused("expected a multiple of 4", () -> cpu.wrap(DType.F32, direct(1, 2).position(1), 1));
      refused("expected a device of the backend cpu", () -> emulated.wrap(DType.F32, direct(1), 1));
      assertEquals(0, cpu.wrap(DType.F32, direct(1), 0, 3).length());
    }
  }
}
