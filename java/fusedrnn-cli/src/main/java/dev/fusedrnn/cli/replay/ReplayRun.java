package dev.fusedrnn.cli.replay;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnCall;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.cli.io.SafeTensor;
import dev.fusedrnn.cli.io.Safetensors;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Runs the network of a replay on a device. */
final class ReplayRun {
  private final ReplaySpec spec;
  private final ReplayInput input;
  private final Map<String, SafeTensor> results = new LinkedHashMap<>();

  private ReplayRun(ReplaySpec spec, ReplayInput input) {
    this.spec = spec;
    this.input = input;
  }

  static Safetensors run(Device device, ReplaySpec spec, ReplayInput input) {
    RnnConfig config =
        RnnConfig.builder(spec.cell())
            .inputSize(spec.input())
            .hiddenSize(spec.hidden())
            .bias(spec.bias())
            .dtype(spec.dtype())
            .build();
    Rnn layer = Rnn.create(device, config);
    boolean backward = input.backward();
    try (RnnParameters parameters = layer.newParameters();
        RnnParameters gradients = layer.newGradients();
        RnnSequence sequence = layer.newSequence(input.steps(), input.batch(), backward)) {
      ReplayRun run = new ReplayRun(spec, input);
      parameters.named().forEach(run::fill);
      RnnCall call = sequence.call().parameters(parameters);
      run.fillStates(sequence);
      sequence.forward(device.defaultStream());
      if (backward) {
        call.gradients(gradients);
        sequence.backward(device.defaultStream());
      }
      device.synchronize();
      run.collect(sequence);
      if (backward) {
        gradients.named().forEach((name, buffer) -> run.put("grad_" + name, buffer));
      }
      return new Safetensors(
          run.results, Map.of("backend", device.backend().label(), "format", "fusedrnn-replay"));
    }
  }

  /** Buffers of a sequence start at zero, which is what an absent tensor means. */
  private void fillStates(RnnSequence sequence) {
    boolean cellState = spec.cell().hasCellState();
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
    boolean cellState = spec.cell().hasCellState();
    putSequence("output", sequence.y(), spec.hidden());
    putState("hn", sequence.hT());
    if (cellState) {
      putState("cn", sequence.cT());
    }
    if (input.backward()) {
      putSequence("grad_input", sequence.dx(), spec.input());
      putState("grad_h0", sequence.dh0());
      if (cellState) {
        putState("grad_c0", sequence.dc0());
      }
    }
  }

  private void putSequence(String name, DeviceBuffer buffer, int width) {
    int steps = input.steps();
    int batch = input.batch();
    double[] values = buffer.readDoubles();
    if (spec.batchFirst()) {
      put(name, ReplayInput.swap(values, steps, batch, width), batch, steps, width);
    } else {
      put(name, values, steps, batch, width);
    }
  }

  private void putState(String name, DeviceBuffer buffer) {
    put(name, buffer.readDoubles(), 1, input.batch(), spec.hidden());
  }

  private void put(String name, DeviceBuffer buffer) {
    put(name, buffer.readDoubles(), buffer.shape());
  }

  private void put(String name, double[] values, long... shape) {
    SafeTensor tensor =
        spec.dtype() == DType.F64
            ? SafeTensor.ofDoubles(values, shape)
            : SafeTensor.ofRoundedDoubles(values, shape);
    results.put(name, tensor);
  }
}
