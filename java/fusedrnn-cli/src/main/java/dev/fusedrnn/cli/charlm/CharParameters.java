package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnParameters;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** The parameters of a character model, or their gradients, in device memory. All start at zero. */
final class CharParameters implements AutoCloseable {
  private final CharShape shape;
  private final Rnn rnn;
  private final RnnParameters recurrent;
  private final DeviceBuffer embedding;
  private final DeviceBuffer outputWeight;
  private final DeviceBuffer outputBias;

  CharParameters(Device device, CharShape shape) {
    this.shape = shape;
    int characters = shape.vocabulary().size();
    rnn = Rnn.create(device, shape.network());
    recurrent = rnn.newParameters();
    embedding = device.allocate(DType.F32, characters, shape.input());
    outputWeight = device.allocate(DType.F32, characters, shape.hidden());
    outputBias = device.allocate(DType.F32, characters);
    for (DeviceBuffer buffer : List.of(embedding, outputWeight, outputBias)) {
      buffer.zero(device.defaultStream());
    }
    device.synchronize();
    if (shape.embedding() == 0) {
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
    uniform(outputWeight, 1 / Math.sqrt(shape.hidden()), random);
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
    return outputWeight;
  }

  /** [V]. */
  DeviceBuffer outputBias() {
    return outputBias;
  }

  /** What an optimiser steps: the same tensors in parameters and in gradients. */
  List<DeviceBuffer> learnt() {
    List<DeviceBuffer> tensors = new ArrayList<>();
    tensors.add(recurrent.arena());
    if (shape.embedding() > 0) {
      tensors.add(embedding);
    }
    tensors.add(outputWeight);
    tensors.add(outputBias);
    return tensors;
  }

  /** What a file holds, by name; recurrent tensors under torch.nn's names. */
  Map<String, DeviceBuffer> named() {
    Map<String, DeviceBuffer> named = new LinkedHashMap<>();
    if (shape.embedding() > 0) {
      named.put("embedding.weight", embedding);
    }
    recurrent.named().forEach((name, buffer) -> named.put("rnn." + name, buffer));
    named.put("output.weight", outputWeight);
    named.put("output.bias", outputBias);
    return named;
  }

  @Override
  public void close() {
    recurrent.close();
    embedding.close();
    outputWeight.close();
    outputBias.close();
  }
}
