package dev.fusedrnn.testkit;

import dev.fusedrnn.Cell;

/** h' = tanh or relu of (W x + b + U h + c). */
final class PlainElman extends PlainLayer {
  private final boolean isTanh;
  private final float[] act;

  PlainElman(PlainNet net, int layer, int direction, float[] x, float[] h0) {
    super(net, layer, direction, x, h0);
    isTanh = config.cell() == Cell.RNN_TANH;
    act = new float[steps * batch * hidden];
  }

  @Override
  float[] step(int n, int b) {
    float[] next = new float[hidden];
    for (int j = 0; j < hidden; j++) {
      float a = inputProduct(n, j) + recurrentProduct(n, j);
      next[j] = isTanh ? tanh(a) : a <= 0 ? 0 : a;
      act[n * hidden + j] = next[j];
    }
    return next;
  }

  @Override
  void stepBack(int n, int b, float[] dNew, float[] direct, float[] entering) {
    for (int j = 0; j < hidden; j++) {
      int e = n * hidden + j;
      float a = act[e];
      dIh[e] = isTanh ? dNew[j] * (1 - a * a) : a > 0 ? dNew[j] : 0;
      dHh[e] = dIh[e];
    }
  }
}
