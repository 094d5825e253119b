package dev.fusedrnn;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A call with everything allocated for it beside the parameters: data, states, reserve, workspace
 * and, for training, upstream gradients and gradients. All tensors start at zero. The buffers are
 * bound; bind null through {@link #call()} to leave one out. Threads: one at a time.
 */
public final class RnnSequence implements AutoCloseable {
  private final RnnLayer layer;
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

  RnnSequence(RnnLayer layer, long steps, long batch, boolean training) {
    this.layer = layer;
    this.call = layer.newCall(steps, batch, training);
    boolean cell = layer.config().cell().hasCellState();
    long input = layer.config().inputSize();
    long hidden = layer.config().hiddenSize();
    try {
      x = own(steps, batch, input);
      h0 = own(batch, hidden);
      c0 = cell ? own(batch, hidden) : null;
      y = own(steps, batch, hidden);
      hT = own(batch, hidden);
      cT = cell ? own(batch, hidden) : null;
      dy = training ? own(steps, batch, hidden) : null;
      dhT = training ? own(batch, hidden) : null;
      dcT = training && cell ? own(batch, hidden) : null;
      dx = training ? own(steps, batch, input) : null;
      dh0 = training ? own(batch, hidden) : null;
      dc0 = training && cell ? own(batch, hidden) : null;
      call.x(x).h0(h0).c0(c0).y(y).hT(hT).cT(cT);
      call.dy(dy).dhT(dhT).dcT(dcT).dx(dx).dh0(dh0).dc0(dc0);
      call.reserve(scratch(call.sizes().reserveBytes()));
      call.workspace(scratch(call.sizes().workspaceBytes()));
      layer.device().synchronize();
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  private DeviceBuffer own(long... shape) {
    DeviceBuffer buffer = layer.device().allocate(layer.config().dtype(), shape);
    owned.add(buffer);
    buffer.zero(layer.device().defaultStream());
    return buffer;
  }

  private DeviceBuffer scratch(long bytes) {
    DeviceBuffer buffer = layer.device().allocate(DType.F32, (bytes + 3) / 4);
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
   * Runs {@link RnnLayer#forward}.
   *
   * @param stream where to enqueue
   */
  public void forward(Stream stream) {
    layer.forward(call, stream);
  }

  /**
   * Runs {@link RnnLayer#backward}.
   *
   * @param stream where to enqueue
   */
  public void backward(Stream stream) {
    layer.backward(call, stream);
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
   * @return [B, H]
   */
  public DeviceBuffer h0() {
    return h0;
  }

  /**
   * The initial cell state.
   *
   * @return [B, H]
   * @throws IllegalStateException where the cell has no cell state
   */
  public DeviceBuffer c0() {
    return present("c0", c0);
  }

  /**
   * The output.
   *
   * @return [T, B, H]
   */
  public DeviceBuffer y() {
    return y;
  }

  /**
   * The last hidden state.
   *
   * @return [B, H]
   */
  public DeviceBuffer hT() {
    return hT;
  }

  /**
   * The last cell state.
   *
   * @return [B, H]
   * @throws IllegalStateException where the cell has no cell state
   */
  public DeviceBuffer cT() {
    return present("cT", cT);
  }

  /**
   * The upstream gradient of y.
   *
   * @return [T, B, H]
   * @throws IllegalStateException where made without training
   */
  public DeviceBuffer dy() {
    return present("dy", dy);
  }

  /**
   * The upstream gradient of hT.
   *
   * @return [B, H]
   * @throws IllegalStateException where made without training
   */
  public DeviceBuffer dhT() {
    return present("dhT", dhT);
  }

  /**
   * The upstream gradient of cT.
   *
   * @return [B, H]
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
   * @return [B, H]
   * @throws IllegalStateException where made without training
   */
  public DeviceBuffer dh0() {
    return present("dh0", dh0);
  }

  /**
   * The gradient of c0.
   *
   * @return [B, H]
   * @throws IllegalStateException where made without training or the cell has no cell state
   */
  public DeviceBuffer dc0() {
    return present("dc0", dc0);
  }

  private DeviceBuffer present(String name, @Nullable DeviceBuffer buffer) {
    if (buffer == null) {
      throw new IllegalStateException(
          name + ": not in this sequence, which is one of " + call.toString().strip());
    }
    return buffer;
  }

  /** Frees all buffers; idempotent. */
  @Override
  public void close() {
    owned.forEach(DeviceBuffer::close);
  }
}
