package dev.fusedrnn.testkit;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** One operation beside the cells: computed on the device, on the oracle and in plain float. */
abstract class OpCheck implements CheckCase {
  private final String name;
  private final DType dtype;
  private final long seed;
  private final Map<String, int[]> shapes = new LinkedHashMap<>();
  private final Set<String> wide = new HashSet<>();

  OpCheck(String name, long seed) {
    this(name, DType.F32, seed);
  }

  /** For a 16-bit type the data must be numbers of that type, see {@link #storage}. */
  OpCheck(String name, DType dtype, long seed) {
    this.name = dtype == DType.F32 ? name : name + " " + dtype.label();
    this.dtype = dtype;
    this.seed = seed;
  }

  @Override
  public final String name() {
    return name;
  }

  @Override
  public final boolean servedBy(Backend backend) {
    return dtype == DType.F32 || backend == Backend.CUDA || backend == Backend.EMULATED;
  }

  final Storage storage() {
    return Storage.of(dtype);
  }

  final long seed() {
    return seed;
  }

  /** Declares a result. */
  final void result(String tensor, int... shape) {
    shapes.put(tensor, shape);
  }

  /** Declares a result that is never stored in 16 bits. */
  final void wideResult(String tensor, int... shape) {
    result(tensor, shape);
    wide.add(tensor);
  }

  /** Computes every declared result through the public API. */
  abstract Map<String, double[]> compute(GuardedBuffers buffers, Device device, DType dtype);

  /** Computes the same in plain float loops; what they store is rounded afterwards. */
  abstract Map<String, float[]> plain(SummationOrder order);

  @Override
  public final CheckResult run(Device device, Device oracle) {
    Map<String, double[]> expected = guarded(oracle, DType.F64);
    Map<String, double[]> got = guarded(device, dtype);
    Map<String, float[]> up = plain(SummationOrder.ASCENDING);
    Map<String, float[]> down = plain(SummationOrder.DESCENDING);
    Findings findings = new Findings(name, seed);
    shapes.forEach(
        (tensor, shape) -> {
          double[] exact = expected.get(tensor);
          Storage stored = wide.contains(tensor) ? Storage.F32 : storage();
          float[] ascending = stored.round(up.get(tensor).clone());
          float[] descending = stored.round(down.get(tensor).clone());
          double allowed = Tolerance.allowed(stored, exact, ascending, descending);
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
