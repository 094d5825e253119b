package dev.fusedrnn.bench;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;

/** Opens devices as the options say. */
final class Devices {
  private Devices() {}

  /**
   * Refuses to time what no time says anything about.
   *
   * @param backend as for {@link Device#open(String)}
   * @throws IllegalArgumentException for the emulated one
   */
  static void requireTimeable(String backend) {
    if (backend.equalsIgnoreCase(Backend.EMULATED.label())) {
      throw new IllegalArgumentException(
          "backend emulated: its times mean nothing; ./fusedrnn bench --backend emulated compares"
              + " it with the oracle and does not time it");
    }
  }

  /**
   * Opens a device.
   *
   * @param backend as for {@link Device#open(String)}
   * @param threads of the cpu backend; 0 leaves it to the backend
   * @return the device; to be closed
   */
  static Device open(String backend, int threads) {
    Device device = Device.open(backend);
    if (threads > 0 && device.backend() == Backend.CPU) {
      device.set("threads", threads);
    }
    return device;
  }
}
