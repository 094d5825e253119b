package dev.fusedrnn.internal;

import dev.fusedrnn.DType;
import dev.fusedrnn.Status;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.TreeMap;

/**
 * The memory of one reference device: heap arrays under made-up addresses. Every access says its
 * length and is refused where it leaves its allocation.
 */
final class ReferenceMemory {
  private static final long ALIGNMENT = 256;

  private final TreeMap<Long, ByteBuffer> allocations = new TreeMap<>();
  private long next = 1L << 32; // far from 0 and from any int, so that a mistaken value is refused

  synchronized long allocate(long bytes) {
    if (bytes == 0) {
      return 0;
    }
    if (bytes > Integer.MAX_VALUE - 8) {
      throw new Refusal(
          Status.OUT_OF_MEMORY, "an allocation of the reference backend is at most 2 GiB");
    }
    long address = next;
    try {
      allocations.put(address, ByteBuffer.allocate((int) bytes).order(ByteOrder.nativeOrder()));
    } catch (OutOfMemoryError e) {
      throw new Refusal(
          Status.OUT_OF_MEMORY, bytes + " bytes do not fit the Java heap; raise -Xmx");
    }
    // One alignment of nothing after each allocation makes an overrun land nowhere.
    next += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + ALIGNMENT;
    return address;
  }

  synchronized void free(long address) {
    if (allocations.remove(address) == null) {
      throw new Refusal(
          Status.INVALID_ARGUMENT, "address " + address + " was not allocated or is freed");
    }
  }

  /** The bytes from an address on, as a buffer of exactly this size. */
  synchronized ByteBuffer at(long address, long bytes) {
    if (bytes == 0) {
      return ByteBuffer.allocate(0);
    }
    Map.Entry<Long, ByteBuffer> entry = allocations.floorEntry(address);
    long offset = entry == null ? 0 : address - entry.getKey();
    if (entry == null || offset + bytes > entry.getValue().capacity()) {
      throw new Refusal(
          Status.INVALID_ARGUMENT,
          "no memory of this device holds " + bytes + " bytes at address " + address);
    }
    return entry.getValue().slice((int) offset, (int) bytes).order(ByteOrder.nativeOrder());
  }

  /** Reads a tensor; an absent one (address 0) reads as zeros. */
  double[] load(long address, long elements, DType dtype) {
    double[] values = new double[Math.toIntExact(elements)];
    if (address == 0) {
      return values;
    }
    ByteBuffer bytes = at(address, elements * dtype.bytes());
    if (dtype == DType.F64) {
      bytes.asDoubleBuffer().get(values);
    } else if (dtype == DType.F32) {
      for (int k = 0; k < values.length; k++) {
        values[k] = bytes.getFloat(4 * k);
      }
    } else {
      for (int k = 0; k < values.length; k++) {
        short bits = bytes.getShort(2 * k);
        values[k] = dtype == DType.BF16 ? Half.fromBf16(bits) : Half.fromF16(bits);
      }
    }
    return values;
  }

  /** Writes a tensor, rounded to its type; an absent one (address 0) is passed over. */
  void store(long address, double[] values, DType dtype) {
    if (address == 0) {
      return;
    }
    ByteBuffer bytes = at(address, (long) values.length * dtype.bytes());
    if (dtype == DType.F64) {
      bytes.asDoubleBuffer().put(values);
    } else if (dtype == DType.F32) {
      for (int k = 0; k < values.length; k++) {
        bytes.putFloat(4 * k, (float) values[k]);
      }
    } else {
      for (int k = 0; k < values.length; k++) {
        float value = (float) values[k];
        bytes.putShort(2 * k, dtype == DType.BF16 ? Half.toBf16(value) : Half.toF16(value));
      }
    }
  }

  /** As {@link #store}, or adds to what is there. */
  void store(long address, double[] values, DType dtype, boolean accumulate) {
    if (accumulate && address != 0) {
      double[] sum = load(address, values.length, dtype);
      for (int k = 0; k < sum.length; k++) {
        sum[k] += values[k];
      }
      store(address, sum, dtype);
    } else {
      store(address, values, dtype);
    }
  }

  int[] loadInts(long address, long elements) {
    int[] values = new int[Math.toIntExact(elements)];
    at(address, 4 * elements).asIntBuffer().get(values);
    return values;
  }
}
