package dev.fusedrnn.bench;

import dev.fusedrnn.Cell;
import dev.fusedrnn.testkit.NetCase;
import dev.fusedrnn.testkit.RnnCase;
import java.util.List;

/**
 * The named cases of the suite {@code sequence}: cell, T steps, B rows, I inputs, H units, L
 * layers. Small ones show the cost of a call, the PTB language models of Zaremba 2014 (T35 B20,
 * H200 and H650) and the powers of two what users run.
 */
public enum Shape {
  /** One short sequence: what an interactive model does. */
  LSTM_T25_B1_I96_H100(Cell.LSTM, 25, 1, 96, 100, 1),
  /** One longer sequence. */
  LSTM_T50_B1_I128_H128(Cell.LSTM, 50, 1, 128, 128, 1),
  /** A small training step, at most 20 ms on two cores. */
  LSTM_T50_B32_I128_H128(Cell.LSTM, 50, 32, 128, 128, 1),
  /** DL4J's character model: 77 characters, two layers. */
  LSTM_T50_B32_H200_L2(Cell.LSTM, 50, 32, 77, 200, 2),
  /** PTB, small. */
  LSTM_T35_B20_I200_H200(Cell.LSTM, 35, 20, 200, 200, 1),
  /** A character model. */
  LSTM_T100_B32_I128_H128(Cell.LSTM, 100, 32, 128, 128, 1),
  /** PTB, medium. */
  LSTM_T35_B20_I650_H650(Cell.LSTM, 35, 20, 650, 650, 1),
  /** A larger character model. */
  LSTM_T100_B32_I256_H256(Cell.LSTM, 100, 32, 256, 256, 1),
  /** A layer of a translation model. */
  LSTM_T50_B64_I512_H512(Cell.LSTM, 50, 64, 512, 512, 1),
  /** A long sequence of a wide layer. */
  LSTM_T512_B16_I512_H512(Cell.LSTM, 512, 16, 512, 512, 1),
  /** As the LSTM of these sizes. */
  GRU_T25_B1_I96_H100(Cell.GRU, 25, 1, 96, 100, 1),
  /** As the LSTM of these sizes. */
  GRU_T50_B1_I128_H128(Cell.GRU, 50, 1, 128, 128, 1),
  /** As the LSTM of these sizes. */
  GRU_T50_B32_I128_H128(Cell.GRU, 50, 32, 128, 128, 1),
  /** As the LSTM of these sizes. */
  GRU_T50_B32_H200_L2(Cell.GRU, 50, 32, 77, 200, 2),
  /** As the LSTM of these sizes. */
  GRU_T35_B20_I200_H200(Cell.GRU, 35, 20, 200, 200, 1),
  /** As the LSTM of these sizes. */
  GRU_T100_B32_I128_H128(Cell.GRU, 100, 32, 128, 128, 1),
  /** As the LSTM of these sizes. */
  GRU_T35_B20_I650_H650(Cell.GRU, 35, 20, 650, 650, 1),
  /** As the LSTM of these sizes. */
  GRU_T100_B32_I256_H256(Cell.GRU, 100, 32, 256, 256, 1),
  /** As the LSTM of these sizes. */
  GRU_T50_B64_I512_H512(Cell.GRU, 50, 64, 512, 512, 1),
  /** As the LSTM of these sizes. */
  GRU_T512_B16_I512_H512(Cell.GRU, 512, 16, 512, 512, 1);

  private final Cell cell;
  private final int steps;
  private final int batch;
  private final int input;
  private final int hidden;
  private final int layers;

  Shape(Cell cell, int steps, int batch, int input, int hidden, int layers) {
    this.cell = cell;
    this.steps = steps;
    this.batch = batch;
    this.input = input;
    this.hidden = hidden;
    this.layers = layers;
  }

  /** The same as a case of the testkit. */
  NetCase sizes() {
    return sizes(cell, steps, batch, input, hidden, layers);
  }

  /** A case of the testkit with all optional tensors. */
  static NetCase sizes(Cell cell, int steps, int batch, int input, int hidden, int layers) {
    String name = cell + " T" + steps + " B" + batch + " I" + input + " H" + hidden + " L" + layers;
    return new NetCase(
        name,
        cell,
        steps,
        batch,
        input,
        hidden,
        settings -> settings.layers(layers),
        List.of(),
        RnnCase.ALL,
        CheckedSequence.SEED);
  }

  /**
   * Operations of the matrix products of a forward pass; a multiply-add counts two. The gates' own
   * are left out, as is customary: about 30 a unit and step beside 2 G (I + H).
   *
   * @return floating-point operations
   */
  public double forwardFlop() {
    return inputProducts() + recurrentProducts();
  }

  /**
   * Operations of the matrix products of a forward and a backward pass.
   *
   * @return floating-point operations
   */
  public double trainFlop() {
    double inputGradient = inputProducts(); // dx = dgates W
    double inputWeightGradient = inputProducts(); // dW = dgates^T x
    double stateGradient = recurrentProducts(); // dh of the step before = dgates R
    double recurrentWeightGradient = recurrentProducts(); // dR = dgates^T h
    return forwardFlop()
        + inputGradient
        + inputWeightGradient
        + stateGradient
        + recurrentWeightGradient;
  }

  /** W x of every step: [T*B, I] by [I, G*H], and [T*B, H] by [H, G*H] in the layers above. */
  private double inputProducts() {
    double inputs = input + (layers - 1.0) * hidden;
    return 2.0 * steps * batch * inputs * cell.gates() * hidden;
  }

  /** R h of every step: [B, H] by [H, G*H], T times in each layer. */
  private double recurrentProducts() {
    return 2.0 * steps * batch * hidden * cell.gates() * hidden * layers;
  }
}
