package dev.fusedrnn;

import dev.fusedrnn.internal.ClipAction;
import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Struct;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Global L2 norm over all tensors of a list and clipping by it (Pascanu, Mikolov, Bengio 2013):
 * coefficient = 1 where norm is at most the limit, else limit / norm. Summed in a fixed order, in
 * double across chunks. The result stays on the device, where an {@link Optimizer} may read it.
 * Threads: one at a time.
 */
public final class GlobalNormClip implements AutoCloseable {
  private final TensorList tensors;
  private final Struct<Fields.Clip> struct = new Struct<>(Fields.Clip.class);
  private final DeviceBuffer result;
  private final DeviceBuffer workspace;

  private GlobalNormClip(TensorList tensors, int list, double maxNorm) {
    this.tensors = tensors;
    this.result = tensors.device().allocate(DType.F64, 3);
    this.workspace = tensors.device().allocate(DType.F64, tensors.chunks());
    struct.set(Fields.Clip.DTYPE, tensors.dtype().ordinal());
    struct.set(Fields.Clip.TABLE, tensors.table().address());
    struct.set(Fields.Clip.CHUNKS, tensors.chunks());
    struct.set(Fields.Clip.LIST, list);
    struct.setDouble(Fields.Clip.MAX_NORM, maxNorm);
    struct.set(Fields.Clip.RESULT, result.address());
    struct.set(Fields.Clip.WORKSPACE, workspace.address());
    struct.set(Fields.Clip.WORKSPACE_BYTES, workspace.bytes());
  }

  /**
   * Prepares a clip.
   *
   * @param tensors the lists
   * @param list which list to measure
   * @param maxNorm the limit, above 0; infinity measures without clipping
   * @return to be closed
   */
  public static GlobalNormClip create(TensorList tensors, int list, double maxNorm) {
    if (list < 0 || list >= tensors.lists()) {
      throw new IllegalArgumentException(
          "list: expected 0 to " + (tensors.lists() - 1) + ", got " + list);
    }
    if (!(maxNorm > 0)) {
      throw new IllegalArgumentException("maxNorm: expected above 0, got " + maxNorm);
    }
    return new GlobalNormClip(tensors, list, maxNorm);
  }

  /**
   * Measures the norm without changing the tensors; enqueued.
   *
   * @param stream where to enqueue
   */
  public void measure(Stream stream) {
    run(stream, ClipAction.MEASURE);
  }

  /**
   * Measures the norm and multiplies every tensor of the list by the coefficient; enqueued.
   *
   * @param stream where to enqueue
   */
  public void scale(Stream stream) {
    run(stream, ClipAction.SCALE);
  }

  /**
   * Measures the norm and clamps each element to [-maxNorm, maxNorm] instead of scaling, as
   * min-char-rnn does; enqueued. NaN stays. The coefficient measured is 1.
   *
   * @param stream where to enqueue
   */
  public void clampElements(Stream stream) {
    run(stream, ClipAction.CLAMP_ELEMENTS);
  }

  private void run(Stream stream, ClipAction action) {
    Device device = tensors.device();
    tensors.checkOpen();
    struct.set(Fields.Clip.RESULT, result.address());
    struct.set(Fields.Clip.ACTION, action.ordinal());
    struct.set(Fields.Clip.STREAM, stream.handleFor(device));
    int status = device.engine().clip(struct);
    if (status != 0) {
      throw Failures.of(
          status, device, "GlobalNormClip of " + tensors.tensors(0).size() + " tensors");
    }
  }

  /** Where the result lies on the device. */
  DeviceBuffer result() {
    return result;
  }

  /**
   * Waits for the device and reads what was measured last.
   *
   * @return norm, coefficient and whether all elements were finite
   */
  public ClipResult read() {
    ByteBuffer bytes = ByteBuffer.allocateDirect(24).order(ByteOrder.nativeOrder());
    result.readInto(bytes);
    return new ClipResult(bytes.getDouble(0), bytes.getDouble(8), bytes.getLong(16) != 0);
  }

  /**
   * Waits for the device and reads the norm.
   *
   * @return the norm before clipping
   */
  public double readNorm() {
    return read().norm();
  }

  /** Frees result and workspace; idempotent. */
  @Override
  public void close() {
    result.close();
    workspace.close();
  }
}
