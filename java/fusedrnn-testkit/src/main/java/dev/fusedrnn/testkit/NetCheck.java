package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A recurrent network, forward and backward: every output and every gradient.
 *
 * @param sizes what to run
 */
public record NetCheck(NetCase sizes) implements CheckCase {
  @Override
  public String name() {
    return sizes.name();
  }

  @Override
  public CheckResult run(Device device, Device oracle) {
    Map<String, float[]> data = sizes.data();
    Map<String, double[]> got = NetRun.of(device, DType.F32, sizes, data);
    Findings findings = new Findings(name(), sizes.seed());
    compare(oracle, sizes, data, got).forEach(findings::add);
    return findings.result();
  }

  /**
   * Compares results that the caller computed with the oracle.
   *
   * @param oracle a device of the reference backend
   * @param sizes what was run
   * @param data inputs as {@link NetCase#data()} has them
   * @param got fp32 results by name: outputs and gradients, as many as there are
   * @return one comparison for each of them
   */
  public static List<Comparison> compare(
      Device oracle, NetCase sizes, Map<String, float[]> data, Map<String, double[]> got) {
    Map<String, double[]> expected = NetRun.of(oracle, DType.F64, sizes, data);
    Map<String, float[]> up = PlainNet.run(sizes, data, SummationOrder.ASCENDING);
    Map<String, float[]> down = PlainNet.run(sizes, data, SummationOrder.DESCENDING);
    List<Comparison> comparisons = new ArrayList<>();
    got.forEach(
        (tensor, values) -> {
          double[] exact = expected.get(tensor);
          double allowed = Tolerance.allowed(exact, up.get(tensor), down.get(tensor));
          comparisons.add(Comparison.of(tensor, sizes.shape(tensor), exact, values, allowed));
        });
    return comparisons;
  }
}
