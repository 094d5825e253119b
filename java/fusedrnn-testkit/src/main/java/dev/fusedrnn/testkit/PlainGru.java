package dev.fusedrnn.testkit;

import dev.fusedrnn.Cell;

/**
 * Gates r z n: n = tanh(Wn x + bn + r (Un h + cn)) for reset after, tanh(Wn x + bn + cn + Un (r h))
 * for reset before; h' = (1 - z) n + z h. Only h in the recurrent products is masked by dropout.
 */
final class PlainGru extends PlainLayer {
  private final boolean resetAfter;

  /** Activated gates [T*B, 3H]. */
  private final float[] act;

  /** What r was multiplied with or gave: the product Un h + cn (after), or r h (before). */
  private final float[] gated;

  PlainGru(PlainNet net, int layer, int direction, float[] x, float[] h0) {
    super(net, layer, direction, x, h0);
    resetAfter = config.cell() == Cell.GRU;
    act = new float[steps * batch * gateRows];
    gated = new float[steps * batch * hidden];
  }

  @Override
  float[] step(int n, int b) {
    int g = n * gateRows;
    for (int j = 0; j < 2 * hidden; j++) {
      act[g + j] = sigmoid(inputProduct(n, j) + recurrentProduct(n, j));
    }
    for (int j = 0; j < hidden; j++) {
      gated[n * hidden + j] =
          resetAfter ? recurrentProduct(n, 2 * hidden + j) : act[g + j] * hIn[n * hidden + j];
    }
    float[] next = new float[hidden];
    for (int j = 0; j < hidden; j++) {
      int row = 2 * hidden + j;
      float recurrent =
          resetAfter
              ? act[g + j] * gated[n * hidden + j]
              : order.dot(bHh[row], wHh, row * hidden, 1, gated, n * hidden, 1, hidden);
      act[g + row] = tanh(inputProduct(n, row) + recurrent);
      float z = act[g + hidden + j];
      next[j] = (1 - z) * act[g + row] + z * hBefore[n * hidden + j];
    }
    return next;
  }

  @Override
  void stepBack(int n, int b, float[] dNew, float[] direct, float[] entering) {
    int g = n * gateRows;
    for (int j = 0; j < hidden; j++) {
      float z = act[g + hidden + j];
      float candidate = act[g + 2 * hidden + j];
      float dn = dNew[j] * (1 - z) * (1 - candidate * candidate);
      dIh[g + 2 * hidden + j] = dn;
      dHh[g + 2 * hidden + j] = resetAfter ? dn * act[g + j] : dn;
      dIh[g + hidden + j] = dNew[j] * (hBefore[n * hidden + j] - candidate) * z * (1 - z);
      dHh[g + hidden + j] = dIh[g + hidden + j];
      direct[j] += dNew[j] * z;
    }
    for (int j = 0; j < hidden; j++) {
      float r = act[g + j];
      float dr;
      if (resetAfter) {
        dr = dIh[g + 2 * hidden + j] * gated[n * hidden + j];
      } else {
        int block = 2 * hidden;
        float dGated = order.dot(0, dHh, g + block, 1, wHh, block * hidden + j, hidden, hidden);
        dr = dGated * hIn[n * hidden + j];
        entering[j] += dGated * r;
      }
      dIh[g + j] = dr * r * (1 - r);
      dHh[g + j] = dIh[g + j];
    }
  }

  @Override
  int recurrentRows() {
    return resetAfter ? gateRows : 2 * hidden;
  }

  @Override
  float[] recurrentOperand(int g) {
    return !resetAfter && g >= 2 * hidden ? gated : hIn;
  }
}
