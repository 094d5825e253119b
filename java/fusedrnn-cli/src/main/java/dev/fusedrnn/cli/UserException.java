package dev.fusedrnn.cli;

/**
 * Something that the user gave and must mend: an option, a file, a model. The message says what was
 * expected, what came and how to mend it; the command ends with {@link ExitCode#USAGE}.
 */
public final class UserException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * @param message one sentence for the terminal
   */
  public UserException(String message) {
    super(message);
  }

  /**
   * @param message one sentence for the terminal
   * @param cause what found it
   */
  public UserException(String message, Throwable cause) {
    super(message, cause);
  }
}
