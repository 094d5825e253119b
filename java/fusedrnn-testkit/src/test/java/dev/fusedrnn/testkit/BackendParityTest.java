package dev.fusedrnn.testkit;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;
import dev.fusedrnn.SequenceKernel;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Goal: every backend computes what the oracle computes, every output and every gradient. Method:
 * the quick suite, whose cases are seeded; the worst element is named with the seed.
 */
class BackendParityTest {
  private static final long SEED = 20261120;

  private static Stream<DynamicTest> suite(Device device) {
    return tests(device, CheckSuite.quick(SEED));
  }

  private static Stream<DynamicTest> tests(Device device, List<CheckCase> cases) {
    return cases.stream()
        .filter(c -> c.servedBy(device.backend()))
        .map(
            c ->
                dynamicTest(
                    c.name(),
                    () -> {
                      try (Device oracle = Device.open(Backend.REFERENCE)) {
                        CheckResult result = c.run(device, oracle);
                        assertTrue(
                            result.pass(),
                            () ->
                                String.format(
                                    "error %.3g, allowed %.3g: %s",
                                    result.error(), result.allowed(), result.detail()));
                      }
                    }));
  }

  @TestFactory
  @OnBackend(value = Backend.REFERENCE, required = true)
  Stream<DynamicTest> reference(Device device) {
    return suite(device);
  }

  @TestFactory
  @OnBackend(value = Backend.CPU, required = true)
  Stream<DynamicTest> cpu(Device device) {
    return suite(device);
  }

  @TestFactory
  @OnBackend(value = Backend.EMULATED, required = true)
  Stream<DynamicTest> emulated(Device device) {
    return suite(device);
  }

  /** Each of the kernels that keep the recurrent weights on the chip, whatever is planned. */
  @TestFactory
  @OnBackend(value = Backend.EMULATED, required = true)
  Stream<DynamicTest> residentKernels(Device device) {
    List<SequenceKernel> kernels = List.of(SequenceKernel.SM, SequenceKernel.CLUSTER);
    return tests(device, CheckSuite.kernels(kernels, false, SEED));
  }

  @TestFactory
  @OnBackend(Backend.CUDA)
  Stream<DynamicTest> cuda(Device device) {
    return suite(device);
  }
}
