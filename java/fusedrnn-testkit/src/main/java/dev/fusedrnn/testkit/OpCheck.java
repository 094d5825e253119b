package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import java.util.LinkedHashMap;
import java.util.Map;

/** One operation beside the cells: computed on the device, on the oracle and in plain float. */
abstract class OpCheck implements CheckCase {
  private final String name;
  private final long seed;
  private final Map<String, int[]> shapes = new LinkedHashMap<>();

  OpCheck(String name, long seed) {
    this.name = name;
    this.seed = seed;
  }

  @Override
  public final String name() {
    return name;
  }

  final long seed() {
    return seed;
  }

  /** Declares a result. */
  final void result(String tensor, int... shape) {
    shapes.put(tensor, shape);
  }

  /** Computes every declared result through the public API. */
  abstract Map<String, double[]> compute(GuardedBuffers buffers, Device device, DType dtype);

  /** Computes the same in plain float loops. */
  abstract Map<String, float[]> plain(SummationOrder order);

  @Override
  public final CheckResult run(Device device, Device oracle) {
    Map<String, double[]> expected = guarded(oracle, DType.F64);
    Map<String, double[]> got = guarded(device, DType.F32);
    Map<String, float[]> up = plain(SummationOrder.ASCENDING);
    Map<String, float[]> down = plain(SummationOrder.DESCENDING);
    Findings findings = new Findings(name, seed);
    shapes.forEach(
        (tensor, shape) -> {
          double[] exact = expected.get(tensor);
          double allowed = Tolerance.allowed(exact, up.get(tensor), down.get(tensor));
          findings.add(Comparison.of(tensor, shape, exact, got.get(tensor), allowed));
        });
    return findings.result();
  }

  private Map<String, double[]> guarded(Device device, DType dtype) {
    try (GuardedBuffers buffers = new GuardedBuffers(device, dtype)) {
      Map<String, double[]> results = compute(buffers, device, dtype);
      buffers.requireIntact();
      return results;
    }
  }
}
