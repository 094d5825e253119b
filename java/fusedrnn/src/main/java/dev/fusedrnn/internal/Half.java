package dev.fusedrnn.internal;

/** Sixteen-bit floats to and from float: round to nearest, ties to even; NaN stays NaN. */
public final class Half {
  private Half() {}

  /** To the bits of a bfloat16. */
  public static short toBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) ((bits >>> 16) | 0x40); // quiet, whatever the low bits held
    }
    return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
  }

  /** From the bits of a bfloat16; exact. */
  public static float fromBf16(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  /** To the bits of a half. */
  public static short toF16(float value) {
    int bits = Float.floatToRawIntBits(value);
    int sign = (bits >>> 16) & 0x8000;
    float magnitude = Math.abs(value);
    if (Float.isNaN(value)) {
      return (short) (sign | 0x7e00);
    }
    if (magnitude >= 65520) { // halfway from the largest half, 65504, to the next there would be
      return (short) (sign | 0x7c00);
    }
    if (magnitude < 0x1p-14f) { // subnormal: multiples of 2^-24
      return (short) (sign | (int) Math.rint(magnitude * 0x1p24));
    }
    int exponent = Math.getExponent(magnitude);
    int steps = (int) Math.rint(magnitude / Math.scalb(1.0, exponent - 10)); // 1024 to 2048
    return (short) (sign | (((exponent + 14) << 10) + steps));
  }

  /** From the bits of a half; exact. */
  public static float fromF16(short half) {
    int exponent = (half >>> 10) & 0x1f;
    int fraction = half & 0x3ff;
    float magnitude;
    if (exponent == 0x1f) {
      magnitude = fraction == 0 ? Float.POSITIVE_INFINITY : Float.NaN;
    } else if (exponent == 0) {
      magnitude = fraction * 0x1p-24f;
    } else {
      magnitude = Math.scalb((float) (1024 + fraction), exponent - 25);
    }
    return half < 0 ? -magnitude : magnitude;
  }
}
