package dev.fusedrnn.internal;

import dev.fusedrnn.Cell;
import java.util.Arrays;

/**
 * The cells of Jozefowicz, Zaremba and Sutskever 2015, section 3.3, with learnt input weights where
 * the paper has a bare x:
 *
 * <pre>
 *   r = s(Wr x + br + Ur h + cr)
 *   z = s(Wz x + bz)                     MUT1
 *       s(Wz x + bz + Uz h + cz)         MUT2
 *       s(Wz x + bz + Uz tanh(h) + cz)   MUT3
 *   n = tanh(a + Un (r h) + cn)          a = Wn x + bn, of MUT1 its tanh
 *   h' = z n + (1 - z) h
 * </pre>
 *
 * In the products h is the h that recurrent dropout leaves; in (1 - z) h it is the whole one.
 */
final class ReferenceMut implements ReferenceCell {
  private static final int R = 0;
  private static final int Z = 1;
  private static final int N = 2;
  private static final int INNER = 3; // a

  private final ReferenceWeights w;
  private final ReferenceWeights dw;
  private final Cell cell;
  private final int hidden;
  private final int candidateRow; // where Un starts

  ReferenceMut(ReferenceLayer layer, ReferenceWeights weights, ReferenceWeights gradients) {
    this.w = weights;
    this.dw = gradients;
    this.cell = layer.cell();
    this.hidden = layer.hidden();
    this.candidateRow = layer.recurrentRows() - hidden;
  }

  @Override
  public void forward(ReferenceStep step) {
    double[] a = step.a;
    double[] ur = ReferenceWeights.product(w.wHh(), w.bHh(), step.hSeen, 0, hidden);
    double[] uz =
        cell == Cell.MUT1
            ? new double[hidden]
            : ReferenceWeights.product(w.wHh(), w.bHh(), seenByUpdate(step), hidden, 2 * hidden);
    for (int j = 0; j < hidden; j++) {
      step.gates[R][j] = ReferenceCell.sigmoid(a[j] + ur[j]);
      step.gates[Z][j] = ReferenceCell.sigmoid(a[hidden + j] + uz[j]);
    }
    double[] un =
        ReferenceWeights.product(
            w.wHh(), w.bHh(), seenByCandidate(step), candidateRow, candidateRow + hidden);
    step.c = step.cOld;
    step.h = new double[hidden];
    for (int j = 0; j < hidden; j++) {
      double z = step.gates[Z][j];
      double inner = a[2 * hidden + j];
      step.gates[INNER][j] = cell == Cell.MUT1 ? Math.tanh(inner) : inner;
      step.gates[N][j] = Math.tanh(step.gates[INNER][j] + un[j]);
      step.h[j] = z * step.gates[N][j] + (1 - z) * step.hOld[j];
    }
  }

  private double[] seenByUpdate(ReferenceStep step) {
    double[] seen = step.hSeen.clone();
    if (cell == Cell.MUT3) {
      Arrays.setAll(seen, j -> Math.tanh(step.hSeen[j]));
    }
    return seen;
  }

  private double[] seenByCandidate(ReferenceStep step) {
    double[] seen = new double[hidden];
    Arrays.setAll(seen, j -> step.gates[R][j] * step.hSeen[j]);
    return seen;
  }

  @Override
  public void backward(ReferenceStep step) {
    double[] da = step.da;
    double[] dun = new double[hidden]; // of Un (r h) + cn
    double[] dz = new double[hidden]; // of z before its activation
    for (int j = 0; j < hidden; j++) {
      double z = step.gates[Z][j];
      double n = step.gates[N][j];
      double inner = step.gates[INNER][j];
      dun[j] = step.dh[j] * z * (1 - n * n);
      dz[j] = step.dh[j] * (n - step.hOld[j]) * z * (1 - z);
      da[2 * hidden + j] = cell == Cell.MUT1 ? dun[j] * (1 - inner * inner) : dun[j];
      da[hidden + j] = dz[j];
      step.dhOld[j] += step.dh[j] * (1 - z);
    }
    double[] dSeen = new double[hidden];
    ReferenceWeights.backward(
        w.wHh(), dun, candidateRow, seenByCandidate(step), dw.wHh(), dw.bHh(), dSeen);
    double[] dr = new double[hidden];
    for (int j = 0; j < hidden; j++) {
      double r = step.gates[R][j];
      dr[j] = dSeen[j] * step.hSeen[j] * r * (1 - r);
      da[j] = dr[j];
      step.dhSeen[j] += dSeen[j] * r;
    }
    ReferenceWeights.backward(w.wHh(), dr, 0, step.hSeen, dw.wHh(), dw.bHh(), step.dhSeen);
    if (cell != Cell.MUT1) {
      backThroughUpdate(step, dz);
    }
  }

  private void backThroughUpdate(ReferenceStep step, double[] dz) {
    double[] seen = seenByUpdate(step);
    double[] dSeen = new double[hidden];
    ReferenceWeights.backward(w.wHh(), dz, hidden, seen, dw.wHh(), dw.bHh(), dSeen);
    for (int j = 0; j < hidden; j++) {
      step.dhSeen[j] += cell == Cell.MUT3 ? dSeen[j] * (1 - seen[j] * seen[j]) : dSeen[j];
    }
  }
}
