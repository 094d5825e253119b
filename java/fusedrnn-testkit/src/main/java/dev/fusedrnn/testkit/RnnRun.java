package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnCall;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.Stream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Runs a {@link RnnCase} forward and backward on a device, through the public API. */
public final class RnnRun {
  private final RnnCase sizes;
  private final GuardedBuffers buffers;
  private final Map<String, float[]> data;

  private RnnRun(RnnCase sizes, GuardedBuffers buffers, Map<String, float[]> data) {
    this.sizes = sizes;
    this.buffers = buffers;
    this.data = data;
  }

  /**
   * Runs a case with the data that its seed gives.
   *
   * @param device where
   * @param dtype F32, or F64 on the reference
   * @param sizes the case
   * @return every output and gradient by the names of {@code fusedrnn.h}
   * @throws AssertionError where memory beside a tensor, or an input, was written
   */
  public static Map<String, double[]> of(Device device, DType dtype, RnnCase sizes) {
    return of(device, dtype, sizes, sizes.data());
  }

  /**
   * Runs a case with data of the caller's.
   *
   * @param device where
   * @param dtype F32, or F64 on the reference
   * @param sizes the case
   * @param data as {@link RnnCase#data()} has it
   * @return every output and gradient by the names of {@code fusedrnn.h}
   * @throws AssertionError where memory beside a tensor, or an input, was written
   */
  public static Map<String, double[]> of(
      Device device, DType dtype, RnnCase sizes, Map<String, float[]> data) {
    try (GuardedBuffers buffers = new GuardedBuffers(device, dtype)) {
      return new RnnRun(sizes, buffers, data).run(device, dtype);
    }
  }

  private Map<String, double[]> run(Device device, DType dtype) {
    boolean bias = sizes.parts().contains(RnnCase.Part.BIAS);
    RnnConfig config =
        RnnConfig.builder(sizes.cell())
            .inputSize(sizes.input())
            .hiddenSize(sizes.hidden())
            .bias(bias)
            .dtype(dtype)
            .build();
    Rnn layer = Rnn.create(device, config);
    RnnCall call = layer.newCall(sizes.steps(), sizes.batch(), true);
    bindInputs(call);
    List<String> results = new ArrayList<>();
    bindResults(call, results);
    call.reserve(buffers.scratch("reserve", call.sizes().reserveBytes()));
    call.workspace(buffers.scratch("workspace", call.sizes().workspaceBytes()));
    Stream stream = device.defaultStream();
    layer.forward(call, stream);
    layer.backward(call, stream);
    device.synchronize();
    buffers.requireIntact();
    Map<String, double[]> out = new LinkedHashMap<>();
    results.forEach(name -> out.put(name, buffers.read(name)));
    return out;
  }

  private void bindInputs(RnnCall call) {
    input("x", call::x);
    input("w_ih", b -> call.parameter(Parameter.WEIGHT_IH, 0, 0, b));
    input("w_hh", b -> call.parameter(Parameter.WEIGHT_HH, 0, 0, b));
    input("b_ih", b -> call.parameter(Parameter.BIAS_IH, 0, 0, b));
    input("b_hh", b -> call.parameter(Parameter.BIAS_HH, 0, 0, b));
    input("h0", call::h0);
    input("c0", call::c0);
    input("dy", call::dy);
    input("dhT", call::dhT);
    input("dcT", call::dcT);
  }

  private void bindResults(RnnCall call, List<String> results) {
    boolean lstm = sizes.cell().hasCellState();
    result("y", call::y, results);
    result("hT", call::hT, results);
    if (lstm) {
      result("cT", call::cT, results);
    }
    if (!sizes.parts().contains(RnnCase.Part.WITHOUT_DX)) {
      result("dx", call::dx, results);
    }
    result("dh0", call::dh0, results);
    if (lstm) {
      result("dc0", call::dc0, results);
    }
    result("dw_ih", b -> call.gradient(Parameter.WEIGHT_IH, 0, 0, b), results);
    result("dw_hh", b -> call.gradient(Parameter.WEIGHT_HH, 0, 0, b), results);
    if (sizes.parts().contains(RnnCase.Part.BIAS)) {
      result("db_ih", b -> call.gradient(Parameter.BIAS_IH, 0, 0, b), results);
      result("db_hh", b -> call.gradient(Parameter.BIAS_HH, 0, 0, b), results);
    }
    call.accumulate(sizes.parts().contains(RnnCase.Part.ACCUMULATE));
  }

  private void input(String name, Function<@Nullable DeviceBuffer, RnnCall> bind) {
    float[] values = data.get(name);
    if (values != null) {
      bind.apply(buffers.input(name, values, sizes.shape(name)));
    }
  }

  private void result(
      String name, Function<@Nullable DeviceBuffer, RnnCall> bind, List<String> results) {
    float[] start = data.get("start_" + name);
    int[] shape = sizes.shape(name);
    DeviceBuffer buffer =
        start == null ? buffers.output(name, shape) : buffers.inOut(name, start, shape);
    bind.apply(buffer);
    results.add(name);
  }
}
