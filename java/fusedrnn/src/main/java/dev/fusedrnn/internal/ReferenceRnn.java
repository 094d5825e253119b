package dev.fusedrnn.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One layer in one direction over a whole sequence, forward and backward through time: the oracle.
 * Rows know nothing of each other, so each runs alone from its first step to its last. Arrays are
 * those of {@code frnn_rnn}, time first.
 *
 * <p>Zoneout (Krueger et al. 2017) follows the cell: in training an element keeps its old value
 * with probability p, otherwise it becomes p old + (1 - p) new.
 */
final class ReferenceRnn {
  private final ReferenceLayer layer;
  private final ReferenceCell cell;
  private final ReferenceWeights gradients;
  private final double[] y; // [T, B, W]
  private final double[] hT;
  private final double[] cT;
  private final double[] dx;
  private final double[] dh0;
  private final double[] dc0;
  private final ReferenceStep[][] steps; // by row and step
  private final ReferenceInput input; // live rows in the order of steps
  private final Mask zoneoutH;
  private final Mask zoneoutC;

  ReferenceRnn(
      ReferenceLayer layer, ReferenceWeights weights, double[] x, double[] h0, double[] c0) {
    this.layer = layer;
    this.gradients = new ReferenceWeights(layer);
    this.cell = ReferenceCell.of(layer, weights, gradients);
    this.y = new double[layer.steps() * layer.batch() * layer.width()];
    this.hT = h0.clone();
    this.cT = c0.clone();
    this.dx = new double[x.length];
    this.dh0 = new double[h0.length];
    this.dc0 = new double[c0.length];
    this.steps = new ReferenceStep[layer.batch()][];
    List<double[]> live = new ArrayList<>();
    for (int b = 0; b < layer.batch(); b++) {
      for (int s = 0; s < layer.lengths()[b]; s++) {
        live.add(row(x, layer.time(s, b) * layer.batch() + b, layer.input()));
      }
    }
    this.input = new ReferenceInput(layer, weights, live);
    ReferenceLayer.Options options = layer.options();
    this.zoneoutH = options.mask(options.zoneoutH(), layer.maskStream(), Mask.ZONEOUT_H);
    this.zoneoutC = options.mask(options.zoneoutC(), layer.maskStream(), Mask.ZONEOUT_C);
  }

  void forward() {
    int live = 0;
    for (int b = 0; b < layer.batch(); b++) {
      double[] h = row(hT, b, layer.width());
      double[] c = row(cT, b, layer.hidden());
      steps[b] = new ReferenceStep[layer.lengths()[b]];
      for (int s = 0; s < steps[b].length; s++) {
        int at = layer.time(s, b) * layer.batch() + b;
        ReferenceStep step = new ReferenceStep(layer, input.a(live++), h, masked(h, b), c);
        cell.forward(step);
        h = zoneOut(step.hOld, step.h, zoneoutH, layer.options().zoneoutH(), at);
        c = zoneOut(step.cOld, step.c, zoneoutC, layer.options().zoneoutC(), at);
        put(h, y, at);
        steps[b][s] = step;
      }
      put(h, hT, b);
      put(c, cT, b);
    }
  }

  /** After forward; steps beyond a row's length read nothing of dy and leave dx at zero. */
  void backward(double[] dy, double[] dhT, double[] dcT) {
    for (int b = 0; b < layer.batch(); b++) {
      double[] dh = row(dhT, b, layer.width());
      double[] dc = row(dcT, b, layer.hidden());
      for (int s = steps[b].length - 1; s >= 0; s--) {
        int at = layer.time(s, b) * layer.batch() + b;
        ReferenceStep step = steps[b][s];
        add(row(dy, at, layer.width()), dh);
        step.dh = splitZoneOut(dh, step.dhOld, zoneoutH, at);
        step.dc = splitZoneOut(dc, step.dcOld, zoneoutC, at);
        cell.backward(step);
        add(masked(step.dhSeen, b), step.dhOld);
        dh = step.dhOld;
        dc = step.dcOld;
      }
      put(dh, dh0, b);
      put(dc, dc0, b);
    }
    backThroughInput();
  }

  private void backThroughInput() {
    double[][] da =
        Arrays.stream(steps).flatMap(Arrays::stream).map(step -> step.da).toArray(double[][]::new);
    double[][] dLive = input.backward(da, gradients);
    int live = 0;
    for (int b = 0; b < layer.batch(); b++) {
      for (int s = 0; s < steps[b].length; s++) {
        put(dLive[live++], dx, layer.time(s, b) * layer.batch() + b);
      }
    }
  }

  /** h as the recurrent product sees it; the same mask at every step. */
  private double[] masked(double[] h, int b) {
    Mask mask = layer.recurrentMask();
    double[] out = new double[h.length];
    Arrays.setAll(out, j -> mask.apply(h[j], (long) b * h.length + j));
    return out;
  }

  private double[] zoneOut(double[] old, double[] fresh, Mask mask, double p, long at) {
    double[] out = new double[old.length];
    for (int j = 0; j < out.length; j++) {
      if (layer.options().training()) {
        out[j] = mask.drops(at * out.length + j) ? old[j] : fresh[j];
      } else {
        out[j] = p == 0 ? fresh[j] : p * old[j] + (1 - p) * fresh[j];
      }
    }
    return out;
  }

  /** Sends a gradient to the old value where that was kept; answers what goes to the new one. */
  private static double[] splitZoneOut(double[] d, double[] dOld, Mask mask, long at) {
    double[] dNew = d.clone();
    for (int j = 0; j < d.length; j++) {
      if (mask.drops(at * d.length + j)) {
        dOld[j] += d[j];
        dNew[j] = 0;
      }
    }
    return dNew;
  }

  private static double[] row(double[] matrix, int row, int width) {
    return Arrays.copyOfRange(matrix, row * width, (row + 1) * width);
  }

  private static void put(double[] values, double[] matrix, int row) {
    System.arraycopy(values, 0, matrix, row * values.length, values.length);
  }

  private static void add(double[] values, double[] sum) {
    Arrays.setAll(sum, k -> sum[k] + values[k]);
  }

  double[] y() {
    return y;
  }

  double[] hT() {
    return hT;
  }

  double[] cT() {
    return cT;
  }

  double[] dx() {
    return dx;
  }

  double[] dh0() {
    return dh0;
  }

  double[] dc0() {
    return dc0;
  }

  double[] runningMean() {
    return input.runningMean();
  }

  double[] runningVariance() {
    return input.runningVariance();
  }

  ReferenceWeights gradients() {
    return gradients;
  }
}
