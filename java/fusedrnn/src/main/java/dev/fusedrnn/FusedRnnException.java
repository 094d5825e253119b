package dev.fusedrnn;

/** A call failed below the Java checks. The message names operation, shapes, device and cure. */
public class FusedRnnException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final Status status;

  /**
   * Creates the exception.
   *
   * @param status why
   * @param message the whole sentence
   */
  public FusedRnnException(Status status, String message) {
    super(message);
    this.status = status;
  }

  /**
   * Why the call failed.
   *
   * @return never {@link Status#OK}
   */
  public Status status() {
    return status;
  }
}
