package dev.fusedrnn.cli;

/** What the process answers to its shell. */
public final class ExitCode {
  /** All went well. */
  public static final int OK = 0;

  /** A check found a difference, or a run failed. */
  public static final int FAILURE = 1;

  /** The command line, a file that it names, or a backend that is not there. */
  public static final int USAGE = 2;

  private ExitCode() {}
}
