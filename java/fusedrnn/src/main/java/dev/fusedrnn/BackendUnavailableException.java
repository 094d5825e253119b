package dev.fusedrnn;

/** The asked-for backend cannot run here. The message says why and names the cure. */
public final class BackendUnavailableException extends FusedRnnException {
  private static final long serialVersionUID = 1L;

  private final Backend backend;

  /**
   * Creates the exception.
   *
   * @param backend the backend asked for
   * @param message why it is not there, and the cure
   */
  public BackendUnavailableException(Backend backend, String message) {
    super(Status.UNAVAILABLE, message);
    this.backend = backend;
  }

  /**
   * The backend asked for.
   *
   * @return the backend
   */
  public Backend backend() {
    return backend;
  }
}
