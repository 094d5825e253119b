package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Embedding;
import dev.fusedrnn.Linear;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.Stream;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The network over windows of one size: ids [T, B] in, scores of the next character [T*B, V] out,
 * and the way back. The recurrent state stays on the device between windows. Everything is enqueued
 * on the device's default stream; nothing waits.
 */
final class CharNet implements AutoCloseable {
  private final Stream stream;
  private final CharParameters parameters;
  private final @Nullable CharParameters gradients;
  private final Embedding embedding;
  private final RnnSequence layers;
  private final Linear linear;
  private final DeviceBuffer logits;

  /**
   * @param device where
   * @param parameters read
   * @param gradients written backward; null where there is no way back
   * @param steps T
   * @param batch B
   */
  CharNet(
      Device device,
      CharParameters parameters,
      @Nullable CharParameters gradients,
      int steps,
      int batch) {
    this.stream = device.defaultStream();
    this.parameters = parameters;
    this.gradients = gradients;
    CharShape shape = parameters.shape();
    int rows = steps * batch;
    int characters = shape.vocabulary().size();
    boolean training = gradients != null;
    layers = parameters.rnn().newSequence(steps, batch, training);
    layers.call().parameters(parameters.recurrent()).dhT(null).dcT(null).dh0(null).dc0(null);
    embedding = Embedding.create(device, DType.F32, rows, characters, shape.input());
    embedding.table(parameters.embedding()).y(layers.x().view(rows, shape.input()));
    logits = device.allocate(DType.F32, rows, characters);
    linear = Linear.create(device, DType.F32, rows, shape.hidden(), characters);
    linear.x(layers.y().view(rows, shape.hidden())).y(logits);
    linear.w(parameters.outputWeight()).b(parameters.outputBias());
    if (gradients != null) {
      bindGradients(gradients, rows);
    }
  }

  private void bindGradients(CharParameters to, int rows) {
    CharShape shape = parameters.shape();
    // The loss writes the gradient of the scores over the scores.
    linear.dy(logits).dx(layers.dy().view(rows, shape.hidden()));
    linear.dw(to.outputWeight()).db(to.outputBias());
    layers.call().gradients(to.recurrent());
    if (shape.embedding() == 0) {
      layers.call().dx(null);
    }
    if (shape.embedding() > 0) {
      embedding.dy(layers.dx().view(rows, shape.input())).dtable(to.embedding());
    }
  }

  /** Scores [T*B, V]; after the loss their gradients. */
  DeviceBuffer logits() {
    return logits;
  }

  /** Starts from an empty past. */
  void zeroState() {
    layers.h0().zero(stream);
    if (parameters.shape().cell().hasCellState()) {
      layers.c0().zero(stream);
    }
  }

  /** Starts one row of the batch from an empty past. */
  void zeroState(int row) {
    layers.resetRow(row, stream);
  }

  /** Makes the state after the last window the state before the next. */
  void carryState() {
    layers.carryState(stream);
  }

  /** What the next window takes from the last one, by name. */
  Map<String, DeviceBuffer> state() {
    Map<String, DeviceBuffer> state = new LinkedHashMap<>();
    state.put("h", layers.hT());
    if (parameters.shape().cell().hasCellState()) {
      state.put("c", layers.cT());
    }
    return state;
  }

  /** Chooses what dropout draws: the same numbers give the same masks. */
  void masks(long seed, long step) {
    layers.call().seed(seed, step);
  }

  /**
   * Computes scores.
   *
   * @param ids I32 [T*B], time-major
   */
  void forward(DeviceBuffer ids) {
    embedding.ids(ids).forward(stream);
    layers.forward(stream);
    linear.forward(stream);
  }

  /** Computes all gradients, =, from the gradient of the scores. */
  void backward() {
    if (gradients == null) {
      throw new IllegalStateException("backward: this net was made without gradients");
    }
    linear.backward(stream);
    layers.backward(stream);
    if (parameters.shape().embedding() > 0) {
      embedding.backward(stream);
    }
  }

  @Override
  public void close() {
    embedding.close();
    layers.close();
    linear.close();
    logits.close();
  }
}
