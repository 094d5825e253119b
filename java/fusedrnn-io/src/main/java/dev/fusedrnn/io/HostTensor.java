package dev.fusedrnn.io;

import java.util.Arrays;

/** A dense, row-major tensor on the host, in double precision so that no format loses anything. */
public final class HostTensor {
  private final double[] values;
  private final long[] shape;

  /**
   * Wraps values.
   *
   * @param values row-major; kept, not copied
   * @param shape sizes, outermost first; their product is the number of values
   * @throws IllegalArgumentException where it is not
   */
  public HostTensor(double[] values, long... shape) {
    long count = 1;
    for (long size : shape) {
      count = Math.multiplyExact(count, size);
    }
    if (count != values.length) {
      throw new IllegalArgumentException(
          "values: expected " + Arrays.toString(shape) + " = " + count + ", got " + values.length);
    }
    this.values = values;
    this.shape = shape.clone();
  }

  /**
   * The values themselves.
   *
   * @return row-major; not a copy
   */
  public double[] values() {
    return values;
  }

  /**
   * Sizes of the dimensions.
   *
   * @return a copy, outermost first
   */
  public long[] shape() {
    return shape.clone();
  }

  /** Whether the sizes are these. */
  boolean hasShape(long... expected) {
    return Arrays.equals(shape, expected);
  }

  /** Itself where it has a shape; else an exception that names it. */
  HostTensor require(String name, long... expected) {
    if (!hasShape(expected)) {
      throw new FormatException(
          name + ": expected " + Arrays.toString(expected) + ", got " + Arrays.toString(shape));
    }
    return this;
  }

  @Override
  public String toString() {
    return "HostTensor" + Arrays.toString(shape);
  }
}
