package dev.fusedrnn.cli.doctor;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;
import dev.fusedrnn.FusedRnnException;
import dev.fusedrnn.cli.io.JsonFiles;
import dev.fusedrnn.testkit.CheckCase;
import dev.fusedrnn.testkit.CheckResult;
import dev.fusedrnn.testkit.CheckSuite;
import java.util.List;

/** As many cases of {@code check --quick} as fit into a moment. */
final class SelfTest {
  private static final long SEED = 1;

  private SelfTest() {}

  /**
   * @param backend one that is available
   * @param nanos how long cases may be started
   * @return {@code backend}, {@code passed}, {@code failed}, and the first {@code failure}
   */
  static ObjectNode run(Backend backend, long nanos) {
    ObjectNode node = JsonFiles.object();
    node.put("backend", backend.label());
    int passed = 0;
    int failed = 0;
    String failure = "";
    try (Device device = Device.open(backend);
        Device oracle = Device.open(Backend.REFERENCE)) {
      long end = System.nanoTime() + nanos;
      List<CheckCase> cases =
          CheckSuite.quick(SEED).stream().filter(c -> c.servedBy(backend)).toList();
      // A stride that visits every kind of cell before it visits any twice.
      int stride = 13;
      for (int k = 0; k < cases.size() && System.nanoTime() < end; k++) {
        CheckResult result = cases.get(k * stride % cases.size()).attempt(device, oracle);
        passed += result.pass() ? 1 : 0;
        failed += result.pass() ? 0 : 1;
        failure = result.pass() || failed > 1 ? failure : result.name() + ": " + result.detail();
      }
    } catch (FusedRnnException e) {
      failed++;
      failure = String.valueOf(e.getMessage());
    }
    return node.put("passed", passed).put("failed", failed).put("failure", failure);
  }
}
