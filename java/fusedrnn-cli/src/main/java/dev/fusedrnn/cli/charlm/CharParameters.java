package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.TensorArena;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * The parameters of a character model, or their gradients, in one arena of device memory. All start
 * at zero.
 */
final class CharParameters implements AutoCloseable {
  private static final String EMBEDDING = "embedding.weight";
  private static final String RECURRENT = "rnn.";
  private static final String OUTPUT_WEIGHT = "output.weight";
  private static final String OUTPUT_BIAS = "output.bias";

  private final CharShape shape;
  private final Rnn rnn;
  private final TensorArena arena;
  private final RnnParameters recurrent;
  private final DeviceBuffer embedding;

  CharParameters(Device device, CharShape shape) {
    this.shape = shape;
    int characters = shape.vocabulary().size();
    rnn = Rnn.create(device, shape.network());
    TensorArena.Builder tensors = TensorArena.builder(device, DType.F32);
    if (shape.embedding() > 0) {
      tensors.add(EMBEDDING, characters, shape.embedding());
    }
    arena =
        tensors
            .add(RECURRENT, shape.network())
            .add(OUTPUT_WEIGHT, characters, shape.hidden())
            .add(OUTPUT_BIAS, characters)
            .build();
    recurrent = arena.parameters(RECURRENT, rnn);
    if (shape.embedding() > 0) {
      embedding = arena.get(EMBEDDING);
    } else {
      embedding = device.allocate(DType.F32, characters, characters);
      embedding.write(identity(characters));
    }
  }

  private static float[] identity(int size) {
    float[] table = new float[size * size];
    for (int k = 0; k < size; k++) {
      table[k * size + k] = 1;
    }
    return table;
  }

  /**
   * Draws initial values: recurrent layers as torch.nn does, the forget gate of an LSTM open by 1
   * (Jozefowicz, Zaremba and Sutskever 2015), embeddings and output uniform.
   *
   * @param seed the same seed gives the same values on every backend
   */
  void initialize(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    recurrent.initializeUniform(random.nextLong());
    if (shape.cell() == Cell.LSTM) {
      recurrent.forgetBias(1);
    }
    if (shape.embedding() > 0) {
      uniform(embedding, 1, random);
    }
    uniform(outputWeight(), 1 / Math.sqrt(shape.hidden()), random);
  }

  private static void uniform(DeviceBuffer buffer, double limit, SplittableRandom random) {
    float[] values = new float[Math.toIntExact(buffer.length())];
    for (int k = 0; k < values.length; k++) {
      values[k] = (float) (limit * (2 * random.nextDouble() - 1));
    }
    buffer.write(values);
  }

  CharShape shape() {
    return shape;
  }

  Rnn rnn() {
    return rnn;
  }

  RnnParameters recurrent() {
    return recurrent;
  }

  /** [V, E]; the identity for one-hot, which is not learnt. */
  DeviceBuffer embedding() {
    return embedding;
  }

  /** [V, H]. */
  DeviceBuffer outputWeight() {
    return arena.get(OUTPUT_WEIGHT);
  }

  /** [V]. */
  DeviceBuffer outputBias() {
    return arena.get(OUTPUT_BIAS);
  }

  /** What an optimiser steps: the same tensors in parameters and in gradients. */
  List<DeviceBuffer> learnt() {
    return List.of(arena.flat());
  }

  /** What a file holds, by name; recurrent tensors under torch.nn's names. */
  Map<String, DeviceBuffer> named() {
    return arena.named();
  }

  @Override
  public void close() {
    recurrent.close();
    embedding.close();
    arena.close();
  }
}
