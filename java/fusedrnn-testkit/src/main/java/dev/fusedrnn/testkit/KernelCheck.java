package dev.fusedrnn.testkit;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;
import dev.fusedrnn.SequenceKernel;
import java.util.Arrays;
import java.util.Map;

/**
 * A network whose loop over time a certain kernel has to run, in both passes: every output and
 * every gradient against the oracle; and on the emulated machine the same bits whatever order its
 * warps and blocks run in.
 *
 * @param net what to run
 * @param kernel what has to run it
 * @param cluster blocks that K2 has to take; 0 where the planner chooses
 * @param schedule seed of the emulated machine's second order
 */
public record KernelCheck(NetCheck net, SequenceKernel kernel, int cluster, int schedule)
    implements CheckCase {
  @Override
  public String name() {
    return net.name() + " " + kernel.label() + (cluster == 0 ? "" : " of " + cluster);
  }

  @Override
  public boolean servedBy(Backend backend) {
    return backend == Backend.CUDA || backend == Backend.EMULATED;
  }

  @Override
  public CheckResult run(Device device, Device oracle) {
    Map<String, float[]> data = net.data();
    device.set("cluster", cluster);
    try {
      Map<String, double[]> got = net.run(device, data, kernel);
      Findings findings = new Findings(name(), net.sizes().seed());
      net.compare(oracle, data, got).forEach(findings::add);
      if (device.backend() == Backend.EMULATED) {
        device.set("seed", schedule);
        String differs = difference(got, net.run(device, data, kernel));
        if (!differs.isEmpty()) {
          return CheckResult.failed(
              name(), differs + " differs in its bits from seed 1 to seed " + schedule);
        }
      }
      return findings.result();
    } finally {
      device.set("cluster", 0);
      if (device.backend() == Backend.EMULATED) {
        device.set("seed", 1);
      }
    }
  }

  /** The first tensor whose bits are not the same in both. */
  private static String difference(Map<String, double[]> first, Map<String, double[]> second) {
    for (Map.Entry<String, double[]> tensor : first.entrySet()) {
      if (!Arrays.equals(tensor.getValue(), second.get(tensor.getKey()))) {
        return tensor.getKey();
      }
    }
    return "";
  }
}
