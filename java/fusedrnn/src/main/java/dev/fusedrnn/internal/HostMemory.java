package dev.fusedrnn.internal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Memory of the host that a device copies to and from by itself. */
public final class HostMemory {
  private final ByteBuffer bytes;
  private long address;

  /** Makes zeroed memory. */
  public HostMemory(int size) {
    bytes = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder());
  }

  /** The memory, from 0 to its capacity, in native order. */
  public ByteBuffer bytes() {
    return bytes;
  }

  /** Where it lies; asks the native library once. */
  long address() {
    if (address == 0) {
      address = Natives.addressOf(bytes);
    }
    return address;
  }
}
