package dev.fusedrnn.bench;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;

/** Opens devices as the options say. */
final class Devices {
  private Devices() {}

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
