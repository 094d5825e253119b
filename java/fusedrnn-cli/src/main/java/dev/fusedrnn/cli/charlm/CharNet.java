package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Embedding;
import dev.fusedrnn.Linear;
import dev.fusedrnn.RnnCall;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.Stream;
import java.util.ArrayList;
import java.util.List;
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
  private final List<RnnSequence> layers = new ArrayList<>();
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
    for (int k = 0; k < shape.layers(); k++) {
      RnnSequence layer = parameters.layer(k).newSequence(steps, batch, training);
      layers.add(layer);
      layer.call().parameters(parameters.recurrent(k)).dhT(null).dcT(null).dh0(null).dc0(null);
      if (k > 0) {
        layer.call().x(layers.get(k - 1).y());
      }
    }
    embedding = Embedding.create(device, DType.F32, rows, characters, shape.input());
    embedding.table(parameters.embedding()).y(layers.get(0).x().view(rows, shape.input()));
    logits = device.allocate(DType.F32, rows, characters);
    linear = Linear.create(device, DType.F32, rows, shape.hidden(), characters);
    linear.x(last().y().view(rows, shape.hidden())).y(logits);
    linear.w(parameters.outputWeight()).b(parameters.outputBias());
    if (gradients != null) {
      bindGradients(gradients, rows);
    }
  }

  private void bindGradients(CharParameters to, int rows) {
    CharShape shape = parameters.shape();
    // The loss writes the gradient of the scores over the scores.
    linear.dy(logits).dx(last().dy().view(rows, shape.hidden()));
    linear.dw(to.outputWeight()).db(to.outputBias());
    for (int k = 0; k < layers.size(); k++) {
      RnnCall call = layers.get(k).call().gradients(to.recurrent(k));
      if (k > 0) {
        call.dx(layers.get(k - 1).dy());
      } else if (shape.embedding() == 0) {
        call.dx(null);
      }
    }
    if (shape.embedding() > 0) {
      embedding.dy(layers.get(0).dx().view(rows, shape.input())).dtable(to.embedding());
    }
  }

  private RnnSequence last() {
    return layers.get(layers.size() - 1);
  }

  /** Scores [T*B, V]; after the loss their gradients. */
  DeviceBuffer logits() {
    return logits;
  }

  /** Starts from an empty past. */
  void zeroState() {
    for (RnnSequence layer : layers) {
      layer.h0().zero(stream);
      if (parameters.shape().cell().hasCellState()) {
        layer.c0().zero(stream);
      }
    }
  }

  /** Starts one row of the batch from an empty past. */
  void zeroState(int row) {
    long hidden = parameters.shape().hidden();
    for (RnnSequence layer : layers) {
      layer.h0().slice(row * hidden, hidden).zero(stream);
      if (parameters.shape().cell().hasCellState()) {
        layer.c0().slice(row * hidden, hidden).zero(stream);
      }
    }
  }

  /** Makes the state after the last window the state before the next. */
  void carryState() {
    for (RnnSequence layer : layers) {
      layer.h0().copyFrom(layer.hT(), stream);
      if (parameters.shape().cell().hasCellState()) {
        layer.c0().copyFrom(layer.cT(), stream);
      }
    }
  }

  /**
   * Computes scores.
   *
   * @param ids I32 [T*B], time-major
   */
  void forward(DeviceBuffer ids) {
    embedding.ids(ids).forward(stream);
    layers.forEach(layer -> layer.forward(stream));
    linear.forward(stream);
  }

  /** Computes all gradients, =, from the gradient of the scores. */
  void backward() {
    if (gradients == null) {
      throw new IllegalStateException("backward: this net was made without gradients");
    }
    linear.backward(stream);
    for (int k = layers.size() - 1; k >= 0; k--) {
      layers.get(k).backward(stream);
    }
    if (parameters.shape().embedding() > 0) {
      embedding.backward(stream);
    }
  }

  @Override
  public void close() {
    layers.forEach(RnnSequence::close);
    linear.close();
    logits.close();
  }
}
