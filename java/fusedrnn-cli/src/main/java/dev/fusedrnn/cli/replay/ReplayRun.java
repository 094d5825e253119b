package dev.fusedrnn.cli.replay;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.io.SafeTensor;
import dev.fusedrnn.io.Safetensors;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Runs the network of a replay on a device. */
final class ReplayRun {
  private final RnnConfig network;
  private final ReplayInput input;
  private final Map<String, SafeTensor> results = new LinkedHashMap<>();

  private ReplayRun(RnnConfig network, ReplayInput input) {
    this.network = network;
    this.input = input;
  }

  static Safetensors run(Device device, ReplaySpec spec, ReplayInput input) {
    Rnn rnn = Rnn.create(device, spec.network());
    boolean backward = input.backward();
    try (RnnParameters parameters = rnn.newParameters();
        RnnParameters gradients = rnn.newGradients();
        RnnSequence sequence = rnn.newSequence(input.steps(), input.batch(), backward)) {
      ReplayRun run = new ReplayRun(spec.network(), input);
      parameters.named().forEach(run::fill);
      sequence.call().parameters(parameters);
      if (input.lengths() != null) {
        sequence.lengths(input.lengths());
      }
      run.fillSequence(sequence);
      sequence.forward(device.defaultStream());
      if (backward) {
        sequence.call().gradients(gradients);
        sequence.backward(device.defaultStream());
      }
      device.synchronize();
      run.collect(sequence);
      if (backward) {
        gradients
            .named()
            .forEach((name, buffer) -> run.put("grad_" + name, buffer, buffer.shape()));
      }
      return new Safetensors(
          run.results, Map.of("backend", device.backend().label(), "format", "fusedrnn-replay"));
    }
  }

  /** Buffers of a sequence start at zero, which is what an absent tensor means. */
  private void fillSequence(RnnSequence sequence) {
    boolean cellState = network.cell().hasCellState();
    fill("input", sequence.x());
    fill("h0", sequence.h0());
    if (cellState) {
      fill("c0", sequence.c0());
    }
    if (input.backward()) {
      fill("grad_output", sequence.dy());
      fill("grad_hn", sequence.dhT());
      if (cellState) {
        fill("grad_cn", sequence.dcT());
      }
    }
  }

  private void fill(String name, DeviceBuffer buffer) {
    double @Nullable [] values = input.values().get(name);
    if (values != null) {
      buffer.write(values);
    }
  }

  private void collect(RnnSequence sequence) {
    long entries = (long) network.layers() * network.directions();
    long[] hiddenState = {entries, input.batch(), network.stateSize()};
    long[] cellState = {entries, input.batch(), network.hiddenSize()};
    boolean lstm = network.cell().hasCellState();
    put("output", sequence.y(), sequence.y().shape());
    put("hn", sequence.hT(), hiddenState);
    if (lstm) {
      put("cn", sequence.cT(), cellState);
    }
    if (input.backward()) {
      put("grad_input", sequence.dx(), sequence.dx().shape());
      put("grad_h0", sequence.dh0(), hiddenState);
      if (lstm) {
        put("grad_c0", sequence.dc0(), cellState);
      }
    }
  }

  private void put(String name, DeviceBuffer buffer, long... shape) {
    double[] values = buffer.readDoubles();
    SafeTensor tensor =
        network.dtype() == DType.F64
            ? SafeTensor.ofDoubles(values, shape)
            : SafeTensor.ofRoundedDoubles(values, shape);
    results.put(name, tensor);
  }
}
