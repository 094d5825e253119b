package dev.fusedrnn;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A call with everything allocated for it beside the parameters: data, states, reserve, workspace
 * and, for training, upstream gradients and gradients. All tensors start at zero. The buffers are
 * bound; bind null through {@link #call()} to leave one out. Threads: one at a time.
 */
public final class RnnSequence implements AutoCloseable {
  private final Rnn rnn;
  private final RnnCall call;
  private final List<DeviceBuffer> owned = new ArrayList<>();
  private final DeviceBuffer x;
  private final DeviceBuffer h0;
  private final @Nullable DeviceBuffer c0;
  private final DeviceBuffer y;
  private final DeviceBuffer hT;
  private final @Nullable DeviceBuffer cT;
  private final @Nullable DeviceBuffer dy;
  private final @Nullable DeviceBuffer dhT;
  private final @Nullable DeviceBuffer dcT;
  private final @Nullable DeviceBuffer dx;
  private final @Nullable DeviceBuffer dh0;
  private final @Nullable DeviceBuffer dc0;
  private @Nullable DeviceBuffer lengths;
  private @Nullable DeviceBuffer reserve;
  private @Nullable DeviceBuffer workspace;

  RnnSequence(Rnn rnn, long steps, long batch, boolean training) {
    this.rnn = rnn;
    this.call = rnn.newCall(steps, batch, training);
    RnnConfig config = rnn.config();
    boolean cell = config.cell().hasCellState();
    long[] input = call.sequenceShape(config.inputSize());
    long[] output = call.sequenceShape(config.outputSize());
    long[] hidden = call.stateShape(config.stateSize());
    long[] state = call.stateShape(config.hiddenSize());
    try {
      x = own(input);
      h0 = own(hidden);
      c0 = cell ? ownState(state) : null;
      y = own(output);
      hT = own(hidden);
      cT = cell ? ownState(state) : null;
      dy = training ? own(output) : null;
      dhT = training ? own(hidden) : null;
      dcT = training && cell ? ownState(state) : null;
      dx = training ? own(input) : null;
      dh0 = training ? own(hidden) : null;
      dc0 = training && cell ? ownState(state) : null;
      call.x(x).h0(h0).c0(c0).y(y).hT(hT).cT(cT);
      call.dy(dy).dhT(dhT).dcT(dcT).dx(dx).dh0(dh0).dc0(dc0);
      bindScratch();
      rnn.device().synchronize();
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private DeviceBuffer own(long... shape) {
    return own(rnn.config().dtype(), shape);
  }

  private DeviceBuffer ownState(long... shape) {
    return own(rnn.config().stateDtype(), shape);
  }

  private DeviceBuffer own(DType dtype, long[] shape) {
    DeviceBuffer buffer = rnn.device().allocate(dtype, shape);
    owned.add(buffer);
    buffer.zero(rnn.device().defaultStream());
    return buffer;
  }

  /** Binds reserve and workspace, new ones where the call needs more than there is. */
  private void bindScratch() {
    reserve = scratch(reserve, call.sizes().reserveBytes());
    workspace = scratch(workspace, call.sizes().workspaceBytes());
    call.reserve(reserve).workspace(workspace);
  }

  private DeviceBuffer scratch(@Nullable DeviceBuffer present, long bytes) {
    if (present != null && present.bytes() >= bytes) {
      return present;
    }
    if (present != null) {
      rnn.device().synchronize(); // what is enqueued may still use it
      owned.remove(present);
      present.close();
    }
    DeviceBuffer buffer = rnn.device().allocate(DType.F32, (bytes + 3) / 4);
    owned.add(buffer);
    return buffer;
  }

  /**
   * The call on these buffers; parameters and gradients are still to be bound.
   *
   * @return the call
   */
  public RnnCall call() {
    return call;
  }

  /**
   * Runs {@link Rnn#forward}.
   *
   * @param stream where to enqueue
   */
  public void forward(Stream stream) {
    rnn.forward(call, stream);
  }

  /**
   * Runs {@link Rnn#backward}.
   *
   * @param stream where to enqueue
   */
  public void backward(Stream stream) {
    rnn.backward(call, stream);
  }

  /**
   * Sets the live steps of each row; without a call all rows have T.
   *
   * @param live B numbers, each from 0 to T
   * @return this
   * @throws IllegalArgumentException naming the row that does not fit
   */
  public RnnSequence lengths(int... live) {
    if (live.length != call.batch()) {
      throw new IllegalArgumentException(
          "lengths: expected " + call.batch() + " rows, got " + live.length);
    }
    for (int row = 0; row < live.length; row++) {
      if (live[row] < 0 || live[row] > call.steps()) {
        throw new IllegalArgumentException(
            "lengths[" + row + "]: expected 0 to " + call.steps() + ", got " + live[row]);
      }
    }
    DeviceBuffer buffer = lengths;
    if (buffer == null) {
      buffer = rnn.device().allocate(DType.I32, live.length);
      owned.add(buffer);
      lengths = buffer;
      call.lengths(buffer);
      bindScratch();
    }
    buffer.write(live);
    return this;
  }

  /**
   * Carries the state on to the next chunk: h0 = hT and c0 = cT; enqueued.
   *
   * @param stream where to enqueue
   */
  public void carryState(Stream stream) {
    h0.copyFrom(hT, stream);
    if (c0 != null && cT != null) {
      c0.copyFrom(cT, stream);
    }
  }

  /**
   * Sets the initial state of all rows to zero; enqueued.
   *
   * @param stream where to enqueue
   */
  public void resetStates(Stream stream) {
    h0.zero(stream);
    if (c0 != null) {
      c0.zero(stream);
    }
  }

  /**
   * Sets the initial state of one row to zero in all layers and directions; enqueued.
   *
   * @param row from 0 to B - 1
   * @param stream where to enqueue
   */
  public void resetRow(long row, Stream stream) {
    zeroRow(h0, row, stream);
    if (c0 != null) {
      zeroRow(c0, row, stream);
    }
  }

  private void zeroRow(DeviceBuffer state, long row, Stream stream) {
    Objects.checkIndex(row, call.batch());
    long features = state.length() / (rnn.entries() * call.batch());
    for (int entry = 0; entry < rnn.entries(); entry++) {
      state.zero((entry * call.batch() + row) * features, features, stream);
    }
  }

  /**
   * The input.
   *
   * @return [T, B, I]
   */
  public DeviceBuffer x() {
    return x;
  }

  /**
   * The initial hidden state.
   *
   * @return [L*D, B, .], or [B, .] where there is one layer and direction
   */
  public DeviceBuffer h0() {
    return h0;
  }

  /**
   * The initial cell state.
   *
   * @return [L*D, B, .], or [B, .] where there is one layer and direction
   * @throws IllegalStateException where the cell has no cell state
   */
  public DeviceBuffer c0() {
    return present("c0", c0);
  }

  /**
   * The output.
   *
   * @return [T, B, D*W]
   */
  public DeviceBuffer y() {
    return y;
  }

  /**
   * The last hidden state.
   *
   * @return [L*D, B, .], or [B, .] where there is one layer and direction
   */
  public DeviceBuffer hT() {
    return hT;
  }

  /**
   * The last cell state.
   *
   * @return [L*D, B, .], or [B, .] where there is one layer and direction
   * @throws IllegalStateException where the cell has no cell state
   */
  public DeviceBuffer cT() {
    return present("cT", cT);
  }

  /**
   * The upstream gradient of y.
   *
   * @return [T, B, D*W]
   * @throws IllegalStateException where made without training
   */
  public DeviceBuffer dy() {
    return present("dy", dy);
  }

  /**
   * The upstream gradient of hT.
   *
   * @return [L*D, B, .], or [B, .] where there is one layer and direction
   * @throws IllegalStateException where made without training
   */
  public DeviceBuffer dhT() {
    return present("dhT", dhT);
  }

  /**
   * The upstream gradient of cT.
   *
   * @return [L*D, B, .], or [B, .] where there is one layer and direction
   * @throws IllegalStateException where made without training or the cell has no cell state
   */
  public DeviceBuffer dcT() {
    return present("dcT", dcT);
  }

  /**
   * The gradient of x.
   *
   * @return [T, B, I]
   * @throws IllegalStateException where made without training
   */
  public DeviceBuffer dx() {
    return present("dx", dx);
  }

  /**
   * The gradient of h0.
   *
   * @return [L*D, B, .], or [B, .] where there is one layer and direction
   * @throws IllegalStateException where made without training
   */
  public DeviceBuffer dh0() {
    return present("dh0", dh0);
  }

  /**
   * The gradient of c0.
   *
   * @return [L*D, B, .], or [B, .] where there is one layer and direction
   * @throws IllegalStateException where made without training or the cell has no cell state
   */
  public DeviceBuffer dc0() {
    return present("dc0", dc0);
  }

  private DeviceBuffer present(String name, @Nullable DeviceBuffer buffer) {
    if (buffer == null) {
      throw new IllegalStateException(name + ": not in this sequence, which is one of " + call);
    }
    return buffer;
  }

  /** Frees all buffers; idempotent. */
  @Override
  public void close() {
    owned.forEach(DeviceBuffer::close);
  }
}
