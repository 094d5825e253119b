package dev.fusedrnn.bench;

/** A case that could not be measured: the message has the reason. */
final class BenchmarkFailedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  BenchmarkFailedException(String message) {
    super(message);
  }
}
