package dev.fusedrnn.bench;

import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.Stream;
import dev.fusedrnn.testkit.NetCase;
import java.util.HashMap;
import java.util.Map;

/** The candidate: this library's layers. */
final class FusedSequence extends CheckedSequence {
  private final Device device;
  private final Stream stream;
  private final Rnn network;
  private final RnnParameters parameters;
  private final RnnParameters gradients;
  private final RnnSequence sequence;
  private final Map<String, DeviceBuffer> tensors = new HashMap<>();

  /**
   * Allocates and uploads.
   *
   * @param device where it runs; stays the caller's to close
   * @param sizes the case
   * @param precision what it is computed in
   * @param training whether {@link #train()} will be called
   */
  FusedSequence(Device device, NetCase sizes, Precision precision, boolean training) {
    super(sizes, precision, training);
    this.device = device;
    this.stream = device.defaultStream();
    this.network = Rnn.create(device, sizes.config(precision.dtype()));
    this.parameters = network.newParameters();
    this.gradients = network.newGradients();
    this.sequence = network.newSequence(sizes.steps(), sizes.batch(), training);
    sequence.call().parameters(parameters).allowTf32(precision.tf32());
    tensors.putAll(parameters.named());
    tensors.putAll(Map.of("x", sequence.x(), "h0", sequence.h0()));
    tensors.putAll(Map.of("y", sequence.y(), "hT", sequence.hT()));
    boolean cellState = sizes.cell().hasCellState();
    if (cellState) {
      tensors.putAll(Map.of("c0", sequence.c0(), "cT", sequence.cT()));
    }
    if (training) {
      sequence.call().gradients(gradients);
      gradients.named().forEach((name, buffer) -> tensors.put("d" + name, buffer));
      tensors.putAll(Map.of("dy", sequence.dy(), "dhT", sequence.dhT()));
      tensors.putAll(Map.of("dx", sequence.dx(), "dh0", sequence.dh0()));
      if (cellState) {
        tensors.putAll(Map.of("dcT", sequence.dcT(), "dc0", sequence.dc0()));
      }
    }
    putAll();
  }

  private DeviceBuffer tensor(String name) {
    DeviceBuffer buffer = tensors.get(name);
    if (buffer == null) {
      throw new IllegalArgumentException("no tensor of the name " + name);
    }
    return buffer;
  }

  @Override
  void put(String name, float[] values) {
    tensor(name).write(values);
  }

  @Override
  double[] get(String name) {
    return tensor(name).readDoubles();
  }

  /** One forward call, which is not waited for. */
  void enqueue() {
    network.forward(sequence.call(), stream);
  }

  /** Waits for all calls. */
  void await() {
    stream.synchronize();
  }

  @Override
  void forward() {
    network.forward(sequence.call(), stream);
    stream.synchronize();
  }

  @Override
  void train() {
    network.forward(sequence.call(), stream);
    network.backward(sequence.call(), stream);
    stream.synchronize();
  }

  @Override
  String who() {
    return device.toString();
  }

  @Override
  public void close() {
    sequence.close();
    gradients.close();
    parameters.close();
  }
}
