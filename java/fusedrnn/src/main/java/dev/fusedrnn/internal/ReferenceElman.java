package dev.fusedrnn.internal;

import dev.fusedrnn.Cell;

/** Elman 1990: h = tanh(W x + b + U h + c), or max(0, .). */
final class ReferenceElman implements ReferenceCell {
  private final ReferenceLayer layer;
  private final ReferenceWeights w;
  private final ReferenceWeights dw;

  ReferenceElman(ReferenceLayer layer, ReferenceWeights weights, ReferenceWeights gradients) {
    this.layer = layer;
    this.w = weights;
    this.dw = gradients;
  }

  @Override
  public void forward(ReferenceStep step) {
    int hidden = layer.hidden();
    double[] u = ReferenceWeights.product(w.wHh(), w.bHh(), step.hSeen, 0, hidden);
    step.c = step.cOld;
    step.h = new double[hidden];
    for (int j = 0; j < hidden; j++) {
      double sum = step.a[j] + u[j];
      // Math.max lets NaN through, as a comparison would not.
      step.h[j] = layer.cell() == Cell.RNN_TANH ? Math.tanh(sum) : Math.max(0, sum);
    }
  }

  @Override
  public void backward(ReferenceStep step) {
    double[] d = step.da;
    for (int j = 0; j < d.length; j++) {
      double h = step.h[j];
      double slope = layer.cell() == Cell.RNN_TANH ? 1 - h * h : h > 0 ? 1 : 0;
      d[j] = step.dh[j] * slope;
    }
    ReferenceWeights.backward(w.wHh(), d, 0, step.hSeen, dw.wHh(), dw.bHh(), step.dhSeen);
  }
}
