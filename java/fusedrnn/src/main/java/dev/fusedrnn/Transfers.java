package dev.fusedrnn;

import dev.fusedrnn.internal.Half;
import java.nio.ByteBuffer;

/** Copies between host arrays and device memory through a device's staging memory. */
final class Transfers {
  private Transfers() {}

  /** Moves elements between an array and staging memory. */
  private interface Mover {
    void move(ByteBuffer staging, int first, int count);
  }

  static int arrayLength(DeviceBuffer buffer) {
    if (buffer.length() > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(buffer + " is too large for one array; read slices of it");
    }
    return (int) buffer.length();
  }

  static void write(DeviceBuffer buffer, float[] values) {
    checkLength(buffer, values.length);
    switch (buffer.dtype()) {
      case F32 -> in(buffer, (s, at, n) -> s.asFloatBuffer().put(values, at, n));
      case F64 ->
          in(
              buffer,
              (s, at, n) -> {
                for (int k = 0; k < n; k++) {
                  s.putDouble(8 * k, values[at + k]);
                }
              });
      case BF16, F16 -> inHalves(buffer, k -> values[k]);
      default -> throw wrongType(buffer, "float[]");
    }
  }

  static void write(DeviceBuffer buffer, double[] values) {
    checkLength(buffer, values.length);
    switch (buffer.dtype()) {
      case F64 -> in(buffer, (s, at, n) -> s.asDoubleBuffer().put(values, at, n));
      case F32 ->
          in(
              buffer,
              (s, at, n) -> {
                for (int k = 0; k < n; k++) {
                  s.putFloat(4 * k, (float) values[at + k]);
                }
              });
      case BF16, F16 -> inHalves(buffer, k -> (float) values[k]);
      default -> throw wrongType(buffer, "double[]");
    }
  }

  /** An element of a host array. */
  private interface Source {
    float at(int index);
  }

  /** Takes an element into a host array. */
  private interface Sink {
    void accept(int index, float value);
  }

  private static void inHalves(DeviceBuffer buffer, Source source) {
    boolean bf16 = buffer.dtype() == DType.BF16;
    in(
        buffer,
        (s, at, n) -> {
          for (int k = 0; k < n; k++) {
            float value = source.at(at + k);
            s.putShort(2 * k, bf16 ? Half.toBf16(value) : Half.toF16(value));
          }
        });
  }

  private static void outHalves(DeviceBuffer buffer, Sink sink) {
    boolean bf16 = buffer.dtype() == DType.BF16;
    out(
        buffer,
        (s, at, n) -> {
          for (int k = 0; k < n; k++) {
            short bits = s.getShort(2 * k);
            sink.accept(at + k, bf16 ? Half.fromBf16(bits) : Half.fromF16(bits));
          }
        });
  }

  static void write(DeviceBuffer buffer, int[] values) {
    checkLength(buffer, values.length);
    if (buffer.dtype() != DType.I32) {
      throw wrongType(buffer, "int[]");
    }
    in(buffer, (s, at, n) -> s.asIntBuffer().put(values, at, n));
  }

  static void write(DeviceBuffer buffer, ByteBuffer values) {
    checkBytes(buffer, values);
    int unit = buffer.dtype().bytes();
    in(
        buffer,
        (s, at, n) -> {
          s.put(0, values, values.position(), n * unit);
          values.position(values.position() + n * unit);
        });
  }

  static void read(DeviceBuffer buffer, float[] values) {
    checkLength(buffer, values.length);
    switch (buffer.dtype()) {
      case F32 -> out(buffer, (s, at, n) -> s.asFloatBuffer().get(values, at, n));
      case F64 ->
          out(
              buffer,
              (s, at, n) -> {
                for (int k = 0; k < n; k++) {
                  values[at + k] = (float) s.getDouble(8 * k);
                }
              });
      case BF16, F16 -> outHalves(buffer, (k, value) -> values[k] = value);
      default -> throw wrongType(buffer, "float[]");
    }
  }

  static void read(DeviceBuffer buffer, double[] values) {
    checkLength(buffer, values.length);
    switch (buffer.dtype()) {
      case F64 -> out(buffer, (s, at, n) -> s.asDoubleBuffer().get(values, at, n));
      case F32 ->
          out(
              buffer,
              (s, at, n) -> {
                for (int k = 0; k < n; k++) {
                  values[at + k] = s.getFloat(4 * k);
                }
              });
      case BF16, F16 -> outHalves(buffer, (k, value) -> values[k] = value);
      default -> throw wrongType(buffer, "double[]");
    }
  }

  static void read(DeviceBuffer buffer, int[] values) {
    checkLength(buffer, values.length);
    if (buffer.dtype() != DType.I32) {
      throw wrongType(buffer, "int[]");
    }
    out(buffer, (s, at, n) -> s.asIntBuffer().get(values, at, n));
  }

  static void read(DeviceBuffer buffer, ByteBuffer values) {
    checkBytes(buffer, values);
    int unit = buffer.dtype().bytes();
    out(
        buffer,
        (s, at, n) -> {
          values.put(values.position(), s, 0, n * unit);
          values.position(values.position() + n * unit);
        });
  }

  private static void in(DeviceBuffer buffer, Mover mover) {
    run(buffer, mover, true);
  }

  private static void out(DeviceBuffer buffer, Mover mover) {
    run(buffer, mover, false);
  }

  private static void run(DeviceBuffer buffer, Mover mover, boolean toDevice) {
    Device device = buffer.device();
    long address = buffer.address();
    int unit = buffer.dtype().bytes();
    int chunk = Staging.BYTES / unit;
    Staging staging = device.staging();
    device.synchronize();
    synchronized (staging) {
      ByteBuffer host = staging.buffer();
      for (long at = 0; at < buffer.length(); at += chunk) {
        int count = (int) Math.min(chunk, buffer.length() - at);
        host.clear().limit(count * unit);
        if (toDevice) {
          mover.move(host, (int) at, count);
          device.check(device.engine().copyIn(address + at * unit, host), "DeviceBuffer.write");
        } else {
          device.check(device.engine().copyOut(host, address + at * unit), "DeviceBuffer.read");
          mover.move(host, (int) at, count);
        }
      }
    }
  }

  private static void checkLength(DeviceBuffer buffer, long length) {
    if (length != buffer.length()) {
      throw new IllegalArgumentException(
          "values: expected " + buffer.length() + " for " + buffer + ", got " + length);
    }
  }

  private static void checkBytes(DeviceBuffer buffer, ByteBuffer values) {
    if (values.remaining() != buffer.bytes()) {
      throw new IllegalArgumentException(
          "values: expected "
              + buffer.bytes()
              + " bytes for "
              + buffer
              + ", got "
              + values.remaining());
    }
  }

  private static IllegalArgumentException wrongType(DeviceBuffer buffer, String array) {
    return new IllegalArgumentException(
        array + ": expected a buffer of a matching type, got " + buffer);
  }
}
