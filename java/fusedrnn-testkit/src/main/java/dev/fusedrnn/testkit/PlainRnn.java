package dev.fusedrnn.testkit;

import dev.fusedrnn.Cell;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A recurrent layer in plain float loops, forward and backward through time: the "plain fp32
 * computation of the same thing" whose error is the yardstick for every backend. Equations and gate
 * order are those of torch.nn; {@code x [T,B,I]}, {@code w_ih [G*H,I]}, {@code w_hh [G*H,H]}. It is
 * not an oracle: it shares no code with the reference backend, and is fp32 on purpose.
 */
final class PlainRnn {
  private final RnnCase sizes;
  private final SummationOrder order;
  private final int rows;
  private final int hidden;
  private final int gates;
  private final float[] x;
  private final float[] wIh;
  private final float[] wHh;
  private final float[] bIh;
  private final float[] bHh;

  /** h and c of every step, slot 0 the initial state: [T+1, B, H]. */
  private final float[] h;

  private final float[] c;

  /** Activated gates [T*B, G*H]. */
  private final float[] act;

  /** GRU: what r is multiplied with: the recurrent product of n (after) or h (before): [T*B, H]. */
  private final float[] gated;

  /** Gradients of the input products and of the recurrent products: [T*B, G*H]. */
  private final float[] dIh;

  private final float[] dHh;

  private PlainRnn(RnnCase sizes, Map<String, float[]> data, SummationOrder order) {
    this.sizes = sizes;
    this.order = order;
    hidden = sizes.hidden();
    gates = sizes.cell().gates();
    rows = sizes.steps() * sizes.batch();
    int state = sizes.batch() * hidden;
    x = data.get("x");
    wIh = data.get("w_ih");
    wHh = data.get("w_hh");
    bIh = data.getOrDefault("b_ih", new float[gates * hidden]);
    bHh = data.getOrDefault("b_hh", new float[gates * hidden]);
    h = new float[state + rows * hidden];
    c = new float[state + rows * hidden];
    System.arraycopy(data.getOrDefault("h0", new float[state]), 0, h, 0, state);
    System.arraycopy(data.getOrDefault("c0", new float[state]), 0, c, 0, state);
    act = new float[rows * gates * hidden];
    gated = new float[rows * hidden];
    dIh = new float[act.length];
    dHh = new float[act.length];
  }

  /**
   * Computes every output and gradient.
   *
   * @param sizes the case
   * @param data its inputs by the names of {@code fusedrnn.h}; absent ones are zero
   * @param order how sums are taken
   * @return y, hT, cT, dx, dh0, dc0, dw_ih, dw_hh, db_ih, db_hh, as far as the case has them
   */
  static Map<String, float[]> run(RnnCase sizes, Map<String, float[]> data, SummationOrder order) {
    PlainRnn rnn = new PlainRnn(sizes, data, order);
    int state = sizes.batch() * rnn.hidden;
    Map<String, float[]> out = new LinkedHashMap<>();
    for (int t = 0; t < sizes.steps(); t++) {
      for (int b = 0; b < sizes.batch(); b++) {
        rnn.forward(t * sizes.batch() + b);
      }
    }
    out.put("y", slice(rnn.h, state, rnn.rows * rnn.hidden));
    out.put("hT", slice(rnn.h, rnn.rows * rnn.hidden, state));
    if (sizes.cell() == Cell.LSTM) {
      out.put("cT", slice(rnn.c, rnn.rows * rnn.hidden, state));
    }
    rnn.backward(data, out);
    return out;
  }

  private static float[] slice(float[] from, int start, int count) {
    float[] part = new float[count];
    System.arraycopy(from, start, part, 0, count);
    return part;
  }

  /** The input product of gate row {@code g} for row {@code n} of x, with its bias. */
  private float inputProduct(int n, int g) {
    int input = sizes.input();
    return order.dot(bIh[g], wIh, g * input, 1, x, n * input, 1, input);
  }

  /** The recurrent product of gate row {@code g} with the state before row {@code n}. */
  private float recurrentProduct(int n, int g) {
    return order.dot(bHh[g], wHh, g * hidden, 1, h, n * hidden, 1, hidden);
  }

  private static float sigmoid(float a) {
    return 1 / (1 + (float) Math.exp(-a));
  }

  private static float tanh(float a) {
    return (float) Math.tanh(a);
  }

  /** One row: slot n of h holds the state before it, slot n + B receives the state after it. */
  private void forward(int n) {
    int after = (n + sizes.batch()) * hidden;
    int g = n * gates * hidden;
    switch (sizes.cell()) {
      case LSTM -> {
        for (int j = 0; j < hidden; j++) {
          act[g + j] = sigmoid(inputProduct(n, j) + recurrentProduct(n, j));
          act[g + hidden + j] =
              sigmoid(inputProduct(n, hidden + j) + recurrentProduct(n, hidden + j));
          act[g + 2 * hidden + j] =
              tanh(inputProduct(n, 2 * hidden + j) + recurrentProduct(n, 2 * hidden + j));
          act[g + 3 * hidden + j] =
              sigmoid(inputProduct(n, 3 * hidden + j) + recurrentProduct(n, 3 * hidden + j));
          c[after + j] =
              act[g + hidden + j] * c[n * hidden + j] + act[g + j] * act[g + 2 * hidden + j];
          h[after + j] = act[g + 3 * hidden + j] * tanh(c[after + j]);
        }
      }
      case GRU, GRU_RESET_BEFORE -> forwardGru(n, g, after);
      case RNN_TANH, RNN_RELU -> {
        for (int j = 0; j < hidden; j++) {
          float a = inputProduct(n, j) + recurrentProduct(n, j);
          act[g + j] = sizes.cell() == Cell.RNN_TANH ? tanh(a) : a <= 0 ? 0 : a;
          h[after + j] = act[g + j];
        }
      }
      default -> throw new IllegalArgumentException(sizes.cell().toString());
    }
  }

  private void forwardGru(int n, int g, int after) {
    for (int j = 0; j < 2 * hidden; j++) {
      act[g + j] = sigmoid(inputProduct(n, j) + recurrentProduct(n, j));
    }
    boolean resetAfter = sizes.cell() == Cell.GRU;
    for (int j = 0; j < hidden; j++) {
      gated[n * hidden + j] =
          resetAfter ? recurrentProduct(n, 2 * hidden + j) : act[g + j] * h[n * hidden + j];
    }
    for (int j = 0; j < hidden; j++) {
      int row = 2 * hidden + j;
      float recurrent =
          resetAfter
              ? act[g + j] * gated[n * hidden + j]
              : order.dot(bHh[row], wHh, row * hidden, 1, gated, n * hidden, 1, hidden);
      act[g + row] = tanh(inputProduct(n, row) + recurrent);
      float z = act[g + hidden + j];
      h[after + j] = (1 - z) * act[g + row] + z * h[n * hidden + j];
    }
  }

  private void backward(Map<String, float[]> data, Map<String, float[]> out) {
    int batch = sizes.batch();
    int state = batch * hidden;
    float[] dy = data.getOrDefault("dy", new float[rows * hidden]);
    float[] dh = data.getOrDefault("dhT", new float[state]).clone();
    float[] dc = data.getOrDefault("dcT", new float[state]).clone();
    for (int n = rows - 1; n >= 0; n--) {
      float[] carried = slice(dh, n % batch * hidden, hidden);
      for (int j = 0; j < hidden; j++) {
        carried[j] += dy[n * hidden + j];
      }
      backward(n, carried, dc);
      System.arraycopy(carried, 0, dh, n % batch * hidden, hidden);
    }
    int input = sizes.input();
    int all = gates * hidden;
    float[] dx = new float[rows * input];
    for (int n = 0; n < rows; n++) {
      for (int k = 0; k < input; k++) {
        dx[n * input + k] = order.dot(0, dIh, n * all, 1, wIh, k, input, all);
      }
    }
    out.put("dx", dx);
    out.put("dh0", dh);
    if (sizes.cell() == Cell.LSTM) {
      out.put("dc0", dc);
    }
    weightGradients(data, out);
  }

  private void weightGradients(Map<String, float[]> data, Map<String, float[]> out) {
    int input = sizes.input();
    int all = gates * hidden;
    float[] dwIh = data.getOrDefault("start_dw_ih", new float[all * input]).clone();
    float[] dwHh = data.getOrDefault("start_dw_hh", new float[all * hidden]).clone();
    float[] dbIh = data.getOrDefault("start_db_ih", new float[all]).clone();
    float[] dbHh = data.getOrDefault("start_db_hh", new float[all]).clone();
    for (int g = 0; g < all; g++) {
      for (int k = 0; k < input; k++) {
        dwIh[g * input + k] = order.dot(dwIh[g * input + k], dIh, g, all, x, k, input, rows);
      }
      boolean throughReset = sizes.cell() == Cell.GRU_RESET_BEFORE && g >= 2 * hidden;
      float[] operand = throughReset ? gated : h;
      for (int k = 0; k < hidden; k++) {
        dwHh[g * hidden + k] =
            order.dot(dwHh[g * hidden + k], dHh, g, all, operand, k, hidden, rows);
      }
      float[] one = {1};
      dbIh[g] = order.dot(dbIh[g], dIh, g, all, one, 0, 0, rows);
      dbHh[g] = order.dot(dbHh[g], dHh, g, all, one, 0, 0, rows);
    }
    out.put("dw_ih", dwIh);
    out.put("dw_hh", dwHh);
    if (data.containsKey("b_ih")) {
      out.put("db_ih", dbIh);
      out.put("db_hh", dbHh);
    }
  }

  /** One row: {@code dh} is the gradient of its h on entry and of the h before it on return. */
  private void backward(int n, float[] dh, float[] dc) {
    int g = n * gates * hidden;
    float[] direct = new float[hidden];
    switch (sizes.cell()) {
      case LSTM -> {
        for (int j = 0; j < hidden; j++) {
          backwardLstm(n, g, j, dh[j], dc);
        }
      }
      case GRU, GRU_RESET_BEFORE -> {
        backwardGru(n, g, dh, direct);
      }
      default -> {
        for (int j = 0; j < hidden; j++) {
          float a = act[g + j];
          boolean isTanh = sizes.cell() == Cell.RNN_TANH;
          dIh[g + j] = isTanh ? dh[j] * (1 - a * a) : a > 0 ? dh[j] : 0;
          dHh[g + j] = dIh[g + j];
        }
      }
    }
    int summed = sizes.cell() == Cell.GRU_RESET_BEFORE ? 2 * hidden : gates * hidden;
    for (int k = 0; k < hidden; k++) {
      dh[k] = order.dot(direct[k], dHh, g, 1, wHh, k, hidden, summed);
    }
  }

  private void backwardLstm(int n, int g, int j, float dh, float[] dc) {
    int cell = n % sizes.batch() * hidden + j;
    float i = act[g + j];
    float f = act[g + hidden + j];
    float a = act[g + 2 * hidden + j];
    float o = act[g + 3 * hidden + j];
    float tc = tanh(c[(n + sizes.batch()) * hidden + j]);
    float total = dc[cell] + dh * o * (1 - tc * tc);
    dIh[g + j] = total * a * i * (1 - i);
    dIh[g + hidden + j] = total * c[n * hidden + j] * f * (1 - f);
    dIh[g + 2 * hidden + j] = total * i * (1 - a * a);
    dIh[g + 3 * hidden + j] = dh * tc * o * (1 - o);
    for (int k = 0; k < 4; k++) {
      dHh[g + k * hidden + j] = dIh[g + k * hidden + j];
    }
    dc[cell] = total * f;
  }

  private void backwardGru(int n, int g, float[] dh, float[] direct) {
    boolean resetAfter = sizes.cell() == Cell.GRU;
    for (int j = 0; j < hidden; j++) {
      float z = act[g + hidden + j];
      float candidate = act[g + 2 * hidden + j];
      dIh[g + 2 * hidden + j] = dh[j] * (1 - z) * (1 - candidate * candidate);
      dIh[g + hidden + j] = dh[j] * (h[n * hidden + j] - candidate) * z * (1 - z);
      direct[j] = dh[j] * z;
      dHh[g + 2 * hidden + j] =
          resetAfter ? dIh[g + 2 * hidden + j] * act[g + j] : dIh[g + 2 * hidden + j];
    }
    for (int j = 0; j < hidden; j++) {
      float r = act[g + j];
      float dr;
      if (resetAfter) {
        dr = dIh[g + 2 * hidden + j] * gated[n * hidden + j];
      } else {
        int block = 2 * hidden;
        float dGated = order.dot(0, dHh, g + block, 1, wHh, block * hidden + j, hidden, hidden);
        dr = dGated * h[n * hidden + j];
        direct[j] += dGated * r;
      }
      dIh[g + j] = dr * r * (1 - r);
      dHh[g + j] = dIh[g + j];
      dHh[g + hidden + j] = dIh[g + hidden + j];
    }
  }
}
