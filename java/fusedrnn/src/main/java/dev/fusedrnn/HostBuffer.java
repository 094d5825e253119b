package dev.fusedrnn;

import dev.fusedrnn.internal.HostMemory;
import java.nio.ByteBuffer;

/**
 * Page-locked memory of the host: a device copies to and from it in stream order, without the host
 * waiting, and copies that a {@link Graph} holds need it. The memory itself is the garbage
 * collector's: reading {@link #bytes()} after {@link #close()} gives old numbers and no crash.
 * Threads: one at a time; what a copy on its way reads must not be written meanwhile.
 */
public final class HostBuffer implements AutoCloseable {
  private final Device device;
  private final HostMemory memory;
  private final LeakWatch.Ticket leak;
  private boolean closed;

  HostBuffer(Device device, int bytes) {
    this.device = device;
    this.memory = new HostMemory((int) Failures.atLeast(1, "bytes", bytes));
    device.check(device.engine().hostRegister(memory), "Device.newHostBuffer(" + bytes + ")");
    device.keep(memory);
    this.leak = LeakWatch.watch(this, "HostBuffer of " + bytes + " bytes of " + device);
  }

  /**
   * The memory, zeroed at first.
   *
   * @return all of it, in native order; the same object each time
   */
  public ByteBuffer bytes() {
    return memory.bytes();
  }

  /** The memory for a copy of some bytes; refuses what does not fit. */
  HostMemory memoryFor(Device wanted, long offset, long bytes) {
    if (closed) {
      throw new IllegalStateException("HostBuffer of " + device + " is closed");
    }
    if (wanted != device) {
      throw new IllegalArgumentException(
          "host buffer: expected one of device "
              + wanted
              + ", got one of another device "
              + device);
    }
    if (offset < 0 || offset + bytes > memory.bytes().capacity()) {
      throw new IndexOutOfBoundsException(
          "host buffer: expected room for "
              + bytes
              + " bytes from byte "
              + offset
              + ", got "
              + memory.bytes().capacity()
              + " bytes in all");
    }
    return memory;
  }

  /** Waits for the device and gives the memory back; idempotent. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    leak.closed();
    device.check(device.engine().hostUnregister(memory), "HostBuffer.close");
    device.release(memory);
  }
}
