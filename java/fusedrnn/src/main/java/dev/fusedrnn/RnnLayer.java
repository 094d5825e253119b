package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Flags;
import dev.fusedrnn.internal.Struct;
import java.util.Objects;

/**
 * One recurrent layer on a device: answers memory needs, makes parameters and calls, runs them. It
 * owns no memory itself. Equations are with each {@link Cell}; x is [T, B, I], y is [T, B, H].
 *
 * <p>Threads: may be shared; a {@link RnnCall} may not.
 */
public final class RnnLayer {
  private final Device device;
  private final RnnConfig config;

  private RnnLayer(Device device, RnnConfig config) {
    this.device = Objects.requireNonNull(device, "device");
    this.config = Objects.requireNonNull(config, "config");
  }

  /**
   * Makes a layer.
   *
   * @param device where it runs
   * @param config what it computes
   * @return the layer
   */
  public static RnnLayer create(Device device, RnnConfig config) {
    return new RnnLayer(device, config);
  }

  /**
   * The device.
   *
   * @return where this layer runs
   */
  public Device device() {
    return device;
  }

  /**
   * The configuration.
   *
   * @return what this layer computes
   */
  public RnnConfig config() {
    return config;
  }

  /**
   * Memory that a call needs.
   *
   * @param steps T, at least 0
   * @param batch B, at least 0
   * @param training whether a backward pass will follow
   * @return bytes of reserve and workspace
   * @throws FusedRnnException where the backend does not serve this cell or type
   */
  public RnnSizes sizes(long steps, long batch, boolean training) {
    Struct<Fields.Rnn> rnn = new Struct<>(Fields.Rnn.class);
    fill(rnn, steps, batch, training);
    Struct<Fields.RnnSizes> sizes = new Struct<>(Fields.RnnSizes.class);
    device.check(
        device.engine().rnnBytes(rnn, sizes),
        "RnnLayer.sizes of " + config + " T=" + steps + " B=" + batch);
    return new RnnSizes(
        sizes.get(Fields.RnnSizes.RESERVE_BYTES),
        sizes.get(Fields.RnnSizes.FORWARD_WORKSPACE_BYTES),
        sizes.get(Fields.RnnSizes.BACKWARD_WORKSPACE_BYTES));
  }

  /** Writes sizes and flags into a struct. */
  void fill(Struct<Fields.Rnn> rnn, long steps, long batch, boolean training) {
    rnn.set(Fields.Rnn.CELL, config.cell().ordinal());
    rnn.set(Fields.Rnn.DTYPE, config.dtype().ordinal());
    rnn.set(Fields.Rnn.FLAGS, training ? Flags.TRAINING : 0);
    rnn.set(Fields.Rnn.T, Failures.atLeast(0, "steps", steps));
    rnn.set(Fields.Rnn.B, Failures.atLeast(0, "batch", batch));
    rnn.set(Fields.Rnn.I, config.inputSize());
    rnn.set(Fields.Rnn.H, config.hiddenSize());
  }

  /**
   * Allocates parameters, all zero.
   *
   * @return to be closed
   */
  public RnnParameters newParameters() {
    return RnnParameters.allocate(device, config);
  }

  /**
   * Allocates gradients of the parameters, all zero.
   *
   * @return to be closed
   */
  public RnnParameters newGradients() {
    return RnnParameters.allocate(device, config);
  }

  /**
   * Prepares a call over buffers of the caller's own.
   *
   * @param steps T, at least 0
   * @param batch B, at least 0
   * @param training whether a backward pass will follow
   * @return the call, with nothing bound
   */
  public RnnCall newCall(long steps, long batch, boolean training) {
    return new RnnCall(this, steps, batch, training);
  }

  /**
   * Allocates everything that a call needs beside the parameters.
   *
   * @param steps T, at least 0
   * @param batch B, at least 0
   * @param training whether a backward pass will follow
   * @return to be closed
   */
  public RnnSequence newSequence(long steps, long batch, boolean training) {
    return new RnnSequence(this, steps, batch, training);
  }

  /**
   * Runs the sequence forward; enqueued. Writes y and, where bound, hT and cT (and the reserve, for
   * training), all {@code =}.
   *
   * @param call a call of this layer
   * @param stream where to enqueue
   * @throws IllegalStateException where a needed buffer is absent or closed
   * @throws FusedRnnException where the backend refuses or fails
   */
  public void forward(RnnCall call, Stream stream) {
    Arguments<Fields.Rnn> arguments = call.prepareForward(this, stream.handleFor(device));
    int status = device.engine().rnnForward(arguments.struct());
    if (status != 0) {
      arguments.check(status, "RnnLayer.forward of " + call);
    }
  }

  /**
   * Runs the sequence backward, after forward with training; enqueued. Writes every gradient that
   * is bound: dx, dh0, dc0 {@code =}; those of the parameters {@code =} or, with {@link
   * RnnCall#accumulate}, {@code +=}.
   *
   * @param call the call that forward saw, its inputs unchanged
   * @param stream where to enqueue
   * @throws IllegalStateException where a needed buffer is absent or closed
   * @throws FusedRnnException where the backend refuses or fails
   */
  public void backward(RnnCall call, Stream stream) {
    Arguments<Fields.Rnn> arguments = call.prepareBackward(this, stream.handleFor(device));
    int status = device.engine().rnnBackward(arguments.struct());
    if (status != 0) {
      arguments.check(status, "RnnLayer.backward of " + call);
    }
  }

  @Override
  public String toString() {
    return "RnnLayer " + config + " on " + device;
  }
}
