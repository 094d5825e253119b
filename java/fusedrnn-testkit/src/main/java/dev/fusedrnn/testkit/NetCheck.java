package dev.fusedrnn.testkit;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A recurrent network, forward and backward: every output and every gradient.
 *
 * @param sizes what to run
 * @param dtype F32, BF16 or F16
 */
public record NetCheck(NetCase sizes, DType dtype) implements CheckCase {
  @Override
  public String name() {
    return sizes.name() + (dtype == DType.F32 ? "" : " " + dtype.label());
  }

  @Override
  public boolean servedBy(Backend backend) {
    return dtype == DType.F32 || backend == Backend.CUDA || backend == Backend.EMULATED;
  }

  @Override
  public CheckResult run(Device device, Device oracle) {
    Map<String, float[]> data = sizes.data(Storage.of(dtype));
    Map<String, double[]> got = NetRun.of(device, dtype, sizes, data);
    Findings findings = new Findings(name(), sizes.seed());
    compare(oracle, sizes, dtype, data, got).forEach(findings::add);
    return findings.result();
  }

  /**
   * Compares results that the caller computed with the oracle.
   *
   * @param oracle a device of the reference backend
   * @param sizes what was run
   * @param dtype what it was run in: F32, BF16 or F16
   * @param data inputs as {@link NetCase#data()} has them; for 16-bit types, numbers of that type
   * @param got results by name: outputs and gradients, as many as there are
   * @return one comparison for each of them
   */
  public static List<Comparison> compare(
      Device oracle,
      NetCase sizes,
      DType dtype,
      Map<String, float[]> data,
      Map<String, double[]> got) {
    Storage storage = Storage.of(dtype);
    Map<String, double[]> expected = NetRun.of(oracle, DType.F64, sizes, data);
    Map<String, float[]> up = PlainNet.run(sizes, data, SummationOrder.ASCENDING, storage);
    Map<String, float[]> down = PlainNet.run(sizes, data, SummationOrder.DESCENDING, storage);
    List<Comparison> comparisons = new ArrayList<>();
    got.forEach(
        (tensor, values) -> {
          double[] exact = expected.get(tensor);
          double allowed = Tolerance.allowed(storage, exact, up.get(tensor), down.get(tensor));
          comparisons.add(Comparison.of(tensor, sizes.shape(tensor), exact, values, allowed));
        });
    return comparisons;
  }
}
