package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Struct;
import dev.fusedrnn.internal.TensorTable;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Parallel lists of tensors, described once in device memory for clipping and optimisers. Tensor k
 * has the same length in every list. The tensors must outlive this object. Threads: may be shared.
 */
public final class TensorList implements AutoCloseable {
  private static final int MOST_LISTS = 5;

  private final Device device;
  private final List<DType> dtypes;
  private final List<List<DeviceBuffer>> lists;
  private final long chunks;
  private final long layout;
  private final DeviceBuffer table;

  private TensorList(Device device, List<DType> dtypes, List<List<DeviceBuffer>> lists) {
    this.device = device;
    this.dtypes = dtypes;
    this.lists = lists;
    TensorTable tensors =
        new TensorTable(
            dtypes.stream().mapToLong(DType::ordinal).toArray(),
            lists.get(0).stream().mapToLong(DeviceBuffer::length).toArray(),
            lists.stream()
                .map(list -> list.stream().mapToLong(DeviceBuffer::address).toArray())
                .toList());
    Struct<Fields.TableSizes> sizes = new Struct<>(Fields.TableSizes.class);
    device.check(device.engine().tableBytes(tensors, sizes), "TensorList.of");
    this.chunks = sizes.get(Fields.TableSizes.CHUNKS);
    this.layout = sizes.get(Fields.TableSizes.LAYOUT);
    this.table = device.allocate(DType.F64, (sizes.get(Fields.TableSizes.BYTES) + 7) / 8);
    int status = device.engine().tableWrite(tensors, table.address(), table.bytes(), 0);
    if (status != 0) {
      table.close();
      throw Failures.of(status, device, "TensorList.of");
    }
  }

  /**
   * Describes parallel lists of one type.
   *
   * @param device where the tensors lie
   * @param dtype their element type
   * @param lists 1 to 5 lists of equally many tensors; tensor k has the same length in each
   * @return to be closed
   * @throws IllegalArgumentException naming the tensor that does not fit
   */
  public static TensorList of(
      Device device, DType dtype, List<? extends List<DeviceBuffer>> lists) {
    return of(device, Collections.nCopies(lists.size(), dtype), lists);
  }

  /**
   * Describes parallel lists.
   *
   * @param device where the tensors lie
   * @param dtypes the element type of each list
   * @param lists 1 to 5 lists of equally many tensors; tensor k has the same length in each
   * @return to be closed
   * @throws IllegalArgumentException naming the tensor that does not fit
   */
  public static TensorList of(
      Device device, List<DType> dtypes, List<? extends List<DeviceBuffer>> lists) {
    if (lists.isEmpty() || lists.size() > MOST_LISTS) {
      throw new IllegalArgumentException(
          "lists: expected 1 to " + MOST_LISTS + ", got " + lists.size());
    }
    if (dtypes.size() != lists.size()) {
      throw new IllegalArgumentException(
          "dtypes: expected " + lists.size() + ", one for each list, got " + dtypes.size());
    }
    List<List<DeviceBuffer>> copy = new ArrayList<>();
    for (int list = 0; list < lists.size(); list++) {
      checkList(device, dtypes.get(list), list, lists.get(list), lists.get(0));
      copy.add(List.copyOf(lists.get(list)));
    }
    return new TensorList(device, List.copyOf(dtypes), List.copyOf(copy));
  }

  private static void checkList(
      Device device, DType dtype, int list, List<DeviceBuffer> tensors, List<DeviceBuffer> first) {
    if (tensors.size() != first.size()) {
      throw new IllegalArgumentException(
          "list " + list + ": expected " + first.size() + " tensors, got " + tensors.size());
    }
    for (int k = 0; k < tensors.size(); k++) {
      DeviceBuffer tensor = tensors.get(k);
      String name = "list " + list + " tensor " + k;
      if (tensor.device() != device) {
        throw new IllegalArgumentException(
            name + ": expected a buffer of device " + device + ", got one of another device");
      }
      if (tensor.dtype() != dtype) {
        throw new IllegalArgumentException(
            name + ": expected " + dtype.label() + ", got " + tensor.dtype().label());
      }
      if (tensor.length() != first.get(k).length()) {
        throw new IllegalArgumentException(
            name + ": expected " + first.get(k).length() + " elements, got " + tensor.length());
      }
    }
  }

  /**
   * The device.
   *
   * @return where the tensors lie
   */
  public Device device() {
    return device;
  }

  /**
   * Element type of one list.
   *
   * @param list from 0
   * @return the type of its tensors
   */
  public DType dtype(int list) {
    return dtypes.get(list);
  }

  /**
   * Number of parallel lists.
   *
   * @return 1 to 5
   */
  public int lists() {
    return lists.size();
  }

  /**
   * Tensors of one list.
   *
   * @param list from 0
   * @return unmodifiable
   */
  public List<DeviceBuffer> tensors(int list) {
    return lists.get(list);
  }

  /** How many pieces kernels cut the tensors into. */
  long chunks() {
    return chunks;
  }

  /** What calls are held against. */
  long layout() {
    return layout;
  }

  /** The description in device memory. */
  DeviceBuffer table() {
    return table;
  }

  /** Refuses use after this or any tensor was closed. */
  void checkOpen() {
    if (table.isClosed()) {
      throw new IllegalStateException("TensorList on " + device + " is closed");
    }
    for (int list = 0; list < lists.size(); list++) {
      List<DeviceBuffer> tensors = lists.get(list);
      for (int k = 0; k < tensors.size(); k++) {
        if (tensors.get(k).isClosed()) {
          throw new IllegalStateException(
              "list " + list + " tensor " + k + ": " + tensors.get(k) + " is closed");
        }
      }
    }
  }

  /** Frees the description, not the tensors; idempotent. */
  @Override
  public void close() {
    table.close();
  }
}
