package dev.fusedrnn;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The recurrent cells. Ordinals are those of {@code frnn_cell} in {@code fusedrnn.h}. */
public enum Cell {
  /**
   * Hochreiter and Schmidhuber 1997 with the forget gate of Gers 2000; gates {@code i f g o}: c' =
   * f c + i g, h' = o tanh(c').
   */
  LSTM(4, "lstm"),
  /**
   * Gated recurrent unit, reset after the recurrent product (cuDNN, torch.nn); gates {@code r z n}:
   * n = tanh(Wn x + bn + r (Un h + cn)), h' = (1 - z) n + z h.
   */
  GRU(3, "gru"),
  /**
   * Gated recurrent unit, reset before the recurrent product (Cho 2014, v3): n = tanh(Wn x + bn +
   * Un (r h) + cn), h' = (1 - z) n + z h.
   */
  GRU_RESET_BEFORE(3, "gru_reset_before"),
  /** Elman 1990: h' = tanh(W x + b + U h + c). */
  RNN_TANH(1, "rnn_tanh"),
  /** As {@link #RNN_TANH} with max(0, .) for tanh. */
  RNN_RELU(1, "rnn_relu"),
  /**
   * The first of the cells that Jozefowicz, Zaremba and Sutskever 2015 found by mutation; gates
   * {@code r z n}: z = s(Wz x + bz), r = s(Wr x + br + Ur h + cr), n = tanh(tanh(Wn x + bn) + Un (r
   * h) + cn), h' = z n + (1 - z) h. The update gate does not see h, so the recurrent weights have
   * blocks {@code r n} only. The paper's bare x is Wn x + bn here, so that I need not be H.
   */
  MUT1(3, "mut1"),
  /** The second: z and r as of a GRU, n = tanh(Wn x + bn + Un (r h) + cn), h' = z n + (1 - z) h. */
  MUT2(3, "mut2"),
  /** The third: as {@link #MUT2} with z = s(Wz x + bz + Uz tanh(h) + cz). */
  MUT3(3, "mut3");

  private final int gates;
  private final String label;

  Cell(int gates, String label) {
    this.gates = gates;
    this.label = label;
  }

  /**
   * The number of gate blocks G.
   *
   * @return 4 for LSTM, 3 for GRU and MUT, 1 for a plain RNN
   */
  public int gates() {
    return gates;
  }

  /**
   * The number of gate blocks of the recurrent weights and bias.
   *
   * @return as {@link #gates()}, but 2 for MUT1
   */
  public int recurrentGates() {
    return this == MUT1 ? 2 : gates;
  }

  /**
   * Whether the cell carries a cell state c beside h.
   *
   * @return true for LSTM only
   */
  public boolean hasCellState() {
    return this == LSTM;
  }

  /**
   * The name used on the command line and in files.
   *
   * @return for example {@code lstm}
   */
  public String label() {
    return label;
  }

  /**
   * Finds a cell by its label; {@code rnn} is short for {@code rnn_tanh}.
   *
   * @param name a label, in any case
   * @return the cell
   * @throws IllegalArgumentException naming the known labels
   */
  public static Cell fromName(String name) {
    String wanted = name.toLowerCase(Locale.ROOT).replace('-', '_');
    if (wanted.equals("rnn")) {
      return RNN_TANH;
    }
    for (Cell cell : values()) {
      if (cell.label.equals(wanted)) {
        return cell;
      }
    }
    throw new IllegalArgumentException(
        "cell: expected one of "
            + Arrays.stream(values()).map(Cell::label).collect(Collectors.joining(", "))
            + ", got "
            + name);
  }
}
