package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Embedding;
import dev.fusedrnn.Linear;
import dev.fusedrnn.RnnPackedWeights;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.Stream;

/**
 * The network over windows of one size, for reading: ids [T, B] in, scores of the next character
 * [T*B, V] out. The recurrent state stays on the device between windows. Everything is enqueued on
 * the device's default stream; nothing waits. The recurrent weights are packed once, so that
 * parameters are read as they were when this was made: one lives no longer than they stay the same.
 */
final class CharNet implements AutoCloseable {
  private final Stream stream;
  private final Embedding embedding;
  private final RnnPackedWeights packed;
  private final RnnSequence layers;
  private final Linear linear;
  private final DeviceBuffer logits;

  /**
   * @param device where
   * @param parameters read
   * @param steps T
   * @param batch B
   */
  CharNet(Device device, CharParameters parameters, int steps, int batch) {
    this.stream = device.defaultStream();
    CharShape shape = parameters.shape();
    int rows = steps * batch;
    int characters = shape.vocabulary().size();
    layers = parameters.rnn().newSequence(steps, batch, false);
    packed = parameters.rnn().newPackedWeights(parameters.recurrent());
    layers.call().parameters(parameters.recurrent()).packed(packed);
    embedding = Embedding.create(device, DType.F32, rows, characters, shape.input());
    embedding.table(parameters.embedding()).y(layers.x().view(rows, shape.input()));
    logits = device.allocate(DType.F32, rows, characters);
    linear = Linear.create(device, DType.F32, rows, shape.hidden(), characters);
    linear.x(layers.y().view(rows, shape.hidden())).y(logits);
    linear.w(parameters.outputWeight()).b(parameters.outputBias());
  }

  /** Scores [T*B, V]. */
  DeviceBuffer logits() {
    return logits;
  }

  /** Starts from an empty past. */
  void zeroState() {
    layers.resetStates(stream);
  }

  /** Makes the state after the last window the state before the next. */
  void carryState() {
    layers.carryState(stream);
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

  @Override
  public void close() {
    embedding.close();
    layers.close();
    packed.close();
    linear.close();
    logits.close();
  }
}
