package dev.fusedrnn.bench;

import dev.fusedrnn.Cell;

/**
 * The named cases of the suite {@code sequence}: cell, steps T, batch B, input I, hidden H. Small
 * ones show the cost of a call, the PTB language models of Zaremba 2014 (35x20x200 and 35x20x650)
 * and the powers of two what users run.
 */
public enum Shape {
  /** One short sequence: what an interactive model does. */
  LSTM_25x1x96x100(Cell.LSTM, 25, 1, 96, 100),
  /** One longer sequence. */
  LSTM_50x1x128x128(Cell.LSTM, 50, 1, 128, 128),
  /** The time that issue 2 asks for: a training step in at most 20 ms on two cores. */
  LSTM_50x32x128x128(Cell.LSTM, 50, 32, 128, 128),
  /** PTB, small. */
  LSTM_35x20x200x200(Cell.LSTM, 35, 20, 200, 200),
  /** A character model. */
  LSTM_100x32x128x128(Cell.LSTM, 100, 32, 128, 128),
  /** PTB, medium. */
  LSTM_35x20x650x650(Cell.LSTM, 35, 20, 650, 650),
  /** A larger character model. */
  LSTM_100x32x256x256(Cell.LSTM, 100, 32, 256, 256),
  /** A layer of a translation model. */
  LSTM_50x64x512x512(Cell.LSTM, 50, 64, 512, 512),
  /** As the LSTM of these sizes. */
  GRU_25x1x96x100(Cell.GRU, 25, 1, 96, 100),
  /** As the LSTM of these sizes. */
  GRU_50x1x128x128(Cell.GRU, 50, 1, 128, 128),
  /** As the LSTM of these sizes. */
  GRU_35x20x200x200(Cell.GRU, 35, 20, 200, 200),
  /** As the LSTM of these sizes. */
  GRU_100x32x128x128(Cell.GRU, 100, 32, 128, 128),
  /** As the LSTM of these sizes. */
  GRU_35x20x650x650(Cell.GRU, 35, 20, 650, 650),
  /** As the LSTM of these sizes. */
  GRU_50x64x512x512(Cell.GRU, 50, 64, 512, 512);

  private final Cell cell;
  private final int steps;
  private final int batch;
  private final int input;
  private final int hidden;

  Shape(Cell cell, int steps, int batch, int input, int hidden) {
    this.cell = cell;
    this.steps = steps;
    this.batch = batch;
    this.input = input;
    this.hidden = hidden;
  }

  /**
   * The cell.
   *
   * @return LSTM or GRU
   */
  public Cell cell() {
    return cell;
  }

  /**
   * T.
   *
   * @return steps
   */
  public int steps() {
    return steps;
  }

  /**
   * B.
   *
   * @return batch
   */
  public int batch() {
    return batch;
  }

  /**
   * I.
   *
   * @return input features
   */
  public int input() {
    return input;
  }

  /**
   * H.
   *
   * @return hidden units
   */
  public int hidden() {
    return hidden;
  }

  /**
   * Operations of the matrix products of a forward pass; a multiply-add counts two. The gates' own
   * are left out, as is customary: about 30 a unit and step beside 2 G (I + H).
   *
   * @return floating-point operations
   */
  public double forwardFlop() {
    return inputProduct() + recurrentProduct();
  }

  /**
   * Operations of the matrix products of a forward and a backward pass.
   *
   * @return floating-point operations
   */
  public double trainFlop() {
    double inputGradient = inputProduct(); // dx = dgates W
    double inputWeightGradient = inputProduct(); // dW = dgates^T x
    double stateGradient = recurrentProduct(); // dh of the step before = dgates R
    double recurrentWeightGradient = recurrentProduct(); // dR = dgates^T h
    return forwardFlop()
        + inputGradient
        + inputWeightGradient
        + stateGradient
        + recurrentWeightGradient;
  }

  /** W x of every step: [T*B, I] by [I, G*H]. */
  private double inputProduct() {
    return 2.0 * steps * batch * input * cell.gates() * hidden;
  }

  /** R h of every step: [B, H] by [H, G*H], T times. */
  private double recurrentProduct() {
    return 2.0 * steps * batch * hidden * cell.gates() * hidden;
  }
}
