package dev.fusedrnn.bench;

import dev.fusedrnn.Backend;

/** Opens the unfused loop that stands beside a backend. */
final class Unfused {
  private Unfused() {}

  /**
   * Opens the operators of the loop.
   *
   * @param backend cpu, cuda or emulated
   * @param threads of the cpu backend; 0 leaves it to the backend
   * @param precision F32; TF32 on a GPU
   * @return to be closed
   * @throws NoBaselineException where it cannot be; says why
   */
  static Operators open(Backend backend, int threads, Precision precision) {
    if (precision != Precision.F32 && precision != Precision.TF32) {
      throw new NoBaselineException("the unfused loop is written for fp32 and TF32 alone");
    }
    return switch (backend) {
      case CPU -> new HostOperators(Devices.open(backend.label(), threads));
      case CUDA, EMULATED -> jcuda(backend, precision);
      case REFERENCE -> throw new NoBaselineException("the oracle is never tuned, nor compared");
    };
  }

  private static Operators jcuda(Backend backend, Precision precision) {
    try {
      return JCudaOperators.open(backend, precision);
    } catch (NoClassDefFoundError e) { // the bundle has no JCuda
      throw new NoBaselineException(
          "JCuda is not on the class path; bench/target/benchmarks.jar and ./fusedrnn bench have it");
    }
  }

  /**
   * Finds out whether the loop can run, by opening it.
   *
   * @param backend by its label
   * @param precision what it would compute in
   * @return empty where it can; else why not
   */
  static String absent(String backend, Precision precision) {
    try (Operators opened = open(Backend.fromName(backend), 0, precision)) {
      return opened.who().isEmpty() ? "it has no name" : "";
    } catch (NoBaselineException e) {
      return String.valueOf(e.getMessage());
    }
  }
}
