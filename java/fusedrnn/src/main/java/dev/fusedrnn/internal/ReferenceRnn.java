package dev.fusedrnn.internal;

import dev.fusedrnn.Cell;
import java.util.Arrays;

/**
 * A recurrent layer over a sequence, forward and backward through time, in simple loops: the
 * oracle.
 *
 * <p>For step t and row b, with W = w_ih, U = w_hh and s the logistic function:
 *
 * <pre>
 *   LSTM   i f o = s(W x + b + U h + c), g = tanh(.), c' = f c + i g, h' = o tanh(c')
 *   GRU    r z = s(.), n = tanh(Wn x + bn + r (Un h + cn)), h' = (1 - z) n + z h
 *   before r z = s(.), n = tanh(Wn x + bn + Un (r h) + cn), h' = (1 - z) n + z h
 *   RNN    h' = tanh(.) or max(0, .)
 * </pre>
 *
 * Backward, da is the gradient of W x + b and du that of U h + c. Arrays are those of {@code
 * fusedrnn.h}; h and c have T+1 slots, of which slot 0 is the initial state.
 */
final class ReferenceRnn {
  private final Cell cell;
  private final int steps;
  private final int batch;
  private final int input;
  private final int hidden;
  private final int rows; // G*H
  private final double[] wIh;
  private final double[] wHh;
  private final double[] bIh;
  private final double[] bHh;
  private final double[] x;
  private final double[] h; // [T+1, B, H]
  private final double[] c; // [T+1, B, H]
  private final double[] gate; // [T, B, G*H], after the activation
  private final double[] candidate; // [T, B, H]: Un h + cn of a GRU

  private double[] dx = {};
  private double[] dh = {}; // [B, H]: of the state that the step in hand left, at last of h0
  private double[] dc = {};
  private double[] dwIh = {};
  private double[] dwHh = {};
  private double[] dbIh = {};
  private double[] dbHh = {};

  /** Sizes of a sequence. */
  record Sizes(Cell cell, int steps, int batch, int input, int hidden) {
    int rows() {
      return cell.gates() * hidden;
    }
  }

  /** Parameters of a layer; absent biases are zeros. */
  record Parameters(double[] wIh, double[] wHh, double[] bIh, double[] bHh) {}

  ReferenceRnn(Sizes sizes, Parameters parameters, double[] x, double[] h0, double[] c0) {
    this.cell = sizes.cell();
    this.steps = sizes.steps();
    this.batch = sizes.batch();
    this.input = sizes.input();
    this.hidden = sizes.hidden();
    this.rows = sizes.rows();
    this.wIh = parameters.wIh();
    this.wHh = parameters.wHh();
    this.bIh = parameters.bIh();
    this.bHh = parameters.bHh();
    this.x = x;
    int states = Math.multiplyExact(batch, hidden);
    this.h = Arrays.copyOf(h0, Math.multiplyExact(steps + 1, states));
    this.c = Arrays.copyOf(c0, h.length);
    this.gate = new double[Math.multiplyExact(Math.multiplyExact(steps, batch), rows)];
    this.candidate = new double[steps * states];
  }

  // ---- Forward ----

  void forward() {
    for (int t = 0; t < steps; t++) {
      for (int b = 0; b < batch; b++) {
        switch (cell) {
          case LSTM -> lstmForward(t, b);
          case GRU -> gruForward(t, b);
          case GRU_RESET_BEFORE -> gruBeforeForward(t, b);
          case RNN_TANH, RNN_RELU -> rnnForward(t, b);
        }
      }
    }
  }

  private void lstmForward(int t, int b) {
    double[] a = inputProduct(t, b);
    double[] u = recurrentProduct(t, b);
    int at = gateAt(t, b);
    for (int j = 0; j < hidden; j++) {
      double i = sigmoid(a[j] + u[j]);
      double f = sigmoid(a[hidden + j] + u[hidden + j]);
      double g = Math.tanh(a[2 * hidden + j] + u[2 * hidden + j]);
      double o = sigmoid(a[3 * hidden + j] + u[3 * hidden + j]);
      double cNew = f * c[stateAt(t, b) + j] + i * g;
      gate[at + j] = i;
      gate[at + hidden + j] = f;
      gate[at + 2 * hidden + j] = g;
      gate[at + 3 * hidden + j] = o;
      c[stateAt(t + 1, b) + j] = cNew;
      h[stateAt(t + 1, b) + j] = o * Math.tanh(cNew);
    }
  }

  private void gruForward(int t, int b) {
    double[] a = inputProduct(t, b);
    double[] u = recurrentProduct(t, b);
    int at = gateAt(t, b);
    for (int j = 0; j < hidden; j++) {
      double r = sigmoid(a[j] + u[j]);
      double z = sigmoid(a[hidden + j] + u[hidden + j]);
      double n = Math.tanh(a[2 * hidden + j] + r * u[2 * hidden + j]);
      candidate[stateAt(t, b) + j] = u[2 * hidden + j];
      gruState(t, b, j, at, r, z, n);
    }
  }

  private void gruBeforeForward(int t, int b) {
    double[] a = inputProduct(t, b);
    double[] u = recurrentProduct(t, b);
    int at = gateAt(t, b);
    for (int j = 0; j < hidden; j++) {
      gate[at + j] = sigmoid(a[j] + u[j]);
    }
    for (int j = 0; j < hidden; j++) {
      double un = bHh[2 * hidden + j];
      for (int k = 0; k < hidden; k++) {
        un += wHh[(2 * hidden + j) * hidden + k] * gate[at + k] * h[stateAt(t, b) + k];
      }
      double z = sigmoid(a[hidden + j] + u[hidden + j]);
      double n = Math.tanh(a[2 * hidden + j] + un);
      gruState(t, b, j, at, gate[at + j], z, n);
    }
  }

  private void gruState(int t, int b, int j, int at, double r, double z, double n) {
    gate[at + j] = r;
    gate[at + hidden + j] = z;
    gate[at + 2 * hidden + j] = n;
    h[stateAt(t + 1, b) + j] = (1 - z) * n + z * h[stateAt(t, b) + j];
  }

  private void rnnForward(int t, int b) {
    double[] a = inputProduct(t, b);
    double[] u = recurrentProduct(t, b);
    for (int j = 0; j < hidden; j++) {
      double sum = a[j] + u[j];
      // Math.max lets NaN through, as a comparison would not.
      h[stateAt(t + 1, b) + j] = cell == Cell.RNN_TANH ? Math.tanh(sum) : Math.max(0, sum);
    }
  }

  // ---- Backward ----

  void backward(double[] dy, double[] dhT, double[] dcT) {
    dx = new double[x.length];
    dh = dhT.clone();
    dc = dcT.clone();
    dwIh = new double[wIh.length];
    dwHh = new double[wHh.length];
    dbIh = new double[rows];
    dbHh = new double[rows];
    for (int t = steps - 1; t >= 0; t--) {
      for (int b = 0; b < batch; b++) {
        for (int j = 0; j < hidden; j++) {
          dh[b * hidden + j] += dy[stateAt(t, b) + j];
        }
        double[] da = new double[rows];
        double[] du = new double[rows];
        switch (cell) {
          case LSTM -> lstmBackward(t, b, da, du);
          case GRU -> gruBackward(t, b, da, du);
          case GRU_RESET_BEFORE -> gruBeforeBackward(t, b, da, du);
          case RNN_TANH, RNN_RELU -> rnnBackward(t, b, da, du);
        }
        backThroughInput(t, b, da);
        backThroughState(t, b, du);
      }
    }
  }

  private void lstmBackward(int t, int b, double[] da, double[] du) {
    int at = gateAt(t, b);
    for (int j = 0; j < hidden; j++) {
      double i = gate[at + j];
      double f = gate[at + hidden + j];
      double g = gate[at + 2 * hidden + j];
      double o = gate[at + 3 * hidden + j];
      double tanhC = Math.tanh(c[stateAt(t + 1, b) + j]);
      double dhNew = dh[b * hidden + j];
      double dcNew = dc[b * hidden + j] + dhNew * o * (1 - tanhC * tanhC);
      da[j] = dcNew * g * i * (1 - i);
      da[hidden + j] = dcNew * c[stateAt(t, b) + j] * f * (1 - f);
      da[2 * hidden + j] = dcNew * i * (1 - g * g);
      da[3 * hidden + j] = dhNew * tanhC * o * (1 - o);
      dc[b * hidden + j] = dcNew * f;
      dh[b * hidden + j] = 0;
    }
    System.arraycopy(da, 0, du, 0, rows);
  }

  private void gruBackward(int t, int b, double[] da, double[] du) {
    int at = gateAt(t, b);
    for (int j = 0; j < hidden; j++) {
      double r = gate[at + j];
      double dn = gruCandidateAndUpdate(t, b, j, at, da);
      da[j] = dn * candidate[stateAt(t, b) + j] * r * (1 - r);
      du[j] = da[j];
      du[hidden + j] = da[hidden + j];
      du[2 * hidden + j] = dn * r;
    }
  }

  private void gruBeforeBackward(int t, int b, double[] da, double[] du) {
    int at = gateAt(t, b);
    double[] dhOld = new double[hidden]; // through z and through r h
    for (int j = 0; j < hidden; j++) {
      du[2 * hidden + j] = gruCandidateAndUpdate(t, b, j, at, da);
      du[hidden + j] = da[hidden + j];
      dhOld[j] = dh[b * hidden + j];
    }
    for (int k = 0; k < hidden; k++) {
      double drh = 0; // of r h, through Un
      for (int j = 0; j < hidden; j++) {
        drh += wHh[(2 * hidden + j) * hidden + k] * du[2 * hidden + j];
      }
      double r = gate[at + k];
      da[k] = drh * h[stateAt(t, b) + k] * r * (1 - r);
      du[k] = da[k];
      dh[b * hidden + k] = dhOld[k] + drh * r;
    }
  }

  /** Fills da of z and n, leaves dh with what goes straight to the old state; answers da of n. */
  private double gruCandidateAndUpdate(int t, int b, int j, int at, double[] da) {
    double z = gate[at + hidden + j];
    double n = gate[at + 2 * hidden + j];
    double dhNew = dh[b * hidden + j];
    double dn = dhNew * (1 - z) * (1 - n * n);
    da[hidden + j] = dhNew * (h[stateAt(t, b) + j] - n) * z * (1 - z);
    da[2 * hidden + j] = dn;
    dh[b * hidden + j] = dhNew * z;
    return dn;
  }

  private void rnnBackward(int t, int b, double[] da, double[] du) {
    for (int j = 0; j < hidden; j++) {
      double hNew = h[stateAt(t + 1, b) + j];
      double slope = cell == Cell.RNN_TANH ? 1 - hNew * hNew : hNew > 0 ? 1 : 0;
      da[j] = dh[b * hidden + j] * slope;
      du[j] = da[j];
      dh[b * hidden + j] = 0;
    }
  }

  private void backThroughInput(int t, int b, double[] da) {
    int at = (t * batch + b) * input;
    for (int row = 0; row < rows; row++) {
      dbIh[row] += da[row];
      for (int k = 0; k < input; k++) {
        dwIh[row * input + k] += da[row] * x[at + k];
        dx[at + k] += da[row] * wIh[row * input + k];
      }
    }
  }

  private void backThroughState(int t, int b, double[] du) {
    // Of a GRU with reset before, the rows of n saw r h, and their share of dh is in it already.
    int plainRows = cell == Cell.GRU_RESET_BEFORE ? 2 * hidden : rows;
    for (int row = 0; row < rows; row++) {
      dbHh[row] += du[row];
      for (int k = 0; k < hidden; k++) {
        double seen = h[stateAt(t, b) + k];
        if (row < plainRows) {
          dh[b * hidden + k] += du[row] * wHh[row * hidden + k];
        } else {
          seen *= gate[gateAt(t, b) + k];
        }
        dwHh[row * hidden + k] += du[row] * seen;
      }
    }
  }

  // ---- Shared ----

  private int stateAt(int t, int b) {
    return (t * batch + b) * hidden;
  }

  private int gateAt(int t, int b) {
    return (t * batch + b) * rows;
  }

  private double[] inputProduct(int t, int b) {
    double[] a = bIh.clone();
    int at = (t * batch + b) * input;
    for (int row = 0; row < rows; row++) {
      for (int k = 0; k < input; k++) {
        a[row] += wIh[row * input + k] * x[at + k];
      }
    }
    return a;
  }

  private double[] recurrentProduct(int t, int b) {
    double[] u = bHh.clone();
    for (int row = 0; row < rows; row++) {
      for (int k = 0; k < hidden; k++) {
        u[row] += wHh[row * hidden + k] * h[stateAt(t, b) + k];
      }
    }
    return u;
  }

  private static double sigmoid(double v) {
    return 1 / (1 + Math.exp(-v));
  }

  // ---- Results ----

  double[] y() {
    return Arrays.copyOfRange(h, batch * hidden, h.length);
  }

  double[] hT() {
    return Arrays.copyOfRange(h, steps * batch * hidden, h.length);
  }

  double[] cT() {
    return Arrays.copyOfRange(c, steps * batch * hidden, c.length);
  }

  double[] dx() {
    return dx;
  }

  double[] dh0() {
    return dh;
  }

  double[] dc0() {
    return dc;
  }

  double[] dwIh() {
    return dwIh;
  }

  double[] dwHh() {
    return dwHh;
  }

  double[] dbIh() {
    return dbIh;
  }

  double[] dbHh() {
    return dbHh;
  }
}
