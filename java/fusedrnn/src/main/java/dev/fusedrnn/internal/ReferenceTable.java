package dev.fusedrnn.internal;

import dev.fusedrnn.DType;
import dev.fusedrnn.Status;
import java.nio.ByteBuffer;

/** Parallel lists of tensors in the memory of a reference device. */
final class ReferenceTable {
  /** Count and layout; then lengths, then addresses, list by list. */
  private static final int HEADER_WORDS = 2;

  private final ReferenceMemory memory;
  private final long address;
  private final int count;
  private final long layout;

  /** Reads the table that a call names; refuses one of another layout. */
  ReferenceTable(ReferenceMemory memory, long address, long layout) {
    this.memory = memory;
    this.address = address;
    this.count = (int) word(0);
    this.layout = word(1);
    if (this.layout != layout) {
      throw new Refusal(
          Status.INVALID_ARGUMENT, "table: expected layout " + layout + ", got " + this.layout);
    }
  }

  static long bytes(TensorTable tensors) {
    return 8L * (HEADER_WORDS + tensors.count() * (1 + tensors.lists()));
  }

  /** The number of lists in the lowest 4 bits, then 4 bits for the type of each. */
  static long layout(TensorTable tensors) {
    long layout = tensors.lists();
    for (int list = 0; list < tensors.lists(); list++) {
      layout |= tensors.dtype(list) << (4 + 4 * list);
    }
    return layout;
  }

  static void write(ReferenceMemory memory, TensorTable tensors, long table, long bytes) {
    if (bytes < bytes(tensors)) {
      throw new Refusal(
          Status.WORKSPACE_TOO_SMALL, "table: expected " + bytes(tensors) + " bytes, got " + bytes);
    }
    ByteBuffer words = memory.at(table, bytes(tensors));
    words.putLong(tensors.count()).putLong(layout(tensors));
    for (int k = 0; k < tensors.count(); k++) {
      words.putLong(tensors.length(k));
    }
    for (int list = 0; list < tensors.lists(); list++) {
      for (int k = 0; k < tensors.count(); k++) {
        words.putLong(tensors.address(list, k));
      }
    }
  }

  private long word(long index) {
    return memory.at(address + 8 * index, 8).getLong(0);
  }

  int count() {
    return count;
  }

  int lists() {
    return (int) (layout & 15);
  }

  DType dtype(int list) {
    return DType.values()[(int) (layout >> (4 + 4 * list) & 15)];
  }

  /** Whether the last list is a copy of the parameters in 16 bits. */
  boolean hasCopy() {
    return lists() > 2 && dtype(lists() - 1).bytes() == 2;
  }

  double[] load(int list, int k) {
    return memory.load(tensor(list, k), word(HEADER_WORDS + k), dtype(list));
  }

  void store(int list, int k, double[] values) {
    memory.store(tensor(list, k), values, dtype(list));
  }

  private long tensor(int list, int k) {
    return word(HEADER_WORDS + (long) count * (1 + list) + k);
  }
}
