package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Flags;
import org.jspecify.annotations.Nullable;

/**
 * The arguments of one recurrent call, forward and backward, over buffers of the caller's own.
 * Setters check device, type and shape at once and take null to unbind an optional buffer; a call
 * may be run many times and then allocates nothing.
 *
 * <p>Dimensions: T steps, B batch, I input, H hidden, G gates. Optional inputs that are absent
 * count as zero; optional outputs that are absent are not computed. Threads: one at a time.
 */
public final class RnnCall {
  private final RnnLayer layer;
  private final long steps;
  private final long batch;
  private final boolean training;
  private final RnnSizes sizes;
  private final Arguments<Fields.Rnn> arguments;

  RnnCall(RnnLayer layer, long steps, long batch, boolean training) {
    this.layer = layer;
    this.steps = steps;
    this.batch = batch;
    this.training = training;
    this.sizes = layer.sizes(steps, batch, training);
    this.arguments = new Arguments<>(layer.device(), Fields.Rnn.class);
    layer.fill(arguments.struct(), steps, batch, training);
  }

  /**
   * The layer of this call.
   *
   * @return the layer
   */
  public RnnLayer layer() {
    return layer;
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
   * Memory that this call needs.
   *
   * @return bytes of reserve and workspace
   */
  public RnnSizes sizes() {
    return sizes;
  }

  /**
   * Binds weights and, where the layer has them, biases; required.
   *
   * @param parameters of the same configuration
   * @return this
   */
  public RnnCall parameters(RnnParameters parameters) {
    weightIh(parameters.weightIh());
    weightHh(parameters.weightHh());
    biasIh(parameters.biasIh());
    return biasHh(parameters.biasHh());
  }

  /**
   * Binds gradients of all parameters; optional.
   *
   * @param gradients of the same configuration, or null
   * @return this
   */
  public RnnCall gradients(@Nullable RnnParameters gradients) {
    dWeightIh(gradients == null ? null : gradients.weightIh());
    dWeightHh(gradients == null ? null : gradients.weightHh());
    dBiasIh(gradients == null ? null : gradients.biasIh());
    return dBiasHh(gradients == null ? null : gradients.biasHh());
  }

  /**
   * Binds input weights; required.
   *
   * @param buffer [G*H, I]
   * @return this
   */
  public RnnCall weightIh(@Nullable DeviceBuffer buffer) {
    return bind(Fields.Rnn.W_IH, "weight_ih", buffer, layer.config().weightIhShape());
  }

  /**
   * Binds recurrent weights; required.
   *
   * @param buffer [G*H, H]
   * @return this
   */
  public RnnCall weightHh(@Nullable DeviceBuffer buffer) {
    return bind(Fields.Rnn.W_HH, "weight_hh", buffer, layer.config().weightHhShape());
  }

  /**
   * Binds the bias beside the input product; optional.
   *
   * @param buffer [G*H], or null
   * @return this
   */
  public RnnCall biasIh(@Nullable DeviceBuffer buffer) {
    return bindBias(Fields.Rnn.B_IH, "bias_ih", buffer);
  }

  /**
   * Binds the bias beside the recurrent product; optional.
   *
   * @param buffer [G*H], or null
   * @return this
   */
  public RnnCall biasHh(@Nullable DeviceBuffer buffer) {
    return bindBias(Fields.Rnn.B_HH, "bias_hh", buffer);
  }

  /**
   * Binds the input; required.
   *
   * @param buffer [T, B, I]
   * @return this
   */
  public RnnCall x(@Nullable DeviceBuffer buffer) {
    return bind(Fields.Rnn.X, "x", buffer, steps, batch, input());
  }

  /**
   * Binds the initial hidden state; optional.
   *
   * @param buffer [B, H], or null
   * @return this
   */
  public RnnCall h0(@Nullable DeviceBuffer buffer) {
    return bind(Fields.Rnn.H0, "h0", buffer, batch, hidden());
  }

  /**
   * Binds the initial cell state; optional, LSTM only.
   *
   * @param buffer [B, H], or null
   * @return this
   */
  public RnnCall c0(@Nullable DeviceBuffer buffer) {
    return bindCellState(Fields.Rnn.C0, "c0", buffer);
  }

  /**
   * Binds the output, h of every step; required, written by forward.
   *
   * @param buffer [T, B, H]
   * @return this
   */
  public RnnCall y(@Nullable DeviceBuffer buffer) {
    return bind(Fields.Rnn.Y, "y", buffer, steps, batch, hidden());
  }

  /**
   * Binds the last hidden state; optional, written by forward.
   *
   * @param buffer [B, H]; without training it may be the buffer of h0, or null
   * @return this
   */
  public RnnCall hT(@Nullable DeviceBuffer buffer) {
    return bind(Fields.Rnn.HT, "hT", buffer, batch, hidden());
  }

  /**
   * Binds the last cell state; optional, LSTM only, written by forward.
   *
   * @param buffer [B, H]; without training it may be the buffer of c0, or null
   * @return this
   */
  public RnnCall cT(@Nullable DeviceBuffer buffer) {
    return bindCellState(Fields.Rnn.CT, "cT", buffer);
  }

  /**
   * Binds the upstream gradient of y; optional.
   *
   * @param buffer [T, B, H], or null
   * @return this
   */
  public RnnCall dy(@Nullable DeviceBuffer buffer) {
    return bind(Fields.Rnn.DY, "dy", buffer, steps, batch, hidden());
  }

  /**
   * Binds the upstream gradient of hT; optional.
   *
   * @param buffer [B, H], or null
   * @return this
   */
  public RnnCall dhT(@Nullable DeviceBuffer buffer) {
    return bind(Fields.Rnn.DHT, "dhT", buffer, batch, hidden());
  }

  /**
   * Binds the upstream gradient of cT; optional, LSTM only.
   *
   * @param buffer [B, H], or null
   * @return this
   */
  public RnnCall dcT(@Nullable DeviceBuffer buffer) {
    return bindCellState(Fields.Rnn.DCT, "dcT", buffer);
  }

  /**
   * Binds the gradient of x; optional, written by backward.
   *
   * @param buffer [T, B, I], or null
   * @return this
   */
  public RnnCall dx(@Nullable DeviceBuffer buffer) {
    return bind(Fields.Rnn.DX, "dx", buffer, steps, batch, input());
  }

  /**
   * Binds the gradient of h0; optional, written by backward.
   *
   * @param buffer [B, H], or null
   * @return this
   */
  public RnnCall dh0(@Nullable DeviceBuffer buffer) {
    return bind(Fields.Rnn.DH0, "dh0", buffer, batch, hidden());
  }

  /**
   * Binds the gradient of c0; optional, LSTM only, written by backward.
   *
   * @param buffer [B, H], or null
   * @return this
   */
  public RnnCall dc0(@Nullable DeviceBuffer buffer) {
    return bindCellState(Fields.Rnn.DC0, "dc0", buffer);
  }

  /**
   * Binds the gradient of the input weights; optional, written by backward.
   *
   * @param buffer [G*H, I], or null
   * @return this
   */
  public RnnCall dWeightIh(@Nullable DeviceBuffer buffer) {
    return bind(Fields.Rnn.DW_IH, "dweight_ih", buffer, layer.config().weightIhShape());
  }

  /**
   * Binds the gradient of the recurrent weights; optional, written by backward.
   *
   * @param buffer [G*H, H], or null
   * @return this
   */
  public RnnCall dWeightHh(@Nullable DeviceBuffer buffer) {
    return bind(Fields.Rnn.DW_HH, "dweight_hh", buffer, layer.config().weightHhShape());
  }

  /**
   * Binds the gradient of the bias beside the input product; optional, written by backward.
   *
   * @param buffer [G*H], or null
   * @return this
   */
  public RnnCall dBiasIh(@Nullable DeviceBuffer buffer) {
    return bindBias(Fields.Rnn.DB_IH, "dbias_ih", buffer);
  }

  /**
   * Binds the gradient of the bias beside the recurrent product; optional, written by backward.
   *
   * @param buffer [G*H], or null
   * @return this
   */
  public RnnCall dBiasHh(@Nullable DeviceBuffer buffer) {
    return bindBias(Fields.Rnn.DB_HH, "dbias_hh", buffer);
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
    arguments.bindBytes(Fields.Rnn.RESERVE, Fields.Rnn.RESERVE_BYTES, "reserve", buffer);
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
    arguments.bindBytes(Fields.Rnn.WORKSPACE, Fields.Rnn.WORKSPACE_BYTES, "workspace", buffer);
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
   * Uses a cuBLAS handle of the caller's (cuda only).
   *
   * @param handle a {@code cublasHandle_t}, or 0 for the device's own
   * @return this
   */
  public RnnCall blas(long handle) {
    arguments.struct().set(Fields.Rnn.BLAS, handle);
    return this;
  }

  private RnnCall flag(long bit, boolean on) {
    long flags = arguments.struct().get(Fields.Rnn.FLAGS);
    arguments.struct().set(Fields.Rnn.FLAGS, on ? flags | bit : flags & ~bit);
    return this;
  }

  private RnnCall bind(
      Fields.Rnn field, String name, @Nullable DeviceBuffer buffer, long... shape) {
    arguments.bind(field, name, buffer, layer.config().dtype(), shape);
    return this;
  }

  private RnnCall bindCellState(Fields.Rnn field, String name, @Nullable DeviceBuffer buffer) {
    if (buffer != null && !layer.config().cell().hasCellState()) {
      throw new IllegalArgumentException(
          name + ": expected none, for " + layer.config().cell().label() + " has no cell state");
    }
    return bind(field, name, buffer, batch, hidden());
  }

  private RnnCall bindBias(Fields.Rnn field, String name, @Nullable DeviceBuffer buffer) {
    return bind(field, name, buffer, layer.config().gateRows());
  }

  private void checkBytes(String name, @Nullable DeviceBuffer buffer, long needed) {
    if (buffer != null && buffer.bytes() < needed) {
      throw new IllegalArgumentException(
          name + ": expected at least " + needed + " bytes, got " + buffer.bytes());
    }
  }

  private long input() {
    return layer.config().inputSize();
  }

  private long hidden() {
    return layer.config().hiddenSize();
  }

  Arguments<Fields.Rnn> prepareForward(RnnLayer caller, long stream) {
    prepare(caller, sizes.forwardWorkspaceBytes());
    arguments.struct().set(Fields.Rnn.STREAM, stream);
    return arguments;
  }

  Arguments<Fields.Rnn> prepareBackward(RnnLayer caller, long stream) {
    if (!training) {
      throw new IllegalStateException(
          "backward: this call was made without training; use newCall(steps, batch, true)");
    }
    prepare(caller, sizes.backwardWorkspaceBytes());
    arguments.struct().set(Fields.Rnn.STREAM, stream);
    return arguments;
  }

  private void prepare(RnnLayer caller, long workspaceBytes) {
    if (caller != layer) {
      throw new IllegalArgumentException("call: expected one of " + caller + ", got " + this);
    }
    arguments.require(Fields.Rnn.W_IH, "weight_ih");
    arguments.require(Fields.Rnn.W_HH, "weight_hh");
    arguments.require(Fields.Rnn.X, "x");
    arguments.require(Fields.Rnn.Y, "y");
    if (training && sizes.reserveBytes() > 0) {
      arguments.require(Fields.Rnn.RESERVE, "reserve");
    }
    if (workspaceBytes > 0) {
      arguments.require(Fields.Rnn.WORKSPACE, "workspace");
      if (arguments.struct().get(Fields.Rnn.WORKSPACE_BYTES) < workspaceBytes) {
        checkBytes("workspace", arguments.get(Fields.Rnn.WORKSPACE), workspaceBytes);
      }
    }
    arguments.checkOpen();
  }

  @Override
  public String toString() {
    return layer.config() + " T=" + steps + " B=" + batch + (training ? " training " : " ");
  }
}
