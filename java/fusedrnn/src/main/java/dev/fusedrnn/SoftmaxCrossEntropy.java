package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Flags;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Softmax and cross-entropy over N rows of V classes, with the gradient in one pass: dlogits =
 * scale (softmax(logits) - q), where q is the one-hot target, smoothed where asked; 0 in ignored
 * rows. A target outside [0, V) that is not the ignored index makes the loss and its row of dlogits
 * NaN, and {@link #read} throws. Threads: one at a time.
 */
public final class SoftmaxCrossEntropy implements AutoCloseable {
  private final long rows;
  private final long classes;
  private final DType dtype;
  private final Arguments<Fields.SoftmaxXent> arguments;
  private final LossOutput output;

  private SoftmaxCrossEntropy(Device device, DType dtype, long rows, long classes) {
    this.dtype = Objects.requireNonNull(dtype, "dtype");
    this.rows = Failures.atLeast(0, "rows", rows);
    this.classes = Failures.atLeast(1, "classes", classes);
    this.arguments = new Arguments<>(device, Fields.SoftmaxXent.class);
    arguments.struct().set(Fields.SoftmaxXent.DTYPE, dtype.ordinal());
    arguments.struct().set(Fields.SoftmaxXent.N, rows);
    arguments.struct().set(Fields.SoftmaxXent.V, classes);
    this.output = new LossOutput(device, rows);
    output.bind(
        arguments,
        Fields.SoftmaxXent.RESULT,
        Fields.SoftmaxXent.WORKSPACE,
        Fields.SoftmaxXent.WORKSPACE_BYTES);
    ignoreIndex(-100);
    scale(1);
  }

  /**
   * Prepares a loss.
   *
   * @param device where it runs
   * @param dtype element type of logits and dlogits
   * @param rows N, at least 0
   * @param classes V, at least 1
   * @return to be closed
   */
  public static SoftmaxCrossEntropy create(Device device, DType dtype, long rows, long classes) {
    return new SoftmaxCrossEntropy(device, dtype, rows, classes);
  }

  /**
   * Binds the targets; required.
   *
   * @param buffer I32 [N]
   * @return this
   */
  public SoftmaxCrossEntropy targets(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.SoftmaxXent.TARGETS, "targets", buffer, DType.I32, rows);
    return this;
  }

  /**
   * Binds the scores; required.
   *
   * @param buffer [N, V]
   * @return this
   */
  public SoftmaxCrossEntropy logits(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.SoftmaxXent.LOGITS, "logits", buffer, dtype, rows, classes);
    return this;
  }

  /**
   * Binds the gradient of the scores; optional.
   *
   * @param buffer [N, V], or null; may be the buffer of logits
   * @return this
   */
  public SoftmaxCrossEntropy dlogits(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.SoftmaxXent.DLOGITS, "dlogits", buffer, dtype, rows, classes);
    return this;
  }

  /**
   * Sets the target value of rows that do not count.
   *
   * @param index -100 by default
   * @return this
   */
  public SoftmaxCrossEntropy ignoreIndex(int index) {
    arguments.struct().set(Fields.SoftmaxXent.IGNORE_INDEX, index);
    return this;
  }

  /**
   * Sets the factor of dlogits. The loss itself is never scaled.
   *
   * @param factor 1 by default
   * @return this
   */
  public SoftmaxCrossEntropy scale(double factor) {
    arguments.struct().setDouble(Fields.SoftmaxXent.SCALE, Failures.number("scale", factor));
    return this;
  }

  /**
   * Says whether dlogits are also divided by the rows that count, which the device finds.
   *
   * @param over true for the gradient of the mean loss, false (the default) for that of the sum
   * @return this
   */
  public SoftmaxCrossEntropy mean(boolean over) {
    arguments.struct().set(Fields.SoftmaxXent.FLAGS, over ? Flags.MEAN : 0);
    return this;
  }

  /**
   * Takes some of the target's probability and spreads it over all classes (Szegedy et al. 2016).
   *
   * @param share in [0, 1); 0 by default
   * @return this
   */
  public SoftmaxCrossEntropy labelSmoothing(double share) {
    if (!(share >= 0 && share < 1)) {
      throw new IllegalArgumentException("labelSmoothing: expected 0 to below 1, got " + share);
    }
    arguments.struct().setDouble(Fields.SoftmaxXent.LABEL_SMOOTHING, share);
    return this;
  }

  /**
   * Binds the scale of dlogits that the device keeps: {@code frnn_loss_scale}, two words of which
   * the first is a double. Optional.
   *
   * @param buffer F64 [2], or null
   * @return this
   */
  public SoftmaxCrossEntropy lossScale(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.SoftmaxXent.LOSS_SCALE, "lossScale", buffer, DType.F64, 2);
    return this;
  }

  /**
   * Computes the loss and, where bound, dlogits; enqueued.
   *
   * @param stream where to enqueue
   */
  public void run(Stream stream) {
    arguments.require(Fields.SoftmaxXent.LOGITS, "logits");
    arguments.require(Fields.SoftmaxXent.TARGETS, "targets");
    arguments.checkOpen();
    Device device = arguments.device();
    arguments.struct().set(Fields.SoftmaxXent.STREAM, stream.handleFor(device));
    arguments.check(device.engine().softmaxXent(arguments.struct()), "SoftmaxCrossEntropy.run");
  }

  /**
   * Waits for the device and reads the loss of the last run.
   *
   * @return sum over rows, and rows that counted
   * @throws FusedRnnException where a target was neither a class nor the ignored index
   */
  public LossResult read() {
    return output.read().requireKnownTargets();
  }

  /**
   * Where the loss of the last run lies on the device, for a copy that does not wait; {@link
   * LossResult#of} reads it.
   *
   * @return F64 [3] of {@link LossResult#BYTES} bytes, of which the second and third word are whole
   *     numbers; owned by this loss
   */
  public DeviceBuffer result() {
    return output.result();
  }

  /** Frees result and workspace; idempotent. */
  @Override
  public void close() {
    output.close();
  }
}
