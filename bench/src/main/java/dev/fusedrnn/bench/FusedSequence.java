package dev.fusedrnn.bench;

import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnPackedWeights;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.Stream;
import dev.fusedrnn.testkit.NetCase;
import dev.fusedrnn.testkit.RnnCase;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The candidate: this library's layers. */
public final class FusedSequence extends CheckedSequence {
  private final Device device;
  private final Stream stream;
  private final Rnn network;
  private final RnnParameters parameters;
  private final RnnParameters gradients;
  private final RnnSequence sequence;
  private final Map<String, DeviceBuffer> tensors = new HashMap<>();
  private @Nullable RnnPackedWeights packed;

  /**
   * Allocates and uploads.
   *
   * @param device where it runs; stays the caller's to close
   * @param sizes the case
   * @param precision what it is computed in
   * @param training whether {@link #train()} will be called
   */
  public FusedSequence(Device device, NetCase sizes, Precision precision, boolean training) {
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
      if (!sizes.parts().contains(RnnCase.Part.FINAL_STATE_GRADIENT)) {
        sequence.call().dhT(null).dcT(null);
      }
    }
    putAll();
  }

  /**
   * Packs the weights once, for inference.
   *
   * @return this
   */
  public FusedSequence packed() {
    packed = network.newPackedWeights(parameters);
    sequence.call().packed(packed);
    return this;
  }

  private DeviceBuffer tensor(String name) {
    DeviceBuffer buffer = tensors.get(name);
    if (buffer == null) {
      throw new IllegalArgumentException("no tensor of the name " + name);
    }
    return buffer;
  }

  @Override
  public void put(String name, float[] values) {
    tensor(name).write(values);
    if (packed != null) {
      packed.update(stream);
      stream.synchronize();
    }
  }

  @Override
  public double[] get(String name) {
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
  public void forward() {
    network.forward(sequence.call(), stream);
    stream.synchronize();
  }

  @Override
  public void train() {
    network.forward(sequence.call(), stream);
    network.backward(sequence.call(), stream);
    stream.synchronize();
  }

  @Override
  public String who() {
    return device.toString();
  }

  @Override
  public String how() {
    return packed == null ? "" : "packed weights";
  }

  @Override
  public void close() {
    if (packed != null) {
      packed.close();
    }
    sequence.close();
    gradients.close();
    parameters.close();
  }
}
