package dev.fusedrnn;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;

/** A layer with random parameters, data and upstream gradients, for tests. */
final class Net implements AutoCloseable {
  final Rnn layer;
  final RnnParameters parameters;
  final RnnParameters gradients;
  final RnnSequence sequence;

  Net(Device device, Cell cell, long steps, long batch, long input, long hidden, long seed) {
    RnnConfig config =
        RnnConfig.builder(cell).inputSize(input).hiddenSize(hidden).dtype(DType.F32).build();
    layer = Rnn.create(device, config);
    parameters = layer.newParameters().initializeUniform(seed);
    gradients = layer.newGradients();
    sequence = layer.newSequence(steps, batch, true);
    sequence.call().parameters(parameters).gradients(gradients);
    SplittableRandom random = new SplittableRandom(seed);
    inputs().values().forEach(buffer -> draw(buffer, random));
  }

  private static void draw(DeviceBuffer buffer, SplittableRandom random) {
    float[] values = new float[(int) buffer.length()];
    for (int k = 0; k < values.length; k++) {
      values[k] = (float) random.nextDouble(-1, 1);
    }
    buffer.write(values);
  }

  private boolean cellState() {
    return layer.config().cell().hasCellState();
  }

  /** What is read. */
  Map<String, DeviceBuffer> inputs() {
    Map<String, DeviceBuffer> all = new LinkedHashMap<>();
    all.put("x", sequence.x());
    all.put("h0", sequence.h0());
    all.put("dy", sequence.dy());
    all.put("dhT", sequence.dhT());
    if (cellState()) {
      all.put("c0", sequence.c0());
      all.put("dcT", sequence.dcT());
    }
    return all;
  }

  /** What is written. */
  Map<String, DeviceBuffer> outputs() {
    Map<String, DeviceBuffer> all = new LinkedHashMap<>();
    all.put("y", sequence.y());
    all.put("hT", sequence.hT());
    all.put("dx", sequence.dx());
    all.put("dh0", sequence.dh0());
    if (cellState()) {
      all.put("cT", sequence.cT());
      all.put("dc0", sequence.dc0());
    }
    gradients.named().forEach((name, buffer) -> all.put("d" + name, buffer));
    return all;
  }

  /** Forward and backward, and all outputs as bits of floats. */
  Map<String, float[]> run(Stream stream) {
    sequence.forward(stream);
    sequence.backward(stream);
    return read();
  }

  Map<String, float[]> read() {
    Map<String, float[]> values = new LinkedHashMap<>();
    outputs().forEach((name, buffer) -> values.put(name, buffer.readFloats()));
    return values;
  }

  @Override
  public void close() {
    sequence.close();
    gradients.close();
    parameters.close();
  }
}
