package dev.fusedrnn;

import java.util.Locale;

/** Who computes. */
public enum Backend {
  /** Plain Java in double precision: the oracle. Needs no native library. */
  REFERENCE,
  /** Native C++ with SIMD and threads. */
  CPU,
  /** CUDA kernels on an NVIDIA GPU. */
  CUDA,
  /** The CUDA kernels on an emulated machine, for tests. */
  EMULATED;

  /**
   * The name used on the command line.
   *
   * @return for example {@code cpu}
   */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Finds a backend by its label. {@code auto} is not a backend: see {@link Device#open(String)}.
   *
   * @param name {@code reference}, {@code cpu}, {@code cuda} or {@code emulated}, in any case
   * @return the backend
   * @throws IllegalArgumentException naming the known labels
   */
  public static Backend fromName(String name) {
    for (Backend backend : values()) {
      if (backend.label().equals(name.toLowerCase(Locale.ROOT))) {
        return backend;
      }
    }
    throw new IllegalArgumentException(
        "backend: expected one of auto, cuda, cpu, emulated, reference, got " + name);
  }
}
