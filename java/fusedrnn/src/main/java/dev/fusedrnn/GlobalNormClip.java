package dev.fusedrnn;

import dev.fusedrnn.internal.ClipAction;
import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Struct;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The norm over all tensors of a list, or over each of them, and clipping by it (Pascanu, Mikolov,
 * Bengio 2013): coefficient = 1 where norm is at most the limit, else limit / norm. One pass, in a
 * fixed order that depends on nothing but the lengths, in double across threads. The result stays
 * on the device, where an {@link Optimizer} reads it. Threads: one at a time.
 */
public final class GlobalNormClip implements AutoCloseable {
  private static final int WORDS = Fields.ClipResult.values().length;
  private static final int SLOT_WORDS = 2;

  private final TensorList tensors;
  private final Struct<Fields.Clip> struct = new Struct<>(Fields.Clip.class);
  private final DeviceBuffer workspace;
  private DeviceBuffer result;
  private boolean perTensor;
  private @Nullable LossScale lossScale;

  private GlobalNormClip(TensorList tensors, int list, double maxNorm) {
    this.tensors = tensors;
    this.workspace = tensors.device().allocate(DType.F64, SLOT_WORDS * tensors.chunks());
    this.result = zeroed(1);
    struct.set(Fields.Clip.TABLE, tensors.table().address());
    struct.set(Fields.Clip.CHUNKS, tensors.chunks());
    struct.set(Fields.Clip.LAYOUT, tensors.layout());
    struct.set(Fields.Clip.LIST, list);
    struct.setDouble(Fields.Clip.MAX_NORM, maxNorm);
    struct.set(Fields.Clip.WORKSPACE, workspace.address());
    struct.set(Fields.Clip.WORKSPACE_BYTES, workspace.bytes());
  }

  private DeviceBuffer zeroed(int results) {
    Device device = tensors.device();
    return device.allocate(DType.F64, results, WORDS).write(new double[results * WORDS]);
  }

  /**
   * Prepares a clip: the L2 norm over all tensors together, IEEE arithmetic for what is not finite.
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
   * Sets which norm is measured.
   *
   * @param kind {@link NormKind#L2} by default
   * @return this
   */
  public GlobalNormClip norm(NormKind kind) {
    struct.set(Fields.Clip.NORM_KIND, kind.ordinal());
    return this;
  }

  /**
   * Sets what becomes of a NaN or an infinity.
   *
   * @param policy {@link NonFinite#PROPAGATE} by default
   * @return this
   */
  public GlobalNormClip nonFinite(NonFinite policy) {
    struct.set(Fields.Clip.POLICY, policy.ordinal());
    return this;
  }

  /**
   * Sets whether each tensor is clipped by its own norm instead of all by one. To be called before
   * {@link Optimizer#clip} and before a step is captured.
   *
   * @param each false by default
   * @return this
   */
  public GlobalNormClip perTensor(boolean each) {
    result.close();
    result = zeroed(each ? 1 + tensors.tensors(0).size() : 1);
    perTensor = each;
    struct.set(Fields.Clip.PER_TENSOR, each ? 1 : 0);
    return this;
  }

  /**
   * Sets the factor that the gradients carry: norms are those without it, and clipping takes it
   * away.
   *
   * @param scale null, the default, for none
   * @return this
   */
  public GlobalNormClip lossScale(@Nullable LossScale scale) {
    lossScale = scale;
    struct.set(Fields.Clip.LOSS_SCALE, scale == null ? 0 : scale.buffer().address());
    return this;
  }

  /**
   * Measures the norm without changing the tensors; enqueued. An optimiser applies the coefficient
   * as it reads the gradient.
   *
   * @param stream where to enqueue
   */
  public void measure(Stream stream) {
    run(stream, ClipAction.MEASURE);
  }

  /**
   * Measures the norm and multiplies every tensor of the list by the coefficient over the loss
   * scale; enqueued.
   *
   * @param stream where to enqueue
   */
  public void scale(Stream stream) {
    run(stream, ClipAction.SCALE);
  }

  /**
   * Measures the norm, takes the loss scale away and clamps each element to [-maxNorm, maxNorm]
   * instead of scaling, as min-char-rnn does; enqueued. NaN stays. The coefficient measured is 1.
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

  /** Where the result lies on the device: {@code frnn_clip_result}, one or an array. */
  DeviceBuffer result() {
    return result;
  }

  boolean isPerTensor() {
    return perTensor;
  }

  /** The factor that the gradients carry. */
  @Nullable LossScale lossScaleOrNull() {
    return lossScale;
  }

  /**
   * Lets steps be made again after {@link NonFinite#ERROR} stopped them; enqueued.
   *
   * @param stream where to enqueue
   */
  public void clearFailure(Stream stream) {
    Device device = tensors.device();
    long word = result.address() + 8L * Fields.ClipResult.FAILED.ordinal();
    device.check(device.engine().writeWord(word, 0, stream.handleFor(device)), "clearFailure");
  }

  /**
   * Waits for the device and reads what was measured last, over all tensors.
   *
   * @return norm, coefficient and whether all elements were finite
   * @throws NonFiniteGradientException under {@link NonFinite#ERROR}, where they were not
   */
  public ClipResult read() {
    return decode(readWords(), 0);
  }

  /**
   * Prepares a reading that does not stop the stream. To be called after {@link #perTensor}.
   *
   * @return to be closed
   */
  public ClipReading newReading() {
    return new ClipReading(tensors.device(), this);
  }

  /**
   * Waits for the device and reads what was measured last, tensor by tensor; with {@link
   * #perTensor}.
   *
   * @return a result for each tensor of the list
   */
  public List<ClipResult> readTensors() {
    if (!perTensor) {
      throw new IllegalStateException("readTensors: needs perTensor(true)");
    }
    ByteBuffer words = readWords();
    List<ClipResult> results = new ArrayList<>();
    for (int k = 0; k < tensors.tensors(0).size(); k++) {
      results.add(decode(words, 1 + k));
    }
    return results;
  }

  private ByteBuffer readWords() {
    ByteBuffer bytes =
        ByteBuffer.allocateDirect((int) result.bytes()).order(ByteOrder.nativeOrder());
    result.readInto(bytes);
    return bytes;
  }

  /** A result out of its words; throws what it has to say. */
  static ClipResult decode(ByteBuffer words, int index) {
    int start = 8 * WORDS * index;
    double norm = words.getDouble(start + 8 * Fields.ClipResult.NORM.ordinal());
    long failed = words.getLong(start + 8 * Fields.ClipResult.FAILED.ordinal());
    if (failed != 0) {
      throw new NonFiniteGradientException(norm, failed);
    }
    return new ClipResult(
        norm,
        words.getDouble(start + 8 * Fields.ClipResult.COEFFICIENT.ordinal()),
        words.getLong(start + 8 * Fields.ClipResult.FINITE.ordinal()) != 0,
        words.getLong(start + 8 * Fields.ClipResult.SKIP.ordinal()) != 0);
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
