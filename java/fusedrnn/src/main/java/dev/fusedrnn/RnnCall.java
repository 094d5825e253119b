package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Flags;
import dev.fusedrnn.internal.NetArguments;
import org.jspecify.annotations.Nullable;

/**
 * The arguments of one call of a network, forward and backward, over buffers of the caller's own.
 * Setters check device, type and shape at once and take null to unbind an optional buffer; a call
 * may be run many times and then allocates nothing.
 *
 * <p>Dimensions: T steps, B batch, I input, H hidden, W width of h, L layers, D directions.
 * Sequences are [T, B, .], or [B, T, .] where {@link RnnConfig#batchFirst()}. States are [L*D, B,
 * .] in the order layer 0 forward, layer 0 reverse, ..., or [B, .] where there is one only.
 * Optional inputs that are absent count as zero; optional outputs that are absent are not computed.
 * Threads: one at a time.
 */
public final class RnnCall {
  private final Rnn rnn;
  private final RnnConfig config;
  private final long steps;
  private final long batch;
  private final boolean training;
  private RnnSizes sizes;
  private final Arguments<Fields.Net> arguments;
  private final NetArguments net;
  private final BoundParameters bound;
  private @Nullable RnnPackedWeights packed;

  RnnCall(Rnn rnn, long steps, long batch, boolean training) {
    this.rnn = rnn;
    this.config = rnn.config();
    this.steps = steps;
    this.batch = batch;
    this.training = training;
    this.arguments = new Arguments<>(rnn.device(), Fields.Net.class);
    this.net = new NetArguments(arguments.struct(), rnn.entries());
    this.bound = new BoundParameters(rnn, arguments, net);
    Rnn.fill(arguments.struct(), config, steps, batch, training);
    this.sizes = rnn.sizes(net, "T=" + steps + " B=" + batch);
  }

  /**
   * The network of this call.
   *
   * @return the network
   */
  public Rnn rnn() {
    return rnn;
  }

  /**
   * Steps.
   *
   * @return T
   */
  public long steps() {
    return steps;
  }

  /**
   * Batch rows.
   *
   * @return B
   */
  public long batch() {
    return batch;
  }

  /**
   * Memory that this call needs; it may grow when {@link #lengths} are bound.
   *
   * @return bytes of reserve and workspace
   */
  public RnnSizes sizes() {
    return sizes;
  }

  /**
   * Binds all parameters; required.
   *
   * @param all of the same configuration
   * @return this
   */
  public RnnCall parameters(RnnParameters all) {
    bound.parameters(all);
    return this;
  }

  /**
   * Binds weights that were packed once; optional. Forward then computes with them and not with the
   * parameters, which stay required: a change of those is not seen before {@link
   * RnnPackedWeights#update}. Backward reads the parameters.
   *
   * @param weights of the same network and device, or null
   * @return this
   */
  public RnnCall packed(@Nullable RnnPackedWeights weights) {
    if (weights == null) {
      arguments.bindBytes(Fields.Net.PACKED, Fields.Net.PACKED_BYTES, "packed", null);
    } else {
      weights.bindTo(rnn, training, arguments);
    }
    packed = weights;
    return this;
  }

  /**
   * Binds gradients of all parameters; optional.
   *
   * @param all of the same configuration, or null
   * @return this
   */
  public RnnCall gradients(@Nullable RnnParameters all) {
    bound.gradients(all);
    return this;
  }

  /**
   * Binds one parameter; all are required but biases, which count as zero.
   *
   * @param which the parameter
   * @param layer from 0
   * @param direction 0 forward, 1 reverse
   * @param buffer of the shape that {@link RnnConfig#shape} gives
   * @return this
   */
  public RnnCall parameter(
      Parameter which, int layer, int direction, @Nullable DeviceBuffer buffer) {
    bound.parameter(which, layer, direction, buffer);
    return this;
  }

  /**
   * Binds the gradient of one parameter; optional, written by backward.
   *
   * @param which the parameter
   * @param layer from 0
   * @param direction 0 forward, 1 reverse
   * @param buffer of the shape that {@link RnnConfig#shape} gives, or null
   * @return this
   */
  public RnnCall gradient(
      Parameter which, int layer, int direction, @Nullable DeviceBuffer buffer) {
    bound.gradient(which, layer, direction, buffer);
    return this;
  }

  /**
   * Binds the input; required.
   *
   * @param buffer [T, B, I]
   * @return this
   */
  public RnnCall x(@Nullable DeviceBuffer buffer) {
    return bindSequence(Fields.Net.X, "x", buffer, config.inputSize());
  }

  /**
   * Binds the initial hidden state; optional.
   *
   * @param buffer [L*D, B, W], or null
   * @return this
   */
  public RnnCall h0(@Nullable DeviceBuffer buffer) {
    return bindState(Fields.Net.H0, "h0", buffer);
  }

  /**
   * Binds the initial cell state; optional, LSTM only.
   *
   * @param buffer [L*D, B, H], or null
   * @return this
   */
  public RnnCall c0(@Nullable DeviceBuffer buffer) {
    return bindCellState(Fields.Net.C0, "c0", buffer);
  }

  /**
   * Binds the output, h of every step; required, written by forward.
   *
   * @param buffer [T, B, D*W]
   * @return this
   */
  public RnnCall y(@Nullable DeviceBuffer buffer) {
    return bindSequence(Fields.Net.Y, "y", buffer, config.outputSize());
  }

  /**
   * Binds the last hidden state; optional, written by forward.
   *
   * @param buffer [L*D, B, W], or null; without training it may be the buffer of h0
   * @return this
   */
  public RnnCall hT(@Nullable DeviceBuffer buffer) {
    return bindState(Fields.Net.HT, "hT", buffer);
  }

  /**
   * Binds the last cell state; optional, LSTM only, written by forward.
   *
   * @param buffer [L*D, B, H], or null; without training it may be the buffer of c0
   * @return this
   */
  public RnnCall cT(@Nullable DeviceBuffer buffer) {
    return bindCellState(Fields.Net.CT, "cT", buffer);
  }

  /**
   * Binds the upstream gradient of y; optional.
   *
   * @param buffer [T, B, D*W], or null
   * @return this
   */
  public RnnCall dy(@Nullable DeviceBuffer buffer) {
    return bindSequence(Fields.Net.DY, "dy", buffer, config.outputSize());
  }

  /**
   * Binds the upstream gradient of hT; optional.
   *
   * @param buffer [L*D, B, W], or null
   * @return this
   */
  public RnnCall dhT(@Nullable DeviceBuffer buffer) {
    return bindState(Fields.Net.DHT, "dhT", buffer);
  }

  /**
   * Binds the upstream gradient of cT; optional, LSTM only.
   *
   * @param buffer [L*D, B, H], or null
   * @return this
   */
  public RnnCall dcT(@Nullable DeviceBuffer buffer) {
    return bindCellState(Fields.Net.DCT, "dcT", buffer);
  }

  /**
   * Binds the gradient of x; optional, written by backward.
   *
   * @param buffer [T, B, I], or null
   * @return this
   */
  public RnnCall dx(@Nullable DeviceBuffer buffer) {
    return bindSequence(Fields.Net.DX, "dx", buffer, config.inputSize());
  }

  /**
   * Binds the gradient of h0; optional, written by backward.
   *
   * @param buffer [L*D, B, W], or null
   * @return this
   */
  public RnnCall dh0(@Nullable DeviceBuffer buffer) {
    return bindState(Fields.Net.DH0, "dh0", buffer);
  }

  /**
   * Binds the gradient of c0; optional, LSTM only, written by backward.
   *
   * @param buffer [L*D, B, H], or null
   * @return this
   */
  public RnnCall dc0(@Nullable DeviceBuffer buffer) {
    return bindCellState(Fields.Net.DC0, "dc0", buffer);
  }

  /**
   * Binds the live steps of each row; optional: T. A row beyond its length holds its state, its y
   * and dx are zero and its dy is not read. Values are clamped to [0, T] on the device; {@link
   * RnnSequence#lengths(int...)} refuses others.
   *
   * @param buffer I32 [B], or null
   * @return this
   */
  public RnnCall lengths(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Net.LENGTHS, "lengths", buffer, DType.I32, batch);
    sizes = rnn.sizes(net, "T=" + steps + " B=" + batch);
    return this;
  }

  /**
   * Binds the memory that forward keeps for backward; required for training where {@link
   * RnnSizes#reserveBytes()} is not 0.
   *
   * @param buffer of any type, at least {@link RnnSizes#reserveBytes()} bytes
   * @return this
   */
  public RnnCall reserve(@Nullable DeviceBuffer buffer) {
    checkBytes("reserve", buffer, sizes.reserveBytes());
    arguments.bindBytes(Fields.Net.RESERVE, Fields.Net.RESERVE_BYTES, "reserve", buffer);
    return this;
  }

  /**
   * Binds scratch memory; required where {@link RnnSizes#workspaceBytes()} is not 0.
   *
   * @param buffer of any type, at least {@link RnnSizes#forwardWorkspaceBytes()} bytes, and for a
   *     backward call {@link RnnSizes#backwardWorkspaceBytes()}
   * @return this
   */
  public RnnCall workspace(@Nullable DeviceBuffer buffer) {
    checkBytes("workspace", buffer, sizes.forwardWorkspaceBytes());
    arguments.bindBytes(Fields.Net.WORKSPACE, Fields.Net.WORKSPACE_BYTES, "workspace", buffer);
    return this;
  }

  /**
   * Says whether backward adds to the gradients of the parameters.
   *
   * @param add true for {@code +=}, false (the default) for {@code =}
   * @return this
   */
  public RnnCall accumulate(boolean add) {
    return flag(Flags.ACCUMULATE, add);
  }

  /**
   * Lets products be rounded to TF32 (cuda only).
   *
   * @param allow false by default
   * @return this
   */
  public RnnCall allowTf32(boolean allow) {
    return flag(Flags.ALLOW_TF32, allow);
  }

  /**
   * Forces the kernel that runs the loop over time, in both passes; for comparisons and tests.
   *
   * @param forced AUTO, the default, leaves the choice to the planner; forward and backward refuse
   *     one that cannot run this call
   * @return this
   */
  public RnnCall kernel(SequenceKernel forced) {
    arguments.struct().set(Fields.Net.KERNEL, forced.ordinal());
    return this;
  }

  /**
   * Seeds the masks of dropout and zoneout; forward and backward need the same.
   *
   * @param seed of the generator; 0 by default
   * @param offset a new one for each training step; 0 by default
   * @return this
   */
  public RnnCall seed(long seed, long offset) {
    arguments.struct().set(Fields.Net.SEED, seed);
    arguments.struct().set(Fields.Net.OFFSET, offset);
    return this;
  }

  /**
   * Adds a number that lies on the device to the offset of the masks, read when they are drawn; so
   * a captured call draws new masks at each launch. Forward and backward need the same.
   *
   * @param word 8 bytes of any type: a 64-bit integer in native order; or null, the default
   * @return this
   */
  public RnnCall maskOffset(@Nullable DeviceBuffer word) {
    if (word != null && word.bytes() != 8) {
      throw new IllegalArgumentException("maskOffset: expected 8 bytes, got " + word.bytes());
    }
    arguments.bind(
        Fields.Net.OFFSET_ADDRESS,
        "maskOffset",
        word,
        word == null ? DType.I32 : word.dtype(),
        word == null ? 0 : word.length());
    return this;
  }

  /**
   * Uses a cuBLAS handle of the caller's (cuda and emulated only). It stays the caller's and must
   * outlive the call; stream, pointer mode and math mode are as before when a call returns, and no
   * other thread may use it during one.
   *
   * @param handle a {@code cublasHandle_t}, or 0 for the device's own
   * @return this
   */
  public RnnCall blas(long handle) {
    arguments.struct().set(Fields.Net.BLAS, handle);
    return this;
  }

  private RnnCall flag(long bit, boolean on) {
    long flags = arguments.struct().get(Fields.Net.FLAGS);
    arguments.struct().set(Fields.Net.FLAGS, on ? flags | bit : flags & ~bit);
    return this;
  }

  /** Shape of a sequence of some features. */
  long[] sequenceShape(long features) {
    return config.batchFirst()
        ? new long[] {batch, steps, features}
        : new long[] {steps, batch, features};
  }

  /** Shape of a state of some features. */
  long[] stateShape(long features) {
    return rnn.entries() == 1
        ? new long[] {batch, features}
        : new long[] {rnn.entries(), batch, features};
  }

  private RnnCall bindSequence(
      Fields.Net field, String name, @Nullable DeviceBuffer buffer, long features) {
    arguments.bind(field, name, buffer, config.dtype(), sequenceShape(features));
    return this;
  }

  private RnnCall bindState(Fields.Net field, String name, @Nullable DeviceBuffer buffer) {
    arguments.bind(field, name, buffer, config.dtype(), stateShape(config.stateSize()));
    return this;
  }

  private RnnCall bindCellState(Fields.Net field, String name, @Nullable DeviceBuffer buffer) {
    if (buffer != null && !config.cell().hasCellState()) {
      throw new IllegalArgumentException(
          name + ": expected none, for " + config.cell().label() + " has no cell state");
    }
    arguments.bind(field, name, buffer, config.stateDtype(), stateShape(config.hiddenSize()));
    return this;
  }

  private void checkBytes(String name, @Nullable DeviceBuffer buffer, long needed) {
    if (buffer != null && buffer.bytes() < needed) {
      throw new IllegalArgumentException(
          name + ": expected at least " + needed + " bytes, got " + buffer.bytes());
    }
  }

  NetArguments prepareForward(Rnn caller, long stream) {
    prepare(caller, sizes.forwardWorkspaceBytes());
    arguments.struct().set(Fields.Net.STREAM, stream);
    return net;
  }

  NetArguments prepareBackward(Rnn caller, long stream) {
    if (!training) {
      throw new IllegalStateException(
          "backward: this call was made without training; use newCall(steps, batch, true)");
    }
    prepare(caller, sizes.backwardWorkspaceBytes());
    arguments.struct().set(Fields.Net.STREAM, stream);
    return net;
  }

  private void prepare(Rnn caller, long workspaceBytes) {
    if (caller != rnn) {
      throw new IllegalArgumentException("call: expected one of " + caller + ", got " + this);
    }
    bound.check();
    if (packed != null) {
      packed.checkOpen();
    }
    arguments.require(Fields.Net.X, "x");
    arguments.require(Fields.Net.Y, "y");
    if (training && sizes.reserveBytes() > 0) {
      arguments.require(Fields.Net.RESERVE, "reserve");
      checkBytes("reserve", arguments.get(Fields.Net.RESERVE), sizes.reserveBytes());
    }
    if (workspaceBytes > 0) {
      arguments.require(Fields.Net.WORKSPACE, "workspace");
      checkBytes("workspace", arguments.get(Fields.Net.WORKSPACE), workspaceBytes);
    }
    arguments.checkOpen();
  }

  @Override
  public String toString() {
    return config + " T=" + steps + " B=" + batch + (training ? " training" : "");
  }
}
