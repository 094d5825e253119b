package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A recurrent layer, forward and backward: every output and every gradient.
 *
 * @param sizes what to run
 */
public record RnnCheck(RnnCase sizes) implements CheckCase {
  @Override
  public String name() {
    return sizes.name();
  }

  @Override
  public CheckResult run(Device device, Device oracle) {
    return new NetCheck(sizes.net(), DType.F32, false).run(device, oracle);
  }

  /**
   * Compares results that the caller computed with the oracle.
   *
   * @param oracle a device of the reference backend
   * @param sizes what was run
   * @param data inputs as {@link RnnCase#data()} has them
   * @param got fp32 results by the names of {@code fusedrnn.h}: outputs and gradients, as many as
   *     there are
   * @return one comparison for each of them
   */
  public static List<Comparison> compare(
      Device oracle, RnnCase sizes, Map<String, float[]> data, Map<String, double[]> got) {
    Map<String, double[]> renamed = new LinkedHashMap<>();
    got.forEach((name, values) -> renamed.put(RnnCase.netName(name), values));
    return NetCheck.compare(oracle, sizes.net(), DType.F32, RnnCase.netNames(data), renamed)
        .stream()
        .map(c -> new Comparison(RnnCase.headerName(c.tensor()), c.error(), c.allowed(), c.worst()))
        .toList();
  }
}
