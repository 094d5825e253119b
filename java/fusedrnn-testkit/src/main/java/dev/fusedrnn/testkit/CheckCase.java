package dev.fusedrnn.testkit;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;
import dev.fusedrnn.FusedRnnException;

/** One thing that a backend computes, compared with the oracle. */
public interface CheckCase {
  /**
   * @return what is computed, unique in a suite
   */
  String name();

  /**
   * Whether a backend is meant to compute this; cases that it is not meant to are left out.
   *
   * @param backend which
   * @return true for most cases
   */
  default boolean servedBy(Backend backend) {
    return true;
  }

  /**
   * Computes and compares.
   *
   * @param device the backend under test
   * @param oracle a device of the reference backend
   * @return the outcome; failures of the backend itself are thrown
   */
  CheckResult run(Device device, Device oracle);

  /**
   * As {@link #run}; what the backend throws, and memory written astray, is a failed result.
   *
   * @param device the backend under test
   * @param oracle a device of the reference backend
   * @return the outcome
   */
  default CheckResult attempt(Device device, Device oracle) {
    try {
      return run(device, oracle);
    } catch (FusedRnnException | AssertionError | IllegalStateException e) {
      return CheckResult.failed(name(), String.valueOf(e.getMessage()));
    }
  }
}
