package dev.fusedrnn.testkit;

import dev.fusedrnn.Device;

/** One thing that a backend computes, compared with the oracle. */
public interface CheckCase {
  /**
   * @return what is computed, unique in a suite
   */
  String name();

  /**
   * Computes and compares.
   *
   * @param device the backend under test
   * @param oracle a device of the reference backend
   * @return the outcome; failures of the backend itself are thrown
   */
  CheckResult run(Device device, Device oracle);
}
