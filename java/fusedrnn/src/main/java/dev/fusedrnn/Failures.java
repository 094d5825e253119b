package dev.fusedrnn;

import java.util.Arrays;

/** The sentences of refused calls. */
final class Failures {
  private Failures() {}

  /**
   * Turns a status into an exception; the only place that does so.
   *
   * @param status not 0
   * @param device where the call ran
   * @param operation what was asked, as the user wrote it, with its shapes
   */
  static FusedRnnException of(int status, Device device, String operation) {
    Status why = Status.of(status);
    String text = device.engineOrClosed().lastError();
    String message =
        operation
            + " on "
            + device
            + " failed ("
            + why
            + "): "
            + (text.isEmpty() ? "no further detail" : text)
            + cure(why, device.backend(), text);
    return why == Status.UNAVAILABLE
        ? new BackendUnavailableException(device.backend(), message)
        : new FusedRnnException(why, message);
  }

  private static String cure(Status why, Backend backend, String text) {
    return switch (why) {
      case WORKSPACE_TOO_SMALL -> ". Size it by Rnn.sizes(...) of the same steps and batch.";
      case UNSUPPORTED ->
          backend == Backend.REFERENCE || text.contains("packed_dtype")
              ? ""
              : ". The `reference` backend may serve it.";
      case OUT_OF_MEMORY -> ". Close buffers that are no longer used, or lower batch or steps.";
      case DEVICE_ERROR -> ". Close the device and open it again; run `fusedrnn doctor`.";
      case INTERNAL -> ". This is a fault of fusedrnn; please report it.";
      default -> "";
    };
  }

  /** Checks that a buffer has a shape: all dimensions, or only their product for a flat buffer. */
  static void checkShape(String name, DeviceBuffer buffer, long... expected) {
    long elements = elements(name, expected);
    boolean flat = buffer.rank() == 1;
    if (flat ? buffer.length() == elements : buffer.hasShape(expected)) {
      return;
    }
    throw new IllegalArgumentException(
        flat && expected.length != 1
            ? name
                + ": expected "
                + Arrays.toString(expected)
                + " = "
                + elements
                + " elements, got "
                + buffer.length()
            : name
                + ": expected "
                + Arrays.toString(expected)
                + ", got "
                + Arrays.toString(buffer.shape()));
  }

  /** Multiplies a shape out, refusing negative sizes and overflow. */
  static long elements(String name, long... shape) {
    long elements = 1;
    for (long size : shape) {
      if (size < 0) {
        throw new IllegalArgumentException(
            name + ": expected sizes of at least 0, got " + Arrays.toString(shape));
      }
      try {
        elements = Math.multiplyExact(elements, size);
      } catch (ArithmeticException e) {
        throw new IllegalArgumentException(
            name + ": " + Arrays.toString(shape) + " has more than 2^63 elements", e);
      }
    }
    return elements;
  }

  /** Refuses a size below a limit. */
  static long atLeast(long limit, String name, long value) {
    if (value < limit) {
      throw new IllegalArgumentException(name + ": expected at least " + limit + ", got " + value);
    }
    return value;
  }

  /** Refuses what is not a number. */
  static double number(String name, double value) {
    if (Double.isNaN(value)) {
      throw new IllegalArgumentException(name + ": expected a number, got NaN");
    }
    return value;
  }
}
