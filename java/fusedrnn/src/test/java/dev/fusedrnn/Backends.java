package dev.fusedrnn;

import java.util.ArrayList;
import java.util.List;

/** The backends that tests run on: all that need no GPU, and cuda where there is one. */
final class Backends {
  private Backends() {}

  /** Missing ones are not left out: their tests fail. */
  static List<Backend> all() {
    List<Backend> backends =
        new ArrayList<>(List.of(Backend.REFERENCE, Backend.CPU, Backend.EMULATED));
    backends.addAll(cuda());
    return backends;
  }

  /** Those of native code. */
  static List<Backend> natives() {
    List<Backend> backends = new ArrayList<>(List.of(Backend.CPU, Backend.EMULATED));
    backends.addAll(cuda());
    return backends;
  }

  private static List<Backend> cuda() {
    return Device.probe().stream()
        .filter(status -> status.backend() == Backend.CUDA && status.available())
        .map(BackendStatus::backend)
        .toList();
  }
}
