package dev.fusedrnn.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import org.junit.jupiter.api.Test;

/** Goal: stray writes are found. Method: write where a faulty kernel would. */
@OnBackend(value = Backend.REFERENCE, required = true)
class GuardedBuffersTest {
  @Test
  void untouchedTensorsAreIntactAndOutputsAreNaN(Device device) {
    try (GuardedBuffers buffers = new GuardedBuffers(device, DType.F32)) {
      buffers.input("x", new float[] {1, 2, 3, 4}, 2, 2);
      buffers.output("y", 3);
      buffers.integers(new int[] {1, 2});
      buffers.requireIntact();
      assertTrue(Double.isNaN(buffers.read("y")[2]));
    }
  }

  @Test
  void aWriteIntoAnInputIsFound(Device device) {
    try (GuardedBuffers buffers = new GuardedBuffers(device, DType.F32)) {
      buffers.integers(new int[] {7});
      DeviceBuffer x = buffers.input("x", new float[] {1, 2}, 2);
      x.write(new float[] {1, 5});
      AssertionError e = assertThrows(AssertionError.class, buffers::requireIntact);
      assertEquals("x: is an input and was written at element 1", e.getMessage());
    }
  }

  @Test
  void aWriteBesideATensorIsFound(Device device) {
    try (GuardedBuffers buffers = new GuardedBuffers(device, DType.F32)) {
      DeviceBuffer y = buffers.output("y", 2);
      try (DeviceBuffer beyond = device.wrap(DType.F32, y.address(), 3)) {
        beyond.write(new float[] {1, 2, 3});
      }
      AssertionError e = assertThrows(AssertionError.class, buffers::requireIntact);
      assertTrue(e.getMessage().startsWith("y: memory beside it was written"), e.getMessage());
    }
  }
}
