package dev.fusedrnn.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Goal: rounding is to nearest, ties to even. Method: values by hand, then what buffers hold. */
class StorageTest {
  @Test
  void roundsToNearestAndTiesToEven() {
    assertEquals(1f, Storage.BF16.round(1 + 0x1p-8f));
    assertEquals(1 + 0x1p-6f, Storage.BF16.round(1 + 0x1.8p-7f));
    assertEquals(1f, Storage.F16.round(1 + 0x1p-11f));
    assertEquals(1 + 0x1p-9f, Storage.F16.round(1 + 0x1.8p-10f));
    assertEquals(0x1p-24f, Storage.F16.round(0x1.2p-24f));
    assertEquals(0f, Storage.F16.round(0x1p-25f));
    assertEquals(65504f, Storage.F16.round(65519f));
    assertEquals(Float.NEGATIVE_INFINITY, Storage.F16.round(-65520f));
    assertEquals(0.1f, Storage.F32.round(0.1f));
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"BF16", "F16", "F32"})
  void isWhatBuffersHold(DType dtype) {
    float[] values = Draws.normal(new SplittableRandom(3), 999);
    try (Device device = Device.open(Backend.REFERENCE);
        DeviceBuffer buffer = device.allocate(dtype, values.length)) {
      double[] stored = buffer.write(values).readDoubles();
      for (int k = 0; k < values.length; k++) {
        assertEquals(stored[k], Storage.of(dtype).round(values[k]), 0, "element " + k);
      }
    }
  }
}
