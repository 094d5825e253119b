package dev.fusedrnn;

import java.nio.ByteBuffer;

/**
 * What a loss measured.
 *
 * @param lossSum summed over the rows that count; nats for a cross-entropy
 * @param rows rows that count
 * @param badTargets rows whose target is neither a class nor the ignored index; they make lossSum
 *     NaN
 */
public record LossResult(double lossSum, long rows, long badTargets) {
  /** Bytes of a result in memory: the three components, 8 bytes each. */
  public static final int BYTES = 24;

  /**
   * Reads a result that was copied from the device.
   *
   * @param words in native order, from their position on, which moves behind them
   * @return the result
   */
  public static LossResult of(ByteBuffer words) {
    return new LossResult(words.getDouble(), words.getLong(), words.getLong());
  }

  /**
   * Mean loss of a row.
   *
   * @return NaN where no row counts
   */
  public double mean() {
    return rows == 0 ? Double.NaN : lossSum / rows;
  }

  /**
   * Refuses a result in which a target was no class.
   *
   * @return this
   * @throws FusedRnnException naming how many there were
   */
  public LossResult requireKnownTargets() {
    if (badTargets > 0) {
      throw new FusedRnnException(
          Status.INVALID_ARGUMENT,
          "targets: expected a class or the ignored index in each of "
              + rows
              + " rows that count, got something else in "
              + badTargets
              + ": compare the targets with the number of classes");
    }
    return this;
  }
}
