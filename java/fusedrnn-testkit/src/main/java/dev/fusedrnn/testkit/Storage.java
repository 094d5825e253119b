package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;

/** What storing a float in a type of fewer bits makes of it: the nearest value, ties to even. */
enum Storage {
  /** Stays as it is. */
  F32(Tolerance.ROUNDING),
  /** 8 bits of significand. */
  BF16(0x1p-9),
  /** 11 bits of significand, numbers from 2^-24 to 65504. */
  F16(0x1p-12);

  private static final float SMALLEST_NORMAL_F16 = 0x1p-14f;
  private static final float F16_BECOMES_INFINITE = 65520;

  private final double rounding;

  Storage(double rounding) {
    this.rounding = rounding;
  }

  static Storage of(DType dtype) {
    return switch (dtype) {
      case BF16 -> BF16;
      case F16 -> F16;
      default -> F32;
    };
  }

  /** Half a unit in the last place, relative. */
  double rounding() {
    return rounding;
  }

  float round(float value) {
    if (this == F32 || !Float.isFinite(value)) {
      return value;
    }
    if (this == BF16) {
      int bits = Float.floatToRawIntBits(value);
      int even = bits + 0x7FFF + (bits >>> 16 & 1);
      return Float.intBitsToFloat(even & 0xFFFF0000);
    }
    float magnitude = Math.abs(value);
    if (magnitude >= F16_BECOMES_INFINITE) {
      return Math.copySign(Float.POSITIVE_INFINITY, value);
    }
    double unit = 0x1p-24;
    if (magnitude >= SMALLEST_NORMAL_F16) {
      unit = Math.scalb(1.0, Math.getExponent(value) - 10);
    }
    return (float) (Math.rint(value / unit) * unit);
  }

  /** Rounds every element in place. */
  float[] round(float[] values) {
    for (int k = 0; this != F32 && k < values.length; k++) {
      values[k] = round(values[k]);
    }
    return values;
  }
}
