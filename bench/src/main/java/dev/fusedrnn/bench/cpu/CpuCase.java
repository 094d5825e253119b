package dev.fusedrnn.bench.cpu;

import dev.fusedrnn.Cell;
import dev.fusedrnn.bench.CheckedSequence;
import dev.fusedrnn.testkit.NetCase;
import dev.fusedrnn.testkit.RnnCase.Part;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * What is measured: one layer, one direction, fp32.
 *
 * @param cell which cell
 * @param steps T
 * @param batch B
 * @param input I
 * @param hidden H
 * @param training forward and backward with every gradient; else forward alone
 */
public record CpuCase(Cell cell, int steps, int batch, int input, int hidden, boolean training) {
  /** T, B, I, H, from a single short sequence to a layer of a translation model. */
  private static final int[][] SHAPES = {
    {25, 1, 96, 100},
    {50, 1, 128, 128},
    {35, 20, 200, 200},
    {100, 32, 128, 128},
    {35, 20, 650, 650},
    {100, 32, 256, 256},
    {50, 64, 512, 512}
  };

  private static final List<Cell> CELLS =
      List.of(Cell.LSTM, Cell.GRU, Cell.GRU_RESET_BEFORE, Cell.RNN_TANH);

  /** All cases, cell by cell, inference before training. */
  static List<CpuCase> all() {
    List<CpuCase> all = new ArrayList<>();
    for (Cell cell : CELLS) {
      for (boolean training : new boolean[] {false, true}) {
        for (int[] shape : SHAPES) {
          all.add(new CpuCase(cell, shape[0], shape[1], shape[2], shape[3], training));
        }
      }
    }
    return all;
  }

  /** Inference or training, as the column {@code benchmark} of a row has it. */
  String pass() {
    return training ? "train" : "infer";
  }

  /** The same for a title. */
  String group() {
    return cell + " " + pass();
  }

  /** T x B x I x H. */
  String shape() {
    return steps + "x" + batch + "x" + input + "x" + hidden;
  }

  /** Cell and sizes, as rows of the other suites have them. */
  String key() {
    return cell + "_T" + steps + "_B" + batch + "_I" + input + "_H" + hidden;
  }

  /** What {@code --case} looks into. */
  String title() {
    return group() + " " + shape();
  }

  /**
   * The same as a case of the testkit. The loss is one of y alone, as that of a language model is:
   * no engine is given gradients of the final state.
   *
   * @return with biases and initial states
   */
  public NetCase sizes() {
    return new NetCase(
        title(),
        cell,
        steps,
        batch,
        input,
        hidden,
        settings -> settings,
        List.of(),
        Set.of(Part.BIAS, Part.INITIAL_STATE, Part.DY),
        CheckedSequence.SEED);
  }

  /**
   * Operations of the matrix products in 10^9; a multiply-add counts two. Training has the products
   * of the forward pass, those for the inputs' gradients and those for the weights'.
   */
  double gflop() {
    double inputProducts = 2.0 * steps * batch * input * cell.gates() * hidden;
    double recurrentProducts = 2.0 * steps * batch * hidden * cell.gates() * hidden;
    return (training ? 3 : 1) * (inputProducts + recurrentProducts) / 1e9;
  }
}
