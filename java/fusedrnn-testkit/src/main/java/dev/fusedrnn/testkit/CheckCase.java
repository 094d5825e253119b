package dev.fusedrnn.testkit;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;

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
}
