package dev.fusedrnn.io;

import dev.fusedrnn.Cell;

/**
 * The equations of ONNX's operators LSTM, GRU and RNN, one forward direction, one row, over the
 * node's own tensors: gates i o f c and z r h, peepholes i o f, biases [Wb | Rb].
 */
final class OnnxEquations {
  private static final int HIDDEN = 5;

  private final Cell cell;
  private final boolean inputForget;
  private final double[] w;
  private final double[] r;
  private final double[] b;
  private final double[] p;

  private OnnxEquations(Cell cell, boolean inputForget, OnnxModel model) {
    this.cell = cell;
    this.inputForget = inputForget;
    w = model.tensor("W").values();
    r = model.tensor("R").values();
    b = model.tensor("B").values();
    HostTensor peepholes = model.tensor("P");
    p = peepholes == null ? new double[3 * HIDDEN] : peepholes.values();
  }

  /** The output of every step. */
  static double[] run(Cell cell, boolean inputForget, OnnxModel model, double[] x) {
    OnnxEquations node = new OnnxEquations(cell, inputForget, model);
    double[] y = new double[Networks.STEPS * HIDDEN];
    double[] h = new double[HIDDEN];
    double[] c = new double[HIDDEN];
    for (int t = 0; t < Networks.STEPS; t++) {
      double[] step = java.util.Arrays.copyOfRange(x, 3 * t, 3 * t + 3);
      h =
          switch (cell) {
            case LSTM -> node.lstm(step, h, c);
            case GRU, GRU_RESET_BEFORE -> node.gru(step, h);
            default -> node.rnn(step, h);
          };
      System.arraycopy(h, 0, y, t * HIDDEN, HIDDEN);
    }
    return y;
  }

  /** Row {@code gate * HIDDEN + j} of W times x, with Wb. */
  private double input(int gate, int j, double[] x) {
    int row = gate * HIDDEN + j;
    double sum = b[row];
    for (int k = 0; k < 3; k++) {
      sum += w[row * 3 + k] * x[k];
    }
    return sum;
  }

  /** Row {@code gate * HIDDEN + j} of R times h, with Rb. */
  private double recurrent(int gate, int j, double[] h) {
    int row = gate * HIDDEN + j;
    double sum = b[cell.gates() * HIDDEN + row];
    for (int k = 0; k < HIDDEN; k++) {
      sum += r[row * HIDDEN + k] * h[k];
    }
    return sum;
  }

  private double gate(int gate, int j, double[] x, double[] h) {
    return input(gate, j, x) + recurrent(gate, j, h);
  }

  private double[] lstm(double[] x, double[] h, double[] c) {
    double[] next = new double[HIDDEN];
    for (int j = 0; j < HIDDEN; j++) {
      double i = Networks.sigmoid(gate(0, j, x, h) + p[j] * c[j]);
      double f =
          inputForget ? 1 - i : Networks.sigmoid(gate(2, j, x, h) + p[2 * HIDDEN + j] * c[j]);
      c[j] = f * c[j] + i * Math.tanh(gate(3, j, x, h));
      double o = Networks.sigmoid(gate(1, j, x, h) + p[HIDDEN + j] * c[j]);
      next[j] = o * Math.tanh(c[j]);
    }
    return next;
  }

  private double[] gru(double[] x, double[] h) {
    double[] reset = new double[HIDDEN];
    double[] resetState = new double[HIDDEN];
    for (int j = 0; j < HIDDEN; j++) {
      reset[j] = Networks.sigmoid(gate(1, j, x, h));
      resetState[j] = reset[j] * h[j];
    }
    double[] next = new double[HIDDEN];
    for (int j = 0; j < HIDDEN; j++) {
      double z = Networks.sigmoid(gate(0, j, x, h));
      double back = cell == Cell.GRU ? reset[j] * recurrent(2, j, h) : recurrent(2, j, resetState);
      next[j] = (1 - z) * Math.tanh(input(2, j, x) + back) + z * h[j];
    }
    return next;
  }

  private double[] rnn(double[] x, double[] h) {
    double[] next = new double[HIDDEN];
    for (int j = 0; j < HIDDEN; j++) {
      double sum = gate(0, j, x, h);
      next[j] = cell == Cell.RNN_RELU ? Math.max(0, sum) : Math.tanh(sum);
    }
    return next;
  }
}
