package dev.fusedrnn.internal;

import dev.fusedrnn.Cell;
import java.util.Arrays;

/**
 * Gated recurrent units. r z = s(W x + b + U h + c), then
 *
 * <pre>
 *   after   n = tanh(Wn x + bn + r (Un h + cn))     cuDNN, torch.nn
 *   before  n = tanh(Wn x + bn + Un (r h) + cn)     Cho 2014, v3
 *   h' = (1 - z) n + z h
 * </pre>
 *
 * In the products h is the h that recurrent dropout leaves; in z h it is the whole one.
 */
final class ReferenceGru implements ReferenceCell {
  private static final int R = 0;
  private static final int Z = 1;
  private static final int N = 2;

  private final ReferenceWeights w;
  private final ReferenceWeights dw;
  private final int hidden;
  private final boolean before;

  ReferenceGru(ReferenceLayer layer, ReferenceWeights weights, ReferenceWeights gradients) {
    this.w = weights;
    this.dw = gradients;
    this.hidden = layer.hidden();
    this.before = layer.cell() == Cell.GRU_RESET_BEFORE;
  }

  @Override
  public void forward(ReferenceStep step) {
    double[] a = step.a;
    double[] u = ReferenceWeights.product(w.wHh(), w.bHh(), step.hSeen, 0, 2 * hidden);
    double[] r = step.gates[R];
    double[] z = step.gates[Z];
    double[] n = step.gates[N];
    for (int j = 0; j < hidden; j++) {
      r[j] = ReferenceCell.sigmoid(a[j] + u[j]);
      z[j] = ReferenceCell.sigmoid(a[hidden + j] + u[hidden + j]);
    }
    double[] seen = seenByCandidate(step);
    double[] un = ReferenceWeights.product(w.wHh(), w.bHh(), seen, 2 * hidden, 3 * hidden);
    step.c = step.cOld;
    step.h = new double[hidden];
    for (int j = 0; j < hidden; j++) {
      step.candidate[j] = un[j];
      n[j] = Math.tanh(a[2 * hidden + j] + (before ? un[j] : r[j] * un[j]));
      step.h[j] = (1 - z[j]) * n[j] + z[j] * step.hOld[j];
    }
  }

  private double[] seenByCandidate(ReferenceStep step) {
    double[] seen = step.hSeen.clone();
    if (before) {
      for (int j = 0; j < hidden; j++) {
        seen[j] *= step.gates[R][j];
      }
    }
    return seen;
  }

  @Override
  public void backward(ReferenceStep step) {
    double[] r = step.gates[R];
    double[] z = step.gates[Z];
    double[] n = step.gates[N];
    double[] da = step.da;
    double[] dun = new double[hidden]; // of Un . + cn
    double[] dr = new double[hidden];
    for (int j = 0; j < hidden; j++) {
      double dn = step.dh[j] * (1 - z[j]) * (1 - n[j] * n[j]);
      da[2 * hidden + j] = dn;
      da[hidden + j] = step.dh[j] * (step.hOld[j] - n[j]) * z[j] * (1 - z[j]);
      step.dhOld[j] += step.dh[j] * z[j];
      dun[j] = before ? dn : dn * r[j];
      dr[j] = before ? 0 : dn * step.candidate[j];
    }
    double[] seen = seenByCandidate(step);
    double[] dSeen = new double[hidden];
    ReferenceWeights.backward(w.wHh(), dun, 2 * hidden, seen, dw.wHh(), dw.bHh(), dSeen);
    for (int j = 0; j < hidden; j++) {
      if (before) {
        dr[j] += dSeen[j] * step.hSeen[j];
        step.dhSeen[j] += dSeen[j] * r[j];
      } else {
        step.dhSeen[j] += dSeen[j];
      }
      da[j] = dr[j] * r[j] * (1 - r[j]);
    }
    double[] drz = Arrays.copyOf(da, 2 * hidden);
    ReferenceWeights.backward(w.wHh(), drz, 0, step.hSeen, dw.wHh(), dw.bHh(), step.dhSeen);
  }
}
