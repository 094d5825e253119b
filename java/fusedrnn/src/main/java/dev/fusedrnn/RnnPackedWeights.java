package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.NetArguments;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Recurrent weights packed once, in the layout that the backend's kernels read, for forward calls
 * that see the same weights often: a call that {@linkplain RnnCall#packed binds} them does not pack
 * again, which at one row is a good part of its time. Made by {@link Rnn#newPackedWeights}.
 *
 * <p>Packed are {@code weight_ih}, {@code weight_hh} and the biases of every layer and direction,
 * as they are when this is made and at each {@link #update}. A change of the parameters (a write, a
 * step of an optimiser, a file that is loaded) is not seen before the next {@link #update}: until
 * then forward calls go on with the old weights, without a word. Backward always reads the
 * parameters.
 *
 * <p>{@link DType#F32} packs the weights as they are: results are those of the call without it, bit
 * for bit. {@link DType#BF16} rounds the weights, and only them, to bf16 (nearest, ties to even),
 * which halves what a step has to read; sums, biases and states stay fp32. It serves no call for
 * training.
 *
 * <p>Only the cpu backend packs, and of its networks those of the plain {@link Cell#LSTM}, GRU or
 * RNN, time first and without norm, projection, clip and masks. Elsewhere {@link #bytes()} is 0,
 * F32 changes nothing and BF16 is refused. A call with {@linkplain RnnCall#lengths lengths} reads
 * the parameters.
 *
 * <p>Threads: calls of several threads may read the same packed weights; {@link #update} must not
 * run at the same time as any of them.
 */
public final class RnnPackedWeights implements AutoCloseable {
  private final Rnn rnn;
  private final DType dtype;
  private final Arguments<Fields.Net> arguments;
  private final NetArguments net;
  private final BoundParameters bound;
  private final @Nullable DeviceBuffer buffer; // none where nothing is packed
  private volatile boolean closed;

  RnnPackedWeights(Rnn rnn, RnnParameters parameters, DType dtype) {
    this.rnn = rnn;
    this.dtype = Objects.requireNonNull(dtype, "dtype");
    if (dtype != DType.F32 && dtype != DType.BF16) {
      throw new IllegalArgumentException("dtype: expected f32 or bf16, got " + dtype.label());
    }
    Device device = rnn.device();
    this.arguments = new Arguments<>(device, Fields.Net.class);
    this.net = new NetArguments(arguments.struct(), rnn.entries());
    this.bound = new BoundParameters(rnn, arguments, net);
    Rnn.fill(arguments.struct(), rnn.config(), 0, 0, false);
    arguments.struct().set(Fields.Net.PACKED_DTYPE, dtype.ordinal());
    bound.parameters(parameters);
    bound.check();
    long[] bytes = new long[1];
    device.check(
        device.engine().netPackedBytes(net, bytes), "Rnn.newPackedWeights of " + rnn.config());
    this.buffer = bytes[0] == 0 ? null : device.allocate(DType.I32, (bytes[0] + 3) / 4);
    if (buffer != null) {
      arguments.bindBytes(Fields.Net.PACKED, Fields.Net.PACKED_BYTES, "packed", buffer);
      packAtOnce(device);
    }
  }

  /** What other streams still write into the parameters is waited for, and so is the packing. */
  private void packAtOnce(Device device) {
    try {
      device.synchronize();
      update(device.defaultStream());
      device.synchronize();
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /**
   * The network.
   *
   * @return whose weights are packed
   */
  public Rnn rnn() {
    return rnn;
  }

  /**
   * What the weights are kept in.
   *
   * @return F32 or BF16
   */
  public DType dtype() {
    return dtype;
  }

  /**
   * Device memory that this takes.
   *
   * @return 0 where the backend packs nothing
   */
  public long bytes() {
    return buffer == null ? 0 : buffer.bytes();
  }

  /**
   * Packs the parameters again, as they are by then; enqueued, and to be called after every change
   * of theirs that forward calls shall see. Allocates nothing and can be captured.
   *
   * @param stream where to enqueue, in order with what writes the parameters and with the forward
   *     calls
   * @throws IllegalStateException once this or a parameter is closed
   * @throws FusedRnnException where the backend refuses or fails
   */
  public void update(Stream stream) {
    Device device = rnn.device();
    checkOpen();
    bound.check();
    arguments.struct().set(Fields.Net.STREAM, stream.handleFor(device));
    int status = device.engine().netPack(net);
    if (status != 0) {
      throw Failures.of(status, device, "RnnPackedWeights.update of " + rnn.config());
    }
  }

  /** Binds this to a call of a network, after the checks. */
  void bindTo(Rnn caller, boolean training, Arguments<Fields.Net> call) {
    checkOpen();
    if (rnn.device() != caller.device()) {
      throw new IllegalArgumentException(
          "packed: expected weights on device "
              + caller.device()
              + ", got some on another device "
              + rnn.device());
    }
    if (!sameWeights(rnn.config(), caller.config())) {
      throw new IllegalArgumentException(
          "packed: expected weights of " + caller.config() + ", got those of " + rnn.config());
    }
    if (training && dtype == DType.BF16) {
      throw new IllegalArgumentException(
          "packed: expected f32 in a call for training, got bf16: the backward pass reads the"
              + " parameters and would differentiate another function");
    }
    call.bindBytes(Fields.Net.PACKED, Fields.Net.PACKED_BYTES, "packed", buffer);
    call.struct().set(Fields.Net.PACKED_DTYPE, dtype.ordinal());
  }

  /** All else that two networks may differ in is not packed. */
  private static boolean sameWeights(RnnConfig one, RnnConfig other) {
    return one.cell() == other.cell()
        && one.dtype() == other.dtype()
        && RnnParameters.sameLayout(one, other);
  }

  /** Refuses use after close. */
  void checkOpen() {
    if (closed) {
      throw new IllegalStateException("packed: " + this + " is closed");
    }
  }

  /** Frees the packed weights, not the parameters; idempotent. */
  @Override
  public void close() {
    closed = true;
    if (buffer != null) {
      buffer.close();
    }
  }

  @Override
  public String toString() {
    return "RnnPackedWeights " + dtype.label() + " of " + rnn;
  }
}
