package dev.fusedrnn.bench;

/** A case that could not be measured: the message has the reason. */
public final class BenchmarkFailedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * Says why.
   *
   * @param message the reason, with the case
   */
  public BenchmarkFailedException(String message) {
    super(message);
  }
}
