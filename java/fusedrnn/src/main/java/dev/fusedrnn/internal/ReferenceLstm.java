package dev.fusedrnn.internal;

import java.util.Arrays;

/**
 * Long short-term memory (Hochreiter and Schmidhuber 1997, forget gate of Gers 2000) and its
 * family:
 *
 * <pre>
 *   i f o = s(W x + b + U h + c + p . c_seen)    p: peepholes (Gers et al. 2002), where asked for;
 *   g     = tanh(W x + b + U h + c)              i and f see c of the step before, o that of this
 *   c'    = clip(f c + i g)
 *   h'    = o tanh(c')                           with a projection (Sak et al. 2014): w_hr (o tanh(c'))
 * </pre>
 *
 * Coupled (Greff et al. 2017): i = 1 - f. An ablated gate (Jozefowicz et al. 2015) is 1. A gate
 * that is not computed has no block in any parameter.
 */
final class ReferenceLstm implements ReferenceCell {
  private static final int I = 0;
  private static final int F = 1;
  private static final int G = 2;
  private static final int O = 3;
  private static final int ABSENT = -1;

  private final ReferenceLayer layer;
  private final ReferenceWeights w;
  private final ReferenceWeights dw;
  private final int hidden;
  private final boolean coupled;
  private final int[] block = new int[4]; // of a gate in the parameters
  private final int[] peephole = new int[4]; // row of a gate in the peephole weights

  ReferenceLstm(ReferenceLayer layer, ReferenceWeights weights, ReferenceWeights gradients) {
    this.layer = layer;
    this.w = weights;
    this.dw = gradients;
    this.hidden = layer.hidden();
    this.coupled = (layer.variant() & Variants.COUPLED) != 0;
    boolean[] present = {
      Variants.hasInputGate(layer.variant()),
      Variants.hasForgetGate(layer.variant()),
      true,
      Variants.hasOutputGate(layer.variant())
    };
    boolean peeps = (layer.variant() & Variants.PEEPHOLE) != 0;
    int blocks = 0;
    int rows = 0;
    for (int gate : new int[] {I, F, G, O}) {
      block[gate] = present[gate] ? blocks++ : ABSENT;
      peephole[gate] = peeps && present[gate] && gate != G ? rows++ : ABSENT;
    }
  }

  /** An element of a gate before its activation, from the sum of both products. */
  private double sum(int gate, int j, double[] sums, double[] cSeen) {
    double sum = sums[block[gate] * hidden + j];
    return peephole[gate] == ABSENT
        ? sum
        : sum + w.wPeephole()[peephole[gate] * hidden + j] * cSeen[j];
  }

  @Override
  public void forward(ReferenceStep step) {
    double[] sums = ReferenceWeights.product(w.wIh(), w.bIh(), step.x, 0, layer.rows());
    double[] u = ReferenceWeights.product(w.wHh(), w.bHh(), step.hSeen, 0, layer.rows());
    Arrays.setAll(sums, k -> sums[k] + u[k]);
    step.c = new double[hidden];
    double[] out = new double[hidden];
    for (int j = 0; j < hidden; j++) {
      double f = block[F] == ABSENT ? 1 : ReferenceCell.sigmoid(sum(F, j, sums, step.cOld));
      double i =
          coupled
              ? 1 - f
              : block[I] == ABSENT ? 1 : ReferenceCell.sigmoid(sum(I, j, sums, step.cOld));
      double g = Math.tanh(sum(G, j, sums, step.cOld));
      step.candidate[j] = f * step.cOld[j] + i * g;
      step.c[j] = clip(step.candidate[j]);
      double o = block[O] == ABSENT ? 1 : ReferenceCell.sigmoid(sum(O, j, sums, step.c));
      out[j] = o * Math.tanh(step.c[j]);
      step.gates[I][j] = i;
      step.gates[F][j] = f;
      step.gates[G][j] = g;
      step.gates[O][j] = o;
    }
    step.h = projected(out);
  }

  private double clip(double c) {
    double limit = layer.options().cellClip();
    return limit == 0 ? c : Math.max(-limit, Math.min(limit, c)); // lets NaN through
  }

  private double[] projected(double[] out) {
    int width = layer.projection();
    return width == 0 ? out : ReferenceWeights.product(w.wHr(), new double[width], out, 0, width);
  }

  @Override
  public void backward(ReferenceStep step) {
    double[] dOut = backThroughProjection(step);
    double[] d = new double[layer.rows()]; // of both products' sum
    for (int j = 0; j < hidden; j++) {
      double i = step.gates[I][j];
      double f = step.gates[F][j];
      double g = step.gates[G][j];
      double o = step.gates[O][j];
      double tanhC = Math.tanh(step.c[j]);
      double dc = step.dc[j] + dOut[j] * o * (1 - tanhC * tanhC);
      dc += gate(O, j, dOut[j] * tanhC * o * (1 - o), step.c, d);
      double limit = layer.options().cellClip();
      if (limit != 0 && Math.abs(step.candidate[j]) >= limit) {
        dc = 0;
      }
      double di = dc * g;
      double df = dc * step.cOld[j] - (coupled ? di : 0);
      step.dcOld[j] += dc * f;
      step.dcOld[j] += gate(F, j, df * f * (1 - f), step.cOld, d);
      step.dcOld[j] += coupled ? 0 : gate(I, j, di * i * (1 - i), step.cOld, d);
      gate(G, j, dc * i * (1 - g * g), step.cOld, d);
    }
    ReferenceWeights.backward(w.wIh(), d, 0, step.x, dw.wIh(), dw.bIh(), step.dx);
    ReferenceWeights.backward(w.wHh(), d, 0, step.hSeen, dw.wHh(), dw.bHh(), step.dhSeen);
  }

  /** Places a gate's gradient, where the gate is computed; answers what its peephole passes on. */
  private double gate(int gate, int j, double value, double[] cSeen, double[] d) {
    if (block[gate] == ABSENT) {
      return 0;
    }
    d[block[gate] * hidden + j] = value;
    if (peephole[gate] == ABSENT) {
      return 0;
    }
    dw.wPeephole()[peephole[gate] * hidden + j] += value * cSeen[j];
    return value * w.wPeephole()[peephole[gate] * hidden + j];
  }

  private double[] backThroughProjection(ReferenceStep step) {
    if (layer.projection() == 0) {
      return step.dh;
    }
    double[] out = new double[hidden];
    Arrays.setAll(out, j -> step.gates[O][j] * Math.tanh(step.c[j]));
    double[] dOut = new double[hidden];
    ReferenceWeights.backward(
        w.wHr(), step.dh, 0, out, dw.wHr(), new double[layer.projection()], dOut);
    return dOut;
  }
}
