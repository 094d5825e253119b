package dev.fusedrnn;

/**
 * What a softmax cross-entropy measured.
 *
 * @param lossSum nats, summed over the rows that count
 * @param rows rows that count: those whose target is not the ignored index
 */
public record LossResult(double lossSum, long rows) {
  /**
   * Mean loss of a row.
   *
   * @return nats; NaN where no row counts
   */
  public double mean() {
    return rows == 0 ? Double.NaN : lossSum / rows;
  }
}
