package dev.fusedrnn;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Host memory through which arrays go to and from a device, chunk by chunk. */
final class Staging {
  /** 1 MiB: large enough to hide a call's cost, small beside anything that is trained. */
  static final int BYTES = 1 << 20;

  private final ByteBuffer buffer = ByteBuffer.allocateDirect(BYTES).order(ByteOrder.nativeOrder());

  /** The memory; hold this object's monitor while using it. */
  ByteBuffer buffer() {
    return buffer;
  }
}
