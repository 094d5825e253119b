package dev.fusedrnn.bench.grid;

import dev.fusedrnn.Cell;
import java.util.Locale;

/**
 * One cell of the grid; the input is as wide as the hidden state.
 *
 * @param cell LSTM or GRU
 * @param training forward and backward with every gradient, or forward alone
 * @param precision of all tensors
 * @param hidden H, and I
 * @param batch B
 * @param steps T
 * @param layers stacked layers
 * @param directions 1 or 2
 */
record GridCell(
    Cell cell,
    boolean training,
    Precision precision,
    int hidden,
    int batch,
    int steps,
    int layers,
    int directions) {

  /** The name by which rows of this cell find each other, whoever measured them. */
  String key() {
    return String.format(
        Locale.ROOT,
        "%s-%s-%s-H%d-B%d-T%d-L%d-D%d",
        cell.name().toLowerCase(Locale.ROOT),
        pass(),
        precision.name().toLowerCase(Locale.ROOT),
        hidden,
        batch,
        steps,
        layers,
        directions);
  }

  /** What runs, in a word. */
  String pass() {
    return training ? "train" : "forward";
  }

  /**
   * Operations of the matrix products: 2 T B G H (I + H) in each layer and direction, where a later
   * layer's I is all directions' H; three times that with the backward pass.
   */
  double flop() {
    double rows = 2.0 * steps * batch * cell.gates() * hidden;
    double first = rows * (hidden + hidden) * directions;
    double later = rows * ((double) directions * hidden + hidden) * directions;
    return (training ? 3 : 1) * (first + (layers - 1) * later);
  }
}
