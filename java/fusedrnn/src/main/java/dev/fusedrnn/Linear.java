package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Flags;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer over N rows: y = x w^T + b. Backward: dx = dy w; dw = or += dy^T x; db = or +=
 * column sums of dy. Buffers are the caller's; the workspace is its own. Threads: one at a time.
 */
public final class Linear implements AutoCloseable {
  private final long rows;
  private final long inputs;
  private final long outputs;
  private final DType dtype;
  private final Arguments<Fields.Linear> arguments;
  private final DeviceBuffer workspace;

  private Linear(Device device, DType dtype, long rows, long inputs, long outputs) {
    this.dtype = Objects.requireNonNull(dtype, "dtype");
    this.rows = Failures.atLeast(0, "rows", rows);
    this.inputs = Failures.atLeast(1, "inputs", inputs);
    this.outputs = Failures.atLeast(1, "outputs", outputs);
    this.arguments = new Arguments<>(device, Fields.Linear.class);
    arguments.struct().set(Fields.Linear.DTYPE, dtype.ordinal());
    arguments.struct().set(Fields.Linear.N, rows);
    arguments.struct().set(Fields.Linear.I, inputs);
    arguments.struct().set(Fields.Linear.O, outputs);
    long[] bytes = new long[1];
    device.check(
        device.engine().linearBytes(arguments.struct(), bytes),
        "Linear.create of " + dtype.label() + "[" + rows + ", " + inputs + "]");
    this.workspace = device.allocate(DType.F32, (bytes[0] + 3) / 4);
    arguments.bindBytes(
        Fields.Linear.WORKSPACE, Fields.Linear.WORKSPACE_BYTES, "workspace", workspace);
  }

  /**
   * Prepares a layer.
   *
   * @param device where it runs
   * @param dtype element type
   * @param rows N, at least 0
   * @param inputs I, at least 1
   * @param outputs O, at least 1
   * @return to be closed
   */
  public static Linear create(Device device, DType dtype, long rows, long inputs, long outputs) {
    return new Linear(device, dtype, rows, inputs, outputs);
  }

  /**
   * Binds the input; required.
   *
   * @param buffer [N, I]
   * @return this
   */
  public Linear x(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Linear.X, "x", buffer, dtype, rows, inputs);
    return this;
  }

  /**
   * Binds the weights; required.
   *
   * @param buffer [O, I]
   * @return this
   */
  public Linear w(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Linear.W, "w", buffer, dtype, outputs, inputs);
    return this;
  }

  /**
   * Binds the bias; optional.
   *
   * @param buffer [O], or null
   * @return this
   */
  public Linear b(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Linear.B, "b", buffer, dtype, outputs);
    return this;
  }

  /**
   * Binds the output; required forward.
   *
   * @param buffer [N, O]
   * @return this
   */
  public Linear y(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Linear.Y, "y", buffer, dtype, rows, outputs);
    return this;
  }

  /**
   * Binds the upstream gradient; required backward.
   *
   * @param buffer [N, O]
   * @return this
   */
  public Linear dy(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Linear.DY, "dy", buffer, dtype, rows, outputs);
    return this;
  }

  /**
   * Binds the gradient of x; optional.
   *
   * @param buffer [N, I], or null
   * @return this
   */
  public Linear dx(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Linear.DX, "dx", buffer, dtype, rows, inputs);
    return this;
  }

  /**
   * Binds the gradient of w; optional.
   *
   * @param buffer [O, I], or null
   * @return this
   */
  public Linear dw(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Linear.DW, "dw", buffer, dtype, outputs, inputs);
    return this;
  }

  /**
   * Binds the gradient of b; optional.
   *
   * @param buffer [O], or null
   * @return this
   */
  public Linear db(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Linear.DB, "db", buffer, dtype, outputs);
    return this;
  }

  /**
   * Says whether backward adds to dw and db.
   *
   * @param add true for {@code +=}, false (the default) for {@code =}
   * @return this
   */
  public Linear accumulate(boolean add) {
    arguments.struct().set(Fields.Linear.FLAGS, add ? Flags.ACCUMULATE : 0);
    return this;
  }

  /**
   * Uses a cuBLAS handle of the caller's (cuda and emulated only); it stays the caller's, and no
   * other thread may use it during a call.
   *
   * @param handle a {@code cublasHandle_t}, or 0 for the device's own
   * @return this
   */
  public Linear blas(long handle) {
    arguments.struct().set(Fields.Linear.BLAS, handle);
    return this;
  }

  /**
   * Computes y; enqueued.
   *
   * @param stream where to enqueue
   */
  public void forward(Stream stream) {
    arguments.require(Fields.Linear.X, "x");
    arguments.require(Fields.Linear.W, "w");
    arguments.require(Fields.Linear.Y, "y");
    arguments.checkOpen();
    Device device = arguments.device();
    arguments.struct().set(Fields.Linear.STREAM, stream.handleFor(device));
    arguments.check(device.engine().linearForward(arguments.struct()), "Linear.forward");
  }

  /**
   * Computes dx, dw and db, each where bound; enqueued.
   *
   * @param stream where to enqueue
   */
  public void backward(Stream stream) {
    arguments.require(Fields.Linear.X, "x");
    arguments.require(Fields.Linear.W, "w");
    arguments.require(Fields.Linear.DY, "dy");
    arguments.checkOpen();
    Device device = arguments.device();
    arguments.struct().set(Fields.Linear.STREAM, stream.handleFor(device));
    arguments.check(device.engine().linearBackward(arguments.struct()), "Linear.backward");
  }

  /** Frees the workspace; idempotent. */
  @Override
  public void close() {
    workspace.close();
  }
}
