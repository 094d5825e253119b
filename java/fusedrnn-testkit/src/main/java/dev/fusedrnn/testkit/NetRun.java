package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnCall;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.SequenceKernel;
import dev.fusedrnn.testkit.RnnCase.Part;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Runs a {@link NetCase} forward and backward on a device, through the public API. */
public final class NetRun {
  /** Cell states and their gradients. */
  private static final Set<String> CELL_STATE = Set.of("c0", "cT", "dc0", "dcT");

  private final NetCase sizes;
  private final RnnConfig config;
  private final GuardedBuffers buffers;
  private final Map<String, float[]> data;
  private final List<String> results = new ArrayList<>();

  /** Whether 16-bit networks keep a tensor in F32. */
  static boolean keptInF32(String name) {
    return CELL_STATE.contains(name) || name.startsWith("running_");
  }

  private NetRun(
      NetCase sizes, RnnConfig config, GuardedBuffers buffers, Map<String, float[]> data) {
    this.sizes = sizes;
    this.config = config;
    this.buffers = buffers;
    this.data = data;
  }

  /**
   * Runs a case, for training.
   *
   * @param device where
   * @param dtype F32; F64 on the reference; BF16 or F16 on cuda and emulated
   * @param tf32 whether products may be rounded to TF32
   * @param sizes the case
   * @param data as {@link NetCase#data()} has it
   * @return every output and gradient by name
   * @throws AssertionError where memory beside a tensor, or an input, was written
   */
  public static Map<String, double[]> of(
      Device device, DType dtype, boolean tf32, NetCase sizes, Map<String, float[]> data) {
    return of(device, dtype, tf32, SequenceKernel.AUTO, sizes, data);
  }

  /** As above, with the kernel that runs the loop over time. */
  static Map<String, double[]> of(
      Device device,
      DType dtype,
      boolean tf32,
      SequenceKernel kernel,
      NetCase sizes,
      Map<String, float[]> data) {
    RnnConfig config = sizes.config(dtype);
    try (GuardedBuffers buffers =
        new GuardedBuffers(
            device, name -> keptInF32(name) ? config.stateDtype() : config.dtype())) {
      return new NetRun(sizes, config, buffers, data).run(device, tf32, kernel);
    }
  }

  private Map<String, double[]> run(Device device, boolean tf32, SequenceKernel kernel) {
    Rnn rnn = Rnn.create(device, config);
    RnnCall call = rnn.newCall(sizes.steps(), sizes.batch(), true);
    call.seed(sizes.seed(), NetCase.MASK_OFFSET).allowTf32(tf32).kernel(kernel);
    if (!sizes.lengths().isEmpty()) {
      call.lengths(buffers.integers(sizes.liveSteps()));
    }
    bindData(call);
    bindResults(call);
    bindParameters(call);
    call.reserve(buffers.scratch("reserve", call.sizes().reserveBytes()));
    call.workspace(buffers.scratch("workspace", call.sizes().workspaceBytes()));
    rnn.forward(call, device.defaultStream());
    rnn.backward(call, device.defaultStream());
    device.synchronize();
    buffers.requireIntact();
    Map<String, double[]> out = new LinkedHashMap<>();
    results.forEach(name -> out.put(name, buffers.read(name)));
    return out;
  }

  private void bindData(RnnCall call) {
    input("x", call::x);
    input("h0", call::h0);
    input("c0", call::c0);
    input("dy", call::dy);
    input("dhT", call::dhT);
    input("dcT", call::dcT);
  }

  private void bindResults(RnnCall call) {
    boolean cellState = sizes.cell().hasCellState();
    result("y", call::y);
    result("hT", call::hT);
    if (cellState) {
      result("cT", call::cT);
    }
    if (!sizes.parts().contains(Part.WITHOUT_DX)) {
      result("dx", call::dx);
    }
    result("dh0", call::dh0);
    if (cellState) {
      result("dc0", call::dc0);
    }
  }

  private void bindParameters(RnnCall call) {
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        for (Parameter parameter : config.parameters()) {
          int k = layer;
          int d = direction;
          String name = parameter.torchName(layer, direction);
          input(name, buffer -> call.parameter(parameter, k, d, buffer));
          result("d" + name, buffer -> call.gradient(parameter, k, d, buffer));
        }
        for (Parameter statistic : config.statistics()) {
          String name = statistic.torchName(layer, direction);
          float[] start = data.getOrDefault(name, new float[0]);
          call.parameter(
              statistic, layer, direction, buffers.inOut(name, start, sizes.shape(name)));
          results.add(name);
        }
      }
    }
    call.accumulate(sizes.parts().contains(Part.ACCUMULATE));
  }

  private void input(String name, Function<@Nullable DeviceBuffer, RnnCall> bind) {
    float[] values = data.get(name);
    if (values != null) {
      bind.apply(buffers.input(name, values, sizes.shape(name)));
    }
  }

  private void result(String name, Function<@Nullable DeviceBuffer, RnnCall> bind) {
    float[] start = data.get("start_" + name);
    int[] shape = sizes.shape(name);
    bind.apply(start == null ? buffers.output(name, shape) : buffers.inOut(name, start, shape));
    results.add(name);
  }
}
