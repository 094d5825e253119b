package dev.fusedrnn;

import dev.fusedrnn.internal.HostMemory;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A dense, row-major tensor in a device's memory, or a view of one.
 *
 * <p>Reads and writes by arrays are synchronous: they wait for all work on the device, copy and
 * wait again. {@code copyFrom} and {@code zero} are enqueued on a stream. Threads: one at a time.
 */
public final class DeviceBuffer implements AutoCloseable {
  private final Device device;
  private final DType dtype;
  private final long[] shape;
  private final long length;
  private final long address;
  private final @Nullable DeviceBuffer owner;
  private final LeakWatch.@Nullable Ticket leak;
  private @Nullable ByteBuffer host; // wrapped memory of Java's, kept from the garbage collector
  private volatile boolean closed;

  private DeviceBuffer(
      Device device,
      DType dtype,
      long[] shape,
      long address,
      @Nullable DeviceBuffer owner,
      boolean owning) {
    this.device = device;
    this.dtype = dtype;
    this.shape = shape;
    this.length = Failures.elements("buffer", shape);
    this.address = address;
    this.owner = owner;
    this.leak =
        owning
            ? LeakWatch.watch(
                this, "DeviceBuffer " + dtype.label() + Arrays.toString(shape) + " of " + device)
            : null;
  }

  static DeviceBuffer allocate(Device device, DType dtype, long... shape) {
    Objects.requireNonNull(dtype, "dtype");
    long[] sizes = shape.clone();
    long elements = Failures.elements("allocate", sizes);
    if (elements > Long.MAX_VALUE / 8) {
      throw new IllegalArgumentException(
          "allocate: " + Arrays.toString(sizes) + " has more than 2^63 bytes");
    }
    long[] address = new long[1];
    int status = device.engine().allocate(elements * dtype.bytes(), address);
    if (status != 0) {
      throw Failures.of(
          status, device, "Device.allocate(" + dtype.label() + Arrays.toString(sizes) + ")");
    }
    return new DeviceBuffer(device, dtype, sizes, address[0], null, true);
  }

  static DeviceBuffer wrap(Device device, DType dtype, long address, long... shape) {
    Objects.requireNonNull(dtype, "dtype");
    long[] sizes = shape.clone();
    if (address == 0 && Failures.elements("wrap", sizes) > 0) {
      throw new IllegalArgumentException(
          "wrap: expected an address for " + Arrays.toString(sizes) + ", got 0");
    }
    return new DeviceBuffer(device, dtype, sizes, address, null, false);
  }

  static DeviceBuffer wrap(Device device, DType dtype, ByteBuffer memory, long... shape) {
    Objects.requireNonNull(dtype, "dtype");
    if (device.backend() != Backend.CPU) {
      throw new IllegalArgumentException(
          "memory: expected a device of the backend cpu, which alone computes in Java's memory, got "
              + device);
    }
    if (!memory.isDirect()) {
      throw new IllegalArgumentException(
          "memory: expected a direct buffer (ByteBuffer.allocateDirect), got one on the heap, which"
              + " the garbage collector moves");
    }
    long bytes = Failures.elements("wrap", shape) * dtype.bytes();
    if (memory.remaining() < bytes) {
      throw new IllegalArgumentException(
          "memory: expected " + bytes + " bytes from its position, got " + memory.remaining());
    }
    long address = bytes == 0 ? 0 : device.engine().hostAddress(memory) + memory.position();
    if (address % dtype.bytes() != 0) {
      throw new IllegalArgumentException(
          "memory: expected a multiple of " + dtype.bytes() + " bytes as its address");
    }
    DeviceBuffer buffer = wrap(device, dtype, address, shape);
    buffer.host = memory;
    return buffer;
  }

  /**
   * The device whose memory this is.
   *
   * @return the device
   */
  public Device device() {
    return device;
  }

  /**
   * Element type.
   *
   * @return the type
   */
  public DType dtype() {
    return dtype;
  }

  /**
   * Number of elements.
   *
   * @return at least 0
   */
  public long length() {
    return length;
  }

  /**
   * Size in bytes.
   *
   * @return length times bytes of an element
   */
  public long bytes() {
    return length * dtype.bytes();
  }

  /**
   * Sizes of the dimensions.
   *
   * @return a copy
   */
  public long[] shape() {
    return shape.clone();
  }

  /** Number of dimensions. */
  int rank() {
    return shape.length;
  }

  /** Whether the sizes are these. */
  boolean hasShape(long... expected) {
    return Arrays.equals(shape, expected);
  }

  /**
   * Device address of the first element, for interoperation.
   *
   * @return 0 only where the buffer is empty
   * @throws IllegalStateException once closed
   */
  public long address() {
    if (isClosed()) {
      throw new IllegalStateException(this + " is closed");
    }
    return address;
  }

  /**
   * Whether this buffer, or the one it is a view of, was closed.
   *
   * @return true once closed
   */
  public boolean isClosed() {
    return closed || (owner != null && owner.isClosed());
  }

  /**
   * A flat view of a range; it ends with this buffer, and closing it frees nothing.
   *
   * @param offset first element
   * @param count elements
   * @return the view
   * @throws IndexOutOfBoundsException where the range is not inside this buffer
   */
  public DeviceBuffer slice(long offset, long count) {
    Objects.checkFromIndexSize(offset, count, length);
    long start = count == 0 ? 0 : address() + offset * dtype.bytes();
    return new DeviceBuffer(device, dtype, new long[] {count}, start, this, false);
  }

  /**
   * A view of the same elements with another shape.
   *
   * @param sizes sizes with the same product
   * @return the view; closing it frees nothing
   * @throws IllegalArgumentException where the product differs
   */
  public DeviceBuffer view(long... sizes) {
    if (Failures.elements("view", sizes) != length) {
      throw new IllegalArgumentException(
          "view: expected " + length + " elements, got " + Arrays.toString(sizes));
    }
    return new DeviceBuffer(device, dtype, sizes.clone(), address(), this, false);
  }

  /**
   * Writes all elements, converted to the type of this buffer (16-bit types: nearest, ties to
   * even).
   *
   * @param values as many as {@link #length()}
   * @return this
   */
  public DeviceBuffer write(float[] values) {
    Transfers.write(this, values);
    return this;
  }

  /**
   * Writes all elements, rounded to the type of this buffer, to a 16-bit type by way of float.
   *
   * @param values as many as {@link #length()}
   * @return this
   */
  public DeviceBuffer write(double[] values) {
    Transfers.write(this, values);
    return this;
  }

  /**
   * Writes all elements of an {@link DType#I32} buffer.
   *
   * @param values as many as {@link #length()}
   * @return this
   */
  public DeviceBuffer write(int[] values) {
    Transfers.write(this, values);
    return this;
  }

  /**
   * Writes raw bytes in native order.
   *
   * @param values from position to limit as many as {@link #bytes()}; its position moves to the
   *     limit
   * @return this
   */
  public DeviceBuffer write(ByteBuffer values) {
    Transfers.write(this, values);
    return this;
  }

  /**
   * Reads all elements; rounded to float where this is {@link DType#F64}.
   *
   * @return a new array
   */
  public float[] readFloats() {
    float[] values = new float[Transfers.arrayLength(this)];
    Transfers.read(this, values);
    return values;
  }

  /**
   * Reads all elements of a floating-point buffer.
   *
   * @return a new array
   */
  public double[] readDoubles() {
    double[] values = new double[Transfers.arrayLength(this)];
    Transfers.read(this, values);
    return values;
  }

  /**
   * Reads all elements of an {@link DType#I32} buffer.
   *
   * @return a new array
   */
  public int[] readInts() {
    int[] values = new int[Transfers.arrayLength(this)];
    Transfers.read(this, values);
    return values;
  }

  /**
   * As {@link #readFloats()}, without allocation.
   *
   * @param values as many as {@link #length()}
   */
  public void readInto(float[] values) {
    Transfers.read(this, values);
  }

  /**
   * As {@link #readDoubles()}, without allocation.
   *
   * @param values as many as {@link #length()}
   */
  public void readInto(double[] values) {
    Transfers.read(this, values);
  }

  /**
   * As {@link #readInts()}, without allocation.
   *
   * @param values as many as {@link #length()}
   */
  public void readInto(int[] values) {
    Transfers.read(this, values);
  }

  /**
   * Reads raw bytes in native order.
   *
   * @param values from position to limit as many as {@link #bytes()}; its position moves to the
   *     limit
   */
  public void readInto(ByteBuffer values) {
    Transfers.read(this, values);
  }

  /**
   * Copies all elements from another buffer of the same device; enqueued.
   *
   * @param source same type and length
   * @param stream where to enqueue
   */
  public void copyFrom(DeviceBuffer source, Stream stream) {
    if (source.device != device) {
      throw new IllegalArgumentException(
          "source: expected a buffer of device " + device + ", got one of another device");
    }
    if (source.dtype != dtype || source.length != length) {
      throw new IllegalArgumentException("source: expected " + this + ", got " + source);
    }
    int status =
        device.engine().copy(address(), source.address(), bytes(), stream.handleFor(device));
    if (status != 0) {
      throw Failures.of(status, device, "DeviceBuffer.copyFrom of " + this);
    }
  }

  /**
   * Copies all elements from page-locked memory; enqueued.
   *
   * @param source in native order, of this buffer's type
   * @param offset first byte in it
   * @param stream where to enqueue
   * @throws IndexOutOfBoundsException where {@link #bytes()} do not fit behind the offset
   */
  public void copyFrom(HostBuffer source, long offset, Stream stream) {
    HostMemory memory = source.memoryFor(device, offset, bytes());
    long on = stream.handleFor(device);
    checkCopy(device.engine().copyFromHost(address(), memory, offset, bytes(), on));
  }

  /**
   * Copies all elements to page-locked memory; enqueued.
   *
   * @param destination gets this buffer's type in native order
   * @param offset first byte in it
   * @param stream where to enqueue
   * @throws IndexOutOfBoundsException where {@link #bytes()} do not fit behind the offset
   */
  public void copyTo(HostBuffer destination, long offset, Stream stream) {
    HostMemory memory = destination.memoryFor(device, offset, bytes());
    long on = stream.handleFor(device);
    checkCopy(device.engine().copyToHost(memory, offset, address(), bytes(), on));
  }

  private void checkCopy(int status) {
    if (status != 0) {
      throw Failures.of(status, device, "DeviceBuffer copy of " + this);
    }
  }

  /**
   * Sets all elements to zero; enqueued.
   *
   * @param stream where to enqueue
   */
  public void zero(Stream stream) {
    int status = device.engine().fill(address(), 0, bytes(), stream.handleFor(device));
    if (status != 0) {
      throw Failures.of(status, device, "DeviceBuffer.zero of " + this);
    }
  }

  /** Sets a range of elements to zero, without making a view of it; enqueued. */
  void zero(long offset, long count, Stream stream) {
    Objects.checkFromIndexSize(offset, count, length);
    long unit = dtype.bytes();
    long on = stream.handleFor(device);
    int status = device.engine().fill(address() + offset * unit, 0, count * unit, on);
    if (status != 0) {
      throw Failures.of(status, device, "DeviceBuffer.zero of " + this);
    }
  }

  /** Frees the memory, where this buffer allocated it; idempotent. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (leak != null) {
      leak.closed();
      if (address != 0) {
        device.check(device.engine().free(address), "DeviceBuffer.close");
      }
    }
  }

  @Override
  public String toString() {
    return "DeviceBuffer " + dtype.label() + Arrays.toString(shape) + " on " + device;
  }
}
