package dev.fusedrnn;

/**
 * Memory that a recurrent call needs.
 *
 * @param reserveBytes kept from a training forward call to its backward call; 0 without training
 * @param forwardWorkspaceBytes scratch of a forward call
 * @param backwardWorkspaceBytes scratch of a backward call
 */
public record RnnSizes(long reserveBytes, long forwardWorkspaceBytes, long backwardWorkspaceBytes) {
  /**
   * Scratch that serves both directions.
   *
   * @return the larger of the two
   */
  public long workspaceBytes() {
    return Math.max(forwardWorkspaceBytes, backwardWorkspaceBytes);
  }
}
