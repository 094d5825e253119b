package dev.fusedrnn.bench;

/** The unfused loop cannot run here. The message says why and what to install or build. */
final class NoBaselineException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  NoBaselineException(String message) {
    super(message);
  }
}
