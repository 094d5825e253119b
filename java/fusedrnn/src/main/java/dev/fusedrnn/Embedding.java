package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Flags;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * An embedding of N ids: y[n] = table[ids[n]]. Backward: dtable[v] = or += sum of dy[n] over n with
 * ids[n] = v, always to the same bits. An id outside [0, V) gives a row of NaN forward and is
 * passed over backward. Buffers are the caller's; the workspace is its own. Threads: one at a time.
 */
public final class Embedding implements AutoCloseable {
  private final long rows;
  private final long vocabulary;
  private final long features;
  private final DType dtype;
  private final Arguments<Fields.Embedding> arguments;
  private final DeviceBuffer workspace;

  private Embedding(Device device, DType dtype, long rows, long vocabulary, long features) {
    this.dtype = Objects.requireNonNull(dtype, "dtype");
    this.rows = Failures.atLeast(0, "rows", rows);
    this.vocabulary = Failures.atLeast(1, "vocabulary", vocabulary);
    this.features = Failures.atLeast(1, "features", features);
    this.arguments = new Arguments<>(device, Fields.Embedding.class);
    arguments.struct().set(Fields.Embedding.DTYPE, dtype.ordinal());
    arguments.struct().set(Fields.Embedding.N, rows);
    arguments.struct().set(Fields.Embedding.V, vocabulary);
    arguments.struct().set(Fields.Embedding.E, features);
    long[] bytes = new long[1];
    device.check(
        device.engine().embeddingBytes(arguments.struct(), bytes),
        "Embedding.create of " + dtype.label() + "[" + vocabulary + ", " + features + "]");
    this.workspace = device.allocate(DType.F32, (bytes[0] + 3) / 4);
    arguments.bindBytes(
        Fields.Embedding.WORKSPACE, Fields.Embedding.WORKSPACE_BYTES, "workspace", workspace);
  }

  /**
   * Prepares an embedding.
   *
   * @param device where it runs
   * @param dtype element type
   * @param rows N, at least 0
   * @param vocabulary V, at least 1
   * @param features E, at least 1
   * @return to be closed
   */
  public static Embedding create(
      Device device, DType dtype, long rows, long vocabulary, long features) {
    return new Embedding(device, dtype, rows, vocabulary, features);
  }

  /**
   * Binds the ids; required.
   *
   * @param buffer I32 [N]
   * @return this
   */
  public Embedding ids(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Embedding.IDS, "ids", buffer, DType.I32, rows);
    return this;
  }

  /**
   * Binds the table; required forward.
   *
   * @param buffer [V, E]
   * @return this
   */
  public Embedding table(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Embedding.TABLE, "table", buffer, dtype, vocabulary, features);
    return this;
  }

  /**
   * Binds the output; required forward.
   *
   * @param buffer [N, E]
   * @return this
   */
  public Embedding y(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Embedding.Y, "y", buffer, dtype, rows, features);
    return this;
  }

  /**
   * Binds the upstream gradient; required backward.
   *
   * @param buffer [N, E]
   * @return this
   */
  public Embedding dy(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Embedding.DY, "dy", buffer, dtype, rows, features);
    return this;
  }

  /**
   * Binds the gradient of the table; required backward.
   *
   * @param buffer [V, E]
   * @return this
   */
  public Embedding dtable(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Embedding.DTABLE, "dtable", buffer, dtype, vocabulary, features);
    return this;
  }

  /**
   * Says whether backward adds to dtable.
   *
   * @param add true for {@code +=}, false (the default) for {@code =}
   * @return this
   */
  public Embedding accumulate(boolean add) {
    arguments.struct().set(Fields.Embedding.FLAGS, add ? Flags.ACCUMULATE : 0);
    return this;
  }

  /**
   * Computes y; enqueued.
   *
   * @param stream where to enqueue
   */
  public void forward(Stream stream) {
    arguments.require(Fields.Embedding.IDS, "ids");
    arguments.require(Fields.Embedding.TABLE, "table");
    arguments.require(Fields.Embedding.Y, "y");
    arguments.checkOpen();
    Device device = arguments.device();
    arguments.struct().set(Fields.Embedding.STREAM, stream.handleFor(device));
    arguments.check(device.engine().embeddingForward(arguments.struct()), "Embedding.forward");
  }

  /**
   * Computes dtable; enqueued.
   *
   * @param stream where to enqueue
   */
  public void backward(Stream stream) {
    arguments.require(Fields.Embedding.IDS, "ids");
    arguments.require(Fields.Embedding.DY, "dy");
    arguments.require(Fields.Embedding.DTABLE, "dtable");
    arguments.checkOpen();
    Device device = arguments.device();
    arguments.struct().set(Fields.Embedding.STREAM, stream.handleFor(device));
    arguments.check(device.engine().embeddingBackward(arguments.struct()), "Embedding.backward");
  }

  /** Frees the workspace; idempotent. */
  @Override
  public void close() {
    workspace.close();
  }
}
