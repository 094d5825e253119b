package dev.fusedrnn;

/**
 * The data of a step as one piece of memory, so that one copy brings it to the device: the number
 * of the step, what the net reads, what it should learn.
 */
final class TrainingFeed implements AutoCloseable {
  private static final long ALIGNMENT = 256;

  private final boolean hasIds;
  private final boolean hasClasses;
  private final long inputBytes;
  private final long targetBytes;
  private final DeviceBuffer buffer;

  /**
   * Allocates it on the device.
   *
   * @param inputBytes of ids or x
   * @param hasIds whether they are ids
   * @param targetBytes of classes or values
   * @param hasClasses whether they are classes
   */
  TrainingFeed(
      Device device, long inputBytes, boolean hasIds, long targetBytes, boolean hasClasses) {
    this.inputBytes = inputBytes;
    this.hasIds = hasIds;
    this.targetBytes = targetBytes;
    this.hasClasses = hasClasses;
    long bytes = aligned(targetsAt() + targetBytes);
    if (bytes > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "batch: expected data of less than 2 GiB for one step, got " + bytes + " bytes");
    }
    this.buffer = device.allocate(DType.I32, bytes / 4);
  }

  private static long aligned(long bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  boolean hasIds() {
    return hasIds;
  }

  boolean hasClasses() {
    return hasClasses;
  }

  long inputsAt() {
    return ALIGNMENT;
  }

  long inputBytes() {
    return inputBytes;
  }

  long targetsAt() {
    return ALIGNMENT + aligned(inputBytes);
  }

  long targetBytes() {
    return targetBytes;
  }

  /** All of it. */
  DeviceBuffer buffer() {
    return buffer;
  }

  /** The number of the step, 8 bytes. */
  DeviceBuffer step() {
    return buffer.slice(0, 2);
  }

  /** What the net reads. */
  DeviceBuffer inputs(DType dtype, long... shape) {
    return buffer.device().wrap(dtype, buffer.address() + inputsAt(), shape);
  }

  /** What it should learn. */
  DeviceBuffer targets(DType dtype, long... shape) {
    return buffer.device().wrap(dtype, buffer.address() + targetsAt(), shape);
  }

  @Override
  public void close() {
    buffer.close();
  }
}
