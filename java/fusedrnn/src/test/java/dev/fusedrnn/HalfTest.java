package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.internal.Half;
import org.junit.jupiter.api.Test;

/**
 * Goal: 16-bit buffers hold what was written, rounded to nearest, ties to even. Method: every
 * 16-bit pattern goes to float and back; halfway values go to the even neighbour.
 */
class HalfTest {
  @Test
  void everyPatternComesBack() {
    for (int bits = 0; bits < 1 << 16; bits++) {
      float bf16 = Half.fromBf16((short) bits);
      float f16 = Half.fromF16((short) bits);
      if (!Float.isNaN(bf16)) {
        assertEquals((short) bits, Half.toBf16(bf16));
      }
      if (!Float.isNaN(f16)) {
        assertEquals((short) bits, Half.toF16(f16));
      }
    }
    assertTrue(Float.isNaN(Half.fromF16(Half.toF16(Float.NaN))));
    assertTrue(Float.isNaN(Half.fromBf16(Half.toBf16(Float.intBitsToFloat(0x7f800001)))));
  }

  @Test
  void halvesGoToTheEvenNeighbour() {
    for (int bits = 0; bits < 0x7bff; bits++) { // the positive finite halves but the largest
      int even = (bits & 1) == 0 ? bits : bits + 1;
      float middle = (Half.fromF16((short) bits) + Half.fromF16((short) (bits + 1))) / 2;
      assertEquals((short) even, Half.toF16(middle));
      assertEquals((short) (even | 0x8000), Half.toF16(-middle));
      assertEquals((short) (bits + 1), Half.toF16(Math.nextUp(middle)));
      assertEquals((short) bits, Half.toF16(Math.nextDown(middle)));
    }
    for (int bits = 0; bits < 0x7f7f; bits++) {
      int even = (bits & 1) == 0 ? bits : bits + 1;
      float middle = Float.intBitsToFloat((bits << 16) | 0x8000);
      assertEquals((short) even, Half.toBf16(middle));
      assertEquals((short) (bits + 1), Half.toBf16(Math.nextUp(middle)));
      assertEquals((short) bits, Half.toBf16(Math.nextDown(middle)));
    }
    assertEquals(0x7bff, Half.toF16(Math.nextDown(65520f)));
    assertEquals(0x7c00, Half.toF16(65520f));
    assertEquals(0x7f80, Half.toBf16(Float.MAX_VALUE));
  }

  @Test
  void buffersConvert() {
    try (Device device = Device.open(Backend.REFERENCE);
        DeviceBuffer bf16 = device.allocate(DType.BF16, 3);
        DeviceBuffer f16 = device.allocate(DType.F16, 3)) {
      double[] values = {1.00390625, -0.1, 3e-5};
      assertArrayEquals(
          new float[] {1, -0.10009765625f, 3.0040741E-5f}, bf16.write(values).readFloats());
      assertArrayEquals(
          new double[] {1.00390625, -0.0999755859375, 2.9981136322021484E-5},
          f16.write(new float[] {1.00390625f, -0.1f, 3e-5f}).readDoubles());
    }
  }
}
