package dev.fusedrnn.io;

/**
 * A file or a list of tensors that cannot be used; the message says what was expected and found.
 */
public final class FormatException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * Says what is wrong.
   *
   * @param message one sentence
   */
  public FormatException(String message) {
    super(message);
  }

  /**
   * Says what is wrong and what found it.
   *
   * @param message one sentence
   * @param cause what found it
   */
  public FormatException(String message, Throwable cause) {
    super(message, cause);
  }
}
