package dev.fusedrnn.io;

import dev.fusedrnn.Cell;
import dev.fusedrnn.Norm;
import dev.fusedrnn.RnnConfig;
import java.util.List;

/**
 * Gate blocks and their orders. An order is a word with one letter a gate: LSTM {@code i f g o} (g
 * the candidate, that others call c), GRU {@code r z n}, RNN {@code h}.
 */
final class Blocks {
  private Blocks() {}

  /** The order of torch.nn and of this project; a coupled LSTM has no block i. */
  static String torch(Cell cell, boolean coupled) {
    return switch (cell) {
      case LSTM -> coupled ? "fgo" : "ifgo";
      case GRU, GRU_RESET_BEFORE -> "rzn";
      case RNN_TANH, RNN_RELU -> "h";
      default -> throw new IllegalArgumentException("no order of gates for " + cell.label());
    };
  }

  /**
   * Refuses cells that a format does not have, and normalisation, which none has.
   *
   * @param format its name and what it has, for the message
   * @param config the network
   * @param cells those that it has
   */
  static void requireServed(String format, RnnConfig config, Cell... cells) {
    if (!List.of(cells).contains(config.cell()) || config.norm() != Norm.NONE) {
      throw new FormatException(format + "; got " + config);
    }
  }

  /**
   * Brings blocks into another order.
   *
   * @param source blocks of equal length, one behind the other
   * @param from their order
   * @param to the order wanted, of the same letters
   * @return a copy
   */
  static double[] reorder(double[] source, String from, String to) {
    int length = source.length / from.length();
    double[] target = new double[source.length];
    for (int k = 0; k < to.length(); k++) {
      int at = from.indexOf(to.charAt(k));
      if (at < 0 || to.length() != from.length()) {
        throw new IllegalArgumentException(
            "order: expected the letters of " + from + ", got " + to);
      }
      System.arraycopy(source, at * length, target, k * length, length);
    }
    return target;
  }

  /**
   * Turns rows into columns.
   *
   * @param source row-major [rows, columns]
   * @return row-major [columns, rows]
   */
  static double[] transpose(double[] source, int rows, int columns) {
    double[] target = new double[source.length];
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        target[column * rows + row] = source[row * columns + column];
      }
    }
    return target;
  }

  /** The sum of two vectors, for formats with one bias where torch.nn has two. */
  static double[] sum(double[] a, double[] b) {
    double[] sum = new double[a.length];
    for (int k = 0; k < sum.length; k++) {
      sum[k] = a[k] + b[k];
    }
    return sum;
  }

  /** The values with the other sign. */
  static double[] negate(double[] source) {
    double[] target = new double[source.length];
    for (int k = 0; k < target.length; k++) {
      target[k] = -source[k];
    }
    return target;
  }
}
