package dev.fusedrnn.internal;

import dev.fusedrnn.Status;

/** Why the reference engine refuses a call; never leaves the engine. */
final class Refusal extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final Status status;

  Refusal(Status status, String message) {
    super(message);
    this.status = status;
  }

  Status status() {
    return status;
  }
}
