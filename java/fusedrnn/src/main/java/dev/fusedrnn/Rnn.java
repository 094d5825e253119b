package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Flags;
import dev.fusedrnn.internal.NetArguments;
import dev.fusedrnn.internal.Struct;
import java.util.Objects;

/**
 * A recurrent network on a device, one layer or many in one direction or two: answers memory needs,
 * makes parameters and calls, runs them. It owns no memory itself. Equations are with each {@link
 * Cell}; x is [T, B, I], y is [T, B, D * W] with W the width of h.
 *
 * <p>Threads: may be shared; a {@link RnnCall} may not.
 */
public final class Rnn {
  private final Device device;
  private final RnnConfig config;

  private Rnn(Device device, RnnConfig config) {
    this.device = Objects.requireNonNull(device, "device");
    this.config = Objects.requireNonNull(config, "config");
  }

  /**
   * Makes a network.
   *
   * @param device where it runs
   * @param config what it computes
   * @return the network
   */
  public static Rnn create(Device device, RnnConfig config) {
    return new Rnn(device, config);
  }

  /**
   * The device.
   *
   * @return where this network runs
   */
  public Device device() {
    return device;
  }

  /**
   * The configuration.
   *
   * @return what this network computes
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
    Struct<Fields.Net> net = new Struct<>(Fields.Net.class);
    fill(net, config, steps, batch, training);
    return sizes(new NetArguments(net, entries()), "T=" + steps + " B=" + batch);
  }

  /** As above, for arguments that are filled. */
  RnnSizes sizes(NetArguments arguments, String call) {
    Struct<Fields.RnnSizes> sizes = new Struct<>(Fields.RnnSizes.class);
    device.check(device.engine().netBytes(arguments, sizes), "Rnn.sizes of " + config + " " + call);
    return new RnnSizes(
        sizes.get(Fields.RnnSizes.RESERVE_BYTES),
        sizes.get(Fields.RnnSizes.FORWARD_WORKSPACE_BYTES),
        sizes.get(Fields.RnnSizes.BACKWARD_WORKSPACE_BYTES));
  }

  /** Layers times directions. */
  int entries() {
    return config.layers() * config.directions();
  }

  /** Writes sizes and settings into a struct. */
  static void fill(
      Struct<Fields.Net> net, RnnConfig config, long steps, long batch, boolean training) {
    net.set(Fields.Net.CELL, config.cell().ordinal());
    net.set(Fields.Net.DTYPE, config.dtype().ordinal());
    net.set(
        Fields.Net.FLAGS,
        (training ? Flags.TRAINING : 0) | (config.batchFirst() ? Flags.BATCH_FIRST : 0));
    net.set(Fields.Net.VARIANT, config.variant());
    net.set(Fields.Net.T, Failures.atLeast(0, "steps", steps));
    net.set(Fields.Net.B, Failures.atLeast(0, "batch", batch));
    net.set(Fields.Net.I, config.inputSize());
    net.set(Fields.Net.H, config.hiddenSize());
    net.set(Fields.Net.P, config.projectionSize());
    net.set(Fields.Net.L, config.layers());
    net.set(Fields.Net.D, config.directions());
    net.set(Fields.Net.RESIDUAL, config.residual() ? 1 : 0);
    net.setDouble(Fields.Net.CELL_CLIP, config.cellClip());
    net.setDouble(Fields.Net.DROPOUT, config.dropout());
    net.setDouble(Fields.Net.RECURRENT_DROPOUT, config.recurrentDropout());
    net.setDouble(Fields.Net.ZONEOUT_H, config.zoneoutHidden());
    net.setDouble(Fields.Net.ZONEOUT_C, config.zoneoutCell());
    net.set(Fields.Net.NORM, config.norm().ordinal());
    net.setDouble(Fields.Net.NORM_EPSILON, config.normEpsilon());
    net.setDouble(Fields.Net.NORM_MOMENTUM, config.normMomentum());
  }

  /**
   * Allocates parameters: gains and running variances are one, all others zero.
   *
   * @return to be closed
   */
  public RnnParameters newParameters() {
    return RnnParameters.allocate(device, config).initializeNorms();
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
   * Packs parameters as they are, for forward calls that see the same weights often.
   *
   * @param parameters of this network; read now and at each {@link RnnPackedWeights#update}
   * @return to be closed
   * @throws IllegalStateException once a parameter is closed
   */
  public RnnPackedWeights newPackedWeights(RnnParameters parameters) {
    return newPackedWeights(parameters, DType.F32);
  }

  /**
   * Packs parameters as they are or rounded, for forward calls that see the same weights often.
   *
   * @param parameters of this network; read now and at each {@link RnnPackedWeights#update}
   * @param dtype F32 for the weights as they are, or BF16 for weights rounded to it
   * @return to be closed
   * @throws IllegalStateException once a parameter is closed
   * @throws FusedRnnException for BF16 where the backend packs nothing of this network
   */
  public RnnPackedWeights newPackedWeights(RnnParameters parameters, DType dtype) {
    return new RnnPackedWeights(this, parameters, dtype);
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
   * @param call a call of this network
   * @param stream where to enqueue
   * @throws IllegalStateException where a needed buffer is absent or closed
   * @throws FusedRnnException where the backend refuses or fails
   */
  public void forward(RnnCall call, Stream stream) {
    NetArguments arguments = call.prepareForward(this, stream.handleFor(device));
    int status = device.engine().netForward(arguments);
    if (status != 0) {
      throw Failures.of(status, device, "Rnn.forward of " + call);
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
    NetArguments arguments = call.prepareBackward(this, stream.handleFor(device));
    int status = device.engine().netBackward(arguments);
    if (status != 0) {
      throw Failures.of(status, device, "Rnn.backward of " + call);
    }
  }

  @Override
  public String toString() {
    return "Rnn " + config + " on " + device;
  }
}
