package dev.fusedrnn.testkit;

import dev.fusedrnn.Cell;

/**
 * The cells of Jozefowicz et al. 2015 with learnt input weights: gates r z n, n = tanh(a + Un (r h)
 * + cn) with a = Wn x + bn, of MUT1 its tanh; z from x alone (MUT1), from h (MUT2), from tanh(h)
 * (MUT3); h' = z n + (1 - z) h. The recurrent blocks of MUT1 are r n.
 */
final class PlainMut extends PlainLayer {
  private final Cell cell;

  /** Where Un starts in the recurrent weights. */
  private final int candidate;

  /** Activated r z n, and a after its tanh [T*B, 4H]. */
  private final float[] act;

  /** r h, and what the update gate sees of h [T*B, H]. */
  private final float[] gated;

  private final float[] seenByUpdate;

  PlainMut(PlainNet net, int layer, int direction, float[] x, float[] h0) {
    super(net, layer, direction, x, h0);
    cell = config.cell();
    candidate = recurrentGateRows - hidden;
    act = new float[steps * batch * 4 * hidden];
    gated = new float[steps * batch * hidden];
    seenByUpdate = new float[steps * batch * hidden];
  }

  private float product(int n, int row, float[] operand) {
    return order.dot(bHh[row], wHh, row * hidden, 1, operand, n * hidden, 1, hidden);
  }

  @Override
  float[] step(int n, int b) {
    int a = n * 4 * hidden;
    int e = n * hidden;
    for (int j = 0; j < hidden; j++) {
      seenByUpdate[e + j] = cell == Cell.MUT3 ? tanh(hIn[e + j]) : hIn[e + j];
      act[a + j] = sigmoid(inputProduct(n, j) + product(n, j, hIn));
      gated[e + j] = act[a + j] * hIn[e + j];
    }
    float[] next = new float[hidden];
    for (int j = 0; j < hidden; j++) {
      float fromState = cell == Cell.MUT1 ? 0 : product(n, hidden + j, seenByUpdate);
      float z = sigmoid(inputProduct(n, hidden + j) + fromState);
      float inner = inputProduct(n, 2 * hidden + j);
      inner = cell == Cell.MUT1 ? tanh(inner) : inner;
      float value = tanh(inner + product(n, candidate + j, gated));
      act[a + hidden + j] = z;
      act[a + 2 * hidden + j] = value;
      act[a + 3 * hidden + j] = inner;
      next[j] = z * value + (1 - z) * hBefore[e + j];
    }
    return next;
  }

  @Override
  void stepBack(int n, int b, float[] dNew, float[] direct, float[] entering) {
    int a = n * 4 * hidden;
    int e = n * hidden;
    int in = n * gateRows;
    int re = n * recurrentGateRows;
    for (int j = 0; j < hidden; j++) {
      float z = act[a + hidden + j];
      float value = act[a + 2 * hidden + j];
      float inner = act[a + 3 * hidden + j];
      float dn = dNew[j] * z * (1 - value * value);
      dHh[re + candidate + j] = dn;
      dIh[in + 2 * hidden + j] = cell == Cell.MUT1 ? dn * (1 - inner * inner) : dn;
      dIh[in + hidden + j] = dNew[j] * (value - hBefore[e + j]) * z * (1 - z);
      if (cell != Cell.MUT1) {
        dHh[re + hidden + j] = dIh[in + hidden + j];
      }
      direct[j] += dNew[j] * (1 - z);
    }
    for (int j = 0; j < hidden; j++) {
      float r = act[a + j];
      float dGated =
          order.dot(0, dHh, re + candidate, 1, wHh, candidate * hidden + j, hidden, hidden);
      entering[j] += dGated * r;
      dIh[in + j] = dGated * hIn[e + j] * r * (1 - r);
      dHh[re + j] = dIh[in + j];
      if (cell == Cell.MUT3) {
        float seen = seenByUpdate[e + j];
        float dSeen = order.dot(0, dHh, re + hidden, 1, wHh, hidden * hidden + j, hidden, hidden);
        entering[j] += dSeen * (1 - seen * seen);
      }
    }
  }

  @Override
  int recurrentRows() {
    return cell == Cell.MUT2 ? 2 * hidden : hidden;
  }

  @Override
  float[] recurrentOperand(int g) {
    return g < hidden ? hIn : g >= candidate ? gated : seenByUpdate;
  }
}
