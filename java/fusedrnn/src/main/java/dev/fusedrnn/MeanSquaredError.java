package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Flags;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Mean squared error over N rows of F features, with the gradient in one pass: the loss of a row is
 * its weight times the mean of (y - target)^2 over its features, dy = scale 2 w / F (y - target).
 * Rows of weight 0 do not count, whatever they hold. Threads: one at a time.
 */
public final class MeanSquaredError implements AutoCloseable {
  private static final long ELEMENTS_OF_A_SLOT = 1024;

  private final long rows;
  private final long features;
  private final DType dtype;
  private final Arguments<Fields.Mse> arguments;
  private final LossOutput output;

  private MeanSquaredError(Device device, DType dtype, long rows, long features) {
    this.dtype = Objects.requireNonNull(dtype, "dtype");
    this.rows = Failures.atLeast(0, "rows", rows);
    this.features = Failures.atLeast(1, "features", features);
    long elements = Failures.elements("y", rows, features);
    this.arguments = new Arguments<>(device, Fields.Mse.class);
    arguments.struct().set(Fields.Mse.DTYPE, dtype.ordinal());
    arguments.struct().set(Fields.Mse.N, rows);
    arguments.struct().set(Fields.Mse.F, features);
    this.output = new LossOutput(device, (elements + ELEMENTS_OF_A_SLOT - 1) / ELEMENTS_OF_A_SLOT);
    output.bind(arguments, Fields.Mse.RESULT, Fields.Mse.WORKSPACE, Fields.Mse.WORKSPACE_BYTES);
    scale(1);
  }

  /**
   * Prepares a loss.
   *
   * @param device where it runs
   * @param dtype element type of y, targets and dy
   * @param rows N, at least 0
   * @param features F, at least 1
   * @return to be closed
   */
  public static MeanSquaredError create(Device device, DType dtype, long rows, long features) {
    return new MeanSquaredError(device, dtype, rows, features);
  }

  /**
   * Binds what the net answered; required.
   *
   * @param buffer [N, F]
   * @return this
   */
  public MeanSquaredError y(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Mse.Y, "y", buffer, dtype, rows, features);
    return this;
  }

  /**
   * Binds what it should have answered; required.
   *
   * @param buffer [N, F]
   * @return this
   */
  public MeanSquaredError targets(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Mse.TARGETS, "targets", buffer, dtype, rows, features);
    return this;
  }

  /**
   * Binds the weights of the rows; optional.
   *
   * @param buffer F32 [N], or null for 1
   * @return this
   */
  public MeanSquaredError weights(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Mse.WEIGHTS, "weights", buffer, DType.F32, rows);
    return this;
  }

  /**
   * Binds the gradient of y; optional.
   *
   * @param buffer [N, F], or null; may be the buffer of y
   * @return this
   */
  public MeanSquaredError dy(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Mse.DY, "dy", buffer, dtype, rows, features);
    return this;
  }

  /**
   * Sets the factor of dy. The loss itself is never scaled.
   *
   * @param factor 1 by default
   * @return this
   */
  public MeanSquaredError scale(double factor) {
    arguments.struct().setDouble(Fields.Mse.SCALE, Failures.number("scale", factor));
    return this;
  }

  /**
   * Says whether dy is also divided by the rows that count, which the device finds.
   *
   * @param over true for the gradient of the mean loss, false (the default) for that of the sum
   * @return this
   */
  public MeanSquaredError mean(boolean over) {
    arguments.struct().set(Fields.Mse.FLAGS, over ? Flags.MEAN : 0);
    return this;
  }

  /**
   * Binds the scale of dy that the device keeps: {@code frnn_loss_scale}, two words of which the
   * first is a double. Optional.
   *
   * @param buffer F64 [2], or null
   * @return this
   */
  public MeanSquaredError lossScale(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Mse.LOSS_SCALE, "lossScale", buffer, DType.F64, 2);
    return this;
  }

  /**
   * Computes the loss and, where bound, dy; enqueued.
   *
   * @param stream where to enqueue
   */
  public void run(Stream stream) {
    arguments.require(Fields.Mse.Y, "y");
    arguments.require(Fields.Mse.TARGETS, "targets");
    arguments.checkOpen();
    Device device = arguments.device();
    arguments.struct().set(Fields.Mse.STREAM, stream.handleFor(device));
    arguments.check(device.engine().mse(arguments.struct()), "MeanSquaredError.run");
  }

  /**
   * Waits for the device and reads the loss of the last run.
   *
   * @return sum over rows, and rows that counted
   */
  public LossResult read() {
    return output.read();
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
