package dev.fusedrnn.io;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** One tensor of a safetensors file: type, shape and little-endian row-major data. */
public final class SafeTensor {
  private final ElementType type;
  private final long[] shape;
  private final byte[] data;

  SafeTensor(ElementType type, long[] shape, byte[] data) {
    this.type = type;
    this.shape = shape;
    this.data = data;
  }

  /**
   * Makes an F64 tensor.
   *
   * @param values row-major
   * @param shape the product is the number of values
   * @return an F64 tensor
   */
  public static SafeTensor ofDoubles(double[] values, long... shape) {
    ByteBuffer out = allocate(ElementType.F64, values.length, shape);
    out.asDoubleBuffer().put(values);
    return new SafeTensor(ElementType.F64, shape.clone(), out.array());
  }

  /**
   * Makes an F32 tensor.
   *
   * @param values row-major
   * @param shape the product is the number of values
   * @return an F32 tensor
   */
  public static SafeTensor ofFloats(float[] values, long... shape) {
    ByteBuffer out = allocate(ElementType.F32, values.length, shape);
    out.asFloatBuffer().put(values);
    return new SafeTensor(ElementType.F32, shape.clone(), out.array());
  }

  /**
   * Makes an I64 tensor.
   *
   * @param values row-major
   * @param shape the product is the number of values
   * @return an I64 tensor
   */
  public static SafeTensor ofLongs(long[] values, long... shape) {
    ByteBuffer out = allocate(ElementType.I64, values.length, shape);
    out.asLongBuffer().put(values);
    return new SafeTensor(ElementType.I64, shape.clone(), out.array());
  }

  /**
   * Makes an F32 tensor of rounded values.
   *
   * @param values row-major, rounded to float
   * @param shape the product is the number of values
   * @return an F32 tensor
   */
  public static SafeTensor ofRoundedDoubles(double[] values, long... shape) {
    float[] floats = new float[values.length];
    for (int k = 0; k < floats.length; k++) {
      floats[k] = (float) values[k];
    }
    return ofFloats(floats, shape);
  }

  private static ByteBuffer allocate(ElementType type, int count, long[] shape) {
    long expected = 1;
    for (long size : shape) {
      expected = Math.multiplyExact(expected, size);
    }
    if (expected != count) {
      throw new IllegalArgumentException(
          "values: expected " + Arrays.toString(shape) + " = " + expected + ", got " + count);
    }
    return ByteBuffer.allocate(Math.multiplyExact(count, type.bytes()))
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * What an element is.
   *
   * @return the element type
   */
  public ElementType type() {
    return type;
  }

  /**
   * Sizes of the dimensions.
   *
   * @return the sizes, outermost first; empty for a scalar
   */
  public long[] shape() {
    return shape.clone();
  }

  /**
   * How many values it has.
   *
   * @return number of elements
   */
  public int count() {
    return data.length / type.bytes();
  }

  byte[] data() {
    return data;
  }

  private ByteBuffer buffer() {
    return ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * Its values, exactly.
   *
   * @return the values of a floating-point tensor
   * @throws IllegalStateException for any other type
   */
  public double[] toDoubles() {
    double[] values = new double[count()];
    ByteBuffer in = buffer();
    switch (type) {
      case F64 -> in.asDoubleBuffer().get(values);
      case F32 -> Arrays.setAll(values, k -> in.getFloat(4 * k));
      case F16 -> Arrays.setAll(values, k -> halfToFloat(in.getShort(2 * k)));
      case BF16 ->
          Arrays.setAll(values, k -> Float.intBitsToFloat((in.getShort(2 * k) & 0xFFFF) << 16));
      default -> throw new IllegalStateException(type + " is not a floating-point type");
    }
    return values;
  }

  /**
   * Its values in single precision.
   *
   * @return the values of a floating-point tensor, rounded to float where they are F64
   * @throws IllegalStateException for any other type
   */
  public float[] toFloats() {
    double[] values = toDoubles();
    float[] floats = new float[values.length];
    for (int k = 0; k < floats.length; k++) {
      floats[k] = (float) values[k];
    }
    return floats;
  }

  /**
   * Its values as integers.
   *
   * @return the values of an I64 tensor
   * @throws IllegalStateException for any other type
   */
  public long[] toLongs() {
    if (type != ElementType.I64) {
      throw new IllegalStateException(type + " is not I64");
    }
    long[] values = new long[count()];
    buffer().asLongBuffer().get(values);
    return values;
  }

  /** IEEE binary16 to binary32, exact (JDK 17 has no method for it). */
  static float halfToFloat(short half) {
    int sign = (half & 0x8000) << 16;
    int exponent = (half >> 10) & 0x1F;
    int fraction = half & 0x3FF;
    if (exponent == 0) {
      float magnitude = fraction * 0x1p-24f;
      return sign == 0 ? magnitude : -magnitude;
    }
    if (exponent == 0x1F) {
      return Float.intBitsToFloat(sign | 0x7F800000 | (fraction << 13));
    }
    return Float.intBitsToFloat(sign | ((exponent + 112) << 23) | (fraction << 13));
  }
}
