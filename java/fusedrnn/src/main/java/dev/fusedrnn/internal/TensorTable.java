package dev.fusedrnn.internal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/** {@code frnn_tensors} with the two host arrays that it points to. */
public final class TensorTable {
  private final Struct<Fields.Tensors> struct = new Struct<>(Fields.Tensors.class);
  private final ByteBuffer dtypes;
  private final ByteBuffer lengths;
  private final ByteBuffer addresses;

  /**
   * Describes parallel lists of tensors.
   *
   * @param dtypes for each list, the ordinal of its element type
   * @param lengths elements of each tensor
   * @param addresses for each list, the device address of each tensor
   */
  public TensorTable(long[] dtypes, long[] lengths, List<long[]> addresses) {
    this.dtypes = direct(dtypes.length);
    this.lengths = direct(lengths.length);
    this.addresses = direct(lengths.length * addresses.size());
    this.dtypes.asLongBuffer().put(dtypes);
    this.lengths.asLongBuffer().put(lengths);
    var all = this.addresses.asLongBuffer();
    addresses.forEach(all::put);
    struct.set(Fields.Tensors.COUNT, lengths.length);
    struct.set(Fields.Tensors.LISTS, addresses.size());
  }

  private static ByteBuffer direct(int words) {
    return ByteBuffer.allocateDirect(8 * words).order(ByteOrder.nativeOrder());
  }

  /** Tensors in a list. */
  int count() {
    return (int) struct.get(Fields.Tensors.COUNT);
  }

  /** Parallel lists. */
  int lists() {
    return (int) struct.get(Fields.Tensors.LISTS);
  }

  /** Ordinal of a list's element type. */
  long dtype(int list) {
    return dtypes.getLong(8 * list);
  }

  /** Elements of tensor {@code k}. */
  long length(int k) {
    return lengths.getLong(8 * k);
  }

  /** Address of tensor {@code k} of a list. */
  long address(int list, int k) {
    return addresses.getLong(8 * (list * count() + k));
  }

  /** The struct as the C door reads it. */
  long structAddress() {
    struct.set(Fields.Tensors.DTYPES, Natives.addressOf(dtypes));
    struct.set(Fields.Tensors.LENGTHS, Natives.addressOf(lengths));
    struct.set(Fields.Tensors.ADDRESSES, Natives.addressOf(addresses));
    return struct.address();
  }
}
