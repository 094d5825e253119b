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
 * With layer normalisation (Ba, Kiros and Hinton 2016) U h, like W x before it came here, and c'
 * under the tanh are normalised. Coupled (Greff et al. 2017): i = 1 - f. An ablated gate
 * (Jozefowicz et al. 2015) is 1. A gate that is not computed has no block in any parameter.
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
  private final boolean layerNorm;
  private final int[] block = new int[4]; // of a gate in the parameters
  private final int[] peephole = new int[4]; // row of a gate in the peephole weights

  ReferenceLstm(ReferenceLayer layer, ReferenceWeights weights, ReferenceWeights gradients) {
    this.layer = layer;
    this.w = weights;
    this.dw = gradients;
    this.hidden = layer.hidden();
    this.coupled = (layer.variant() & Variants.COUPLED) != 0;
    this.layerNorm = layer.options().norm() == ReferenceLayer.LAYER_NORM;
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
    double[] u = recurrent(step);
    double[] sums = new double[layer.rows()];
    Arrays.setAll(sums, k -> step.a[k] + u[k]);
    step.c = new double[hidden];
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
      step.gates[I][j] = i;
      step.gates[F][j] = f;
      step.gates[G][j] = g;
      step.gates[O][j] = o;
    }
    step.tanhC = Arrays.stream(cellOut(step)).map(Math::tanh).toArray();
    step.h = projected(out(step));
  }

  /** U h + b_hh, with U h normalised where asked for. */
  private double[] recurrent(ReferenceStep step) {
    if (!layerNorm) {
      return ReferenceWeights.product(w.wHh(), w.bHh(), step.hSeen, 0, layer.rows());
    }
    double[] zeros = new double[layer.rows()];
    double[] product = ReferenceWeights.product(w.wHh(), zeros, step.hSeen, 0, layer.rows());
    LayerNorm norm = new LayerNorm(product, w.get(Fields.Weights.NORM_HH), epsilon());
    step.recurrentNorm = norm;
    double[] u = norm.out();
    Arrays.setAll(u, k -> u[k] + w.bHh()[k]);
    return u;
  }

  /** c as the output sees it, normalised where asked for. */
  private double[] cellOut(ReferenceStep step) {
    if (!layerNorm) {
      return step.c;
    }
    LayerNorm norm = new LayerNorm(step.c, w.get(Fields.Weights.NORM_C), epsilon());
    step.cellNorm = norm;
    double[] out = norm.out();
    Arrays.setAll(out, j -> out[j] + w.get(Fields.Weights.NORM_C_BIAS)[j]);
    return out;
  }

  private double epsilon() {
    return layer.options().normEpsilon();
  }

  /** o tanh(c'). */
  private double[] out(ReferenceStep step) {
    double[] out = new double[hidden];
    Arrays.setAll(out, j -> step.gates[O][j] * step.tanhC[j]);
    return out;
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
    double[] dcFromOut = backThroughCellOut(step, dOut);
    double[] d = step.da; // of a gate before its activation
    for (int j = 0; j < hidden; j++) {
      double i = step.gates[I][j];
      double f = step.gates[F][j];
      double g = step.gates[G][j];
      double o = step.gates[O][j];
      double dc = step.dc[j] + dcFromOut[j];
      dc += gate(O, j, dOut[j] * step.tanhC[j] * o * (1 - o), step.c, d);
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
    backThroughRecurrent(step, d);
  }

  private double[] backThroughCellOut(ReferenceStep step, double[] dOut) {
    double[] d = new double[hidden];
    Arrays.setAll(d, j -> dOut[j] * step.gates[O][j] * (1 - step.tanhC[j] * step.tanhC[j]));
    LayerNorm norm = step.cellNorm;
    if (norm == null) {
      return d;
    }
    double[] dBias = dw.get(Fields.Weights.NORM_C_BIAS);
    Arrays.setAll(dBias, j -> dBias[j] + d[j]);
    return norm.backward(d, dw.get(Fields.Weights.NORM_C));
  }

  private void backThroughRecurrent(ReferenceStep step, double[] d) {
    LayerNorm norm = step.recurrentNorm;
    if (norm == null) {
      ReferenceWeights.backward(w.wHh(), d, 0, step.hSeen, dw.wHh(), dw.bHh(), step.dhSeen);
      return;
    }
    Arrays.setAll(dw.bHh(), k -> dw.bHh()[k] + d[k]);
    double[] dProduct = norm.backward(d, dw.get(Fields.Weights.NORM_HH));
    double[] unused = new double[layer.rows()];
    ReferenceWeights.backward(w.wHh(), dProduct, 0, step.hSeen, dw.wHh(), unused, step.dhSeen);
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
    double[] dOut = new double[hidden];
    ReferenceWeights.backward(
        w.wHr(), step.dh, 0, out(step), dw.wHr(), new double[layer.projection()], dOut);
    return dOut;
  }
}
