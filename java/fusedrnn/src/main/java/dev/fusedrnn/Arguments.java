package dev.fusedrnn;

import dev.fusedrnn.internal.Struct;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The argument struct of one kind of call with the buffers bound to it. Shapes are checked when a
 * buffer is bound, presence and closedness before each call; a call itself allocates nothing.
 *
 * @param <F> the fields of the struct
 */
final class Arguments<F extends Enum<F>> {
  private final Device device;
  private final Struct<F> struct;
  private final F[] fields;
  private final @Nullable DeviceBuffer[] bound;

  Arguments(Device device, Class<F> fields) {
    this.device = Objects.requireNonNull(device, "device");
    this.struct = new Struct<>(fields);
    this.fields = fields.getEnumConstants();
    this.bound = new DeviceBuffer[this.fields.length];
  }

  Device device() {
    return device;
  }

  Struct<F> struct() {
    return struct;
  }

  /** Binds a tensor, or unbinds with null. */
  void bind(
      F field, String name, @Nullable DeviceBuffer buffer, DType dtype, long... expectedShape) {
    if (buffer != null) {
      check(name, buffer, dtype, expectedShape);
    }
    put(field, buffer);
  }

  /** Refuses a tensor of another device, type or shape. */
  void check(String name, DeviceBuffer buffer, DType dtype, long... expectedShape) {
    checkDevice(name, buffer);
    if (buffer.dtype() != dtype) {
      throw new IllegalArgumentException(
          name + ": expected " + dtype.label() + ", got " + buffer.dtype().label());
    }
    Failures.checkShape(name, buffer, expectedShape);
  }

  /** Binds scratch memory of any type and its size in bytes. */
  void bindBytes(F field, F sizeField, String name, @Nullable DeviceBuffer buffer) {
    if (buffer != null) {
      checkDevice(name, buffer);
    }
    put(field, buffer);
    struct.set(sizeField, buffer == null ? 0 : buffer.bytes());
  }

  private void checkDevice(String name, DeviceBuffer buffer) {
    if (buffer.device() != device) {
      throw new IllegalArgumentException(
          name
              + ": expected a buffer of device "
              + device
              + ", got one of another device "
              + buffer.device());
    }
  }

  private void put(F field, @Nullable DeviceBuffer buffer) {
    bound[field.ordinal()] = buffer;
    struct.set(field, buffer == null ? 0 : buffer.address());
  }

  /** The buffer bound to a field. */
  @Nullable DeviceBuffer get(F field) {
    return bound[field.ordinal()];
  }

  /** Refuses a call in which a needed buffer is absent. */
  void require(F field, String name) {
    if (bound[field.ordinal()] == null) {
      throw new IllegalStateException(name + ": not set, but this call needs it");
    }
  }

  /** Refuses a call with a closed buffer. */
  void checkOpen() {
    for (int k = 0; k < bound.length; k++) {
      DeviceBuffer buffer = bound[k];
      if (buffer != null && buffer.isClosed()) {
        throw new IllegalStateException(fields[k] + ": " + buffer + " is closed");
      }
    }
  }

  /** Throws where the call failed. */
  void check(int status, String operation) {
    if (status != 0) {
      throw Failures.of(status, device, operation + describe());
    }
  }

  private String describe() {
    List<String> shapes = new ArrayList<>();
    for (int k = 0; k < bound.length; k++) {
      DeviceBuffer buffer = bound[k];
      if (buffer != null) {
        shapes.add(
            fields[k].name().toLowerCase(Locale.ROOT)
                + " "
                + buffer.dtype().label()
                + Arrays.toString(buffer.shape()));
      }
    }
    return shapes.toString();
  }
}
