package dev.fusedrnn.internal;

import dev.fusedrnn.Cell;

/**
 * Sizes and settings of one layer in one direction; the fields are those of {@code frnn_rnn}.
 *
 * @param cell the cell
 * @param variant bits of {@link Variants}
 * @param steps T
 * @param batch B
 * @param input I
 * @param hidden H
 * @param projection P, 0 for none
 * @param reverse whether each row runs from its own last step to its first
 * @param lengths live steps of each row, each from 0 to T
 * @param options the rest
 * @param maskStream sets apart the masks of layers and directions
 */
record ReferenceLayer(
    Cell cell,
    long variant,
    int steps,
    int batch,
    int input,
    int hidden,
    int projection,
    boolean reverse,
    int[] lengths,
    Options options,
    int maskStream) {
  /** As {@code frnn_norm} has it. */
  static final long LAYER_NORM = 1;

  /** As {@code frnn_norm} has it. */
  static final long BATCH_NORM = 2;

  /**
   * Settings that all layers of a network share.
   *
   * @param training whether masks are drawn
   * @param cellClip limit of c, 0 for none
   * @param dropout between layers
   * @param recurrentDropout of h where it enters the recurrent product
   * @param zoneoutH of h
   * @param zoneoutC of c
   * @param seed of the masks
   * @param offset of the masks
   * @param norm 0, {@link #LAYER_NORM} or {@link #BATCH_NORM}
   * @param normEpsilon added to variances
   * @param normMomentum of the running statistics
   */
  record Options(
      boolean training,
      double cellClip,
      double dropout,
      double recurrentDropout,
      double zoneoutH,
      double zoneoutC,
      long seed,
      long offset,
      long norm,
      double normEpsilon,
      double normMomentum) {

    Mask mask(double probability, int maskStream, int kind) {
      return new Mask(training ? probability : 0, seed, offset, maskStream * 4 + kind);
    }
  }

  /** Width of h: P, or H without a projection. */
  int width() {
    return projection > 0 ? projection : hidden;
  }

  /** Rows of the input weights. */
  int rows() {
    return (cell == Cell.LSTM ? Variants.gates(variant) : cell.gates()) * hidden;
  }

  /** Rows of the recurrent weights. */
  int recurrentRows() {
    return cell == Cell.LSTM ? rows() : cell.recurrentGates() * hidden;
  }

  /** The time of a row's step. */
  int time(int step, int row) {
    return reverse ? lengths[row] - 1 - step : step;
  }

  Mask recurrentMask() {
    return options.mask(options.recurrentDropout, maskStream, Mask.RECURRENT_DROPOUT);
  }
}
