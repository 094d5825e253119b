package dev.fusedrnn.testkit;

import dev.fusedrnn.Gate;
import dev.fusedrnn.Norm;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The LSTM family. Gates i f g o less those that the variant computes otherwise: coupled i = 1 - f,
 * gates left out are 1. Peepholes: i and f see the c before, o sees the c of this step. c' = clip(f
 * c + i g); h' = o tanh(c'), projected where there is a projection.
 */
final class PlainLstm extends PlainLayer {
  private final int blockI;
  private final int blockF;
  private final int blockG;
  private final int blockO;
  private final int peepI;
  private final int peepF;
  private final int peepO;
  private final float[] peep;
  private final float[] project;
  private final PlainMask zoneoutCell;

  /** The state, then its gradient [B, H]. */
  private final float[] c;

  /** Activated i f g o [T*B, 4H]; c before, new and clipped, h before projection [T*B, H]. */
  private final float[] act;

  private final float[] cBefore;
  private final float[] cNew;
  private final float[] cClipped;
  private final float[] inner;

  /** The tanh that o multiplies [T*B, H]. */
  private final float[] seen;

  private final @Nullable PlainLstmNorms norms;

  /** Gradient of the projected h [T*B, W]. */
  private final float[] dProjected;

  PlainLstm(PlainNet net, int layer, int direction, float[] x, float[] h0, float[] c0) {
    super(net, layer, direction, x, h0);
    boolean hasI = config.hasGate(Gate.INPUT);
    boolean hasF = config.hasGate(Gate.FORGET);
    boolean hasO = config.hasGate(Gate.OUTPUT);
    blockI = hasI ? 0 : -1;
    blockF = hasF ? (hasI ? 1 : 0) : -1;
    blockG = (hasI ? 1 : 0) + (hasF ? 1 : 0);
    blockO = hasO ? blockG + 1 : -1;
    boolean peeps = config.peephole();
    peepI = peeps && hasI ? 0 : -1;
    peepF = peeps && hasF ? (hasI ? 1 : 0) : -1;
    peepO = peeps && hasO ? (hasI ? 1 : 0) + (hasF ? 1 : 0) : -1;
    peep = peeps ? parameter("weight_peephole") : new float[0];
    project = config.projectionSize() > 0 ? parameter("weight_hr") : new float[0];
    zoneoutCell = net.mask(layer * 2 + direction, 3, config.zoneoutCell());
    c = c0;
    int rows = steps * batch;
    act = new float[rows * 4 * hidden];
    cBefore = new float[rows * hidden];
    cNew = new float[rows * hidden];
    cClipped = new float[rows * hidden];
    inner = new float[rows * hidden];
    seen = new float[rows * hidden];
    dProjected = new float[rows * width];
    norms = config.norm() == Norm.LAYER ? new PlainLstmNorms(this) : null;
  }

  @Override
  float[] cellState() {
    return c;
  }

  @Override
  void cellStateGradient(float[] dcT) {
    System.arraycopy(dcT, 0, c, 0, c.length);
  }

  private float product(int n, int block, int j) {
    int g = block * hidden + j;
    float recurrent = norms == null ? recurrentProduct(n, g) : norms.recurrent(n, g);
    return inputProduct(n, g) + recurrent;
  }

  private float gate(int n, int block, int peephole, int j, float seen) {
    if (block < 0) {
      return 1;
    }
    float a = product(n, block, j);
    return sigmoid(peephole < 0 ? a : a + peep[peephole * hidden + j] * seen);
  }

  private float clip(float value) {
    float limit = (float) config.cellClip();
    return limit == 0 ? value : Math.max(-limit, Math.min(limit, value));
  }

  @Override
  float[] step(int n, int b) {
    if (norms != null) {
      norms.normalizeRecurrent(n);
    }
    for (int j = 0; j < hidden; j++) {
      int e = n * hidden + j;
      int a = n * 4 * hidden + j;
      float before = c[b * hidden + j];
      float f = gate(n, blockF, peepF, j, before);
      float i = config.coupledForget() ? 1 - f : gate(n, blockI, peepI, j, before);
      float g = tanh(product(n, blockG, j));
      cBefore[e] = before;
      cNew[e] = f * before + i * g;
      cClipped[e] = clip(cNew[e]);
      float o = gate(n, blockO, peepO, j, cClipped[e]);
      act[a] = i;
      act[a + hidden] = f;
      act[a + 2 * hidden] = g;
      act[a + 3 * hidden] = o;
      c[b * hidden + j] = zoneoutCell.chooses(e) ? before : cClipped[e];
    }
    if (norms != null) {
      norms.normalizeCell(n, cClipped);
    }
    for (int j = 0; j < hidden; j++) {
      int e = n * hidden + j;
      seen[e] = tanh(norms == null ? cClipped[e] : norms.cell(n, j));
      inner[e] = act[n * 4 * hidden + 3 * hidden + j] * seen[e];
    }
    float[] next = new float[width];
    for (int p = 0; p < width; p++) {
      next[p] =
          project.length == 0
              ? inner[n * hidden + p]
              : order.dot(0, project, p * hidden, 1, inner, n * hidden, 1, hidden);
    }
    return next;
  }

  @Override
  void stepBack(int n, int b, float[] dNew, float[] direct, float[] entering) {
    System.arraycopy(dNew, 0, dProjected, n * width, width);
    float[] dInner = new float[hidden];
    float[] dSeen = new float[hidden];
    for (int j = 0; j < hidden; j++) {
      int e = n * hidden + j;
      dInner[j] =
          project.length == 0 ? dNew[j] : order.dot(0, dNew, 0, 1, project, j, hidden, width);
      float o = act[n * 4 * hidden + 3 * hidden + j];
      dSeen[j] = dInner[j] * o * (1 - seen[e] * seen[e]);
    }
    float[] dFromH = norms == null ? dSeen : norms.cellGradient(n, dSeen);
    for (int j = 0; j < hidden; j++) {
      unit(n, b, j, dInner[j], dFromH[j]);
    }
  }

  private void unit(int n, int b, int j, float dInner, float dFromH) {
    int e = n * hidden + j;
    int a = n * 4 * hidden + j;
    float i = act[a];
    float f = act[a + hidden];
    float g = act[a + 2 * hidden];
    float o = act[a + 3 * hidden];
    float dc = c[b * hidden + j];
    boolean keeps = zoneoutCell.chooses(e);
    float dO = dInner * seen[e] * o * (1 - o);
    float dClipped = (keeps ? 0 : dc) + dFromH;
    dClipped += peepO < 0 ? 0 : dO * peep[peepO * hidden + j];
    float dCell = atLimit(e) ? 0 : dClipped;
    float dF = dCell * (config.coupledForget() ? cBefore[e] - g : cBefore[e]) * f * (1 - f);
    float dI = dCell * g * i * (1 - i);
    store(n, blockI, j, dI);
    store(n, blockF, j, dF);
    store(n, blockG, j, dCell * i * (1 - g * g));
    store(n, blockO, j, dO);
    float back = dCell * f + (keeps ? dc : 0);
    back += peepI < 0 ? 0 : dI * peep[peepI * hidden + j];
    back += peepF < 0 ? 0 : dF * peep[peepF * hidden + j];
    c[b * hidden + j] = back;
  }

  private boolean atLimit(int e) {
    return config.cellClip() > 0 && Math.abs(cNew[e]) >= (float) config.cellClip();
  }

  private void store(int n, int block, int j, float value) {
    if (block >= 0) {
      dIh[n * gateRows + block * hidden + j] = value;
      dHh[n * gateRows + block * hidden + j] = value;
    }
  }

  @Override
  float[] recurrentGradient(int n) {
    return norms == null ? dHh : norms.recurrentGradient(n);
  }

  @Override
  float[] recurrentGradients() {
    return norms == null ? dHh : norms.recurrentGradients();
  }

  @Override
  void gradients(Map<String, float[]> out) {
    super.gradients(out);
    if (norms != null) {
      norms.gradients(out);
    }
    int rows = steps * batch;
    if (project.length > 0) {
      float[] d = gradient("weight_hr", project.length);
      for (int e = 0; e < d.length; e++) {
        int p = e / hidden;
        d[e] = order.dot(d[e], dProjected, p, width, inner, e % hidden, hidden, rows);
      }
      out.put("dweight_hr" + suffix, d);
    }
    if (peep.length > 0) {
      float[] d = gradient("weight_peephole", peep.length);
      peepholeGradient(d, peepI, blockI, cBefore);
      peepholeGradient(d, peepF, blockF, cBefore);
      peepholeGradient(d, peepO, blockO, cClipped);
      out.put("dweight_peephole" + suffix, d);
    }
  }

  private void peepholeGradient(float[] d, int row, int block, float[] seen) {
    for (int j = 0; row >= 0 && j < hidden; j++) {
      int e = row * hidden + j;
      int g = block * hidden + j;
      d[e] = order.dot(d[e], dIh, g, gateRows, seen, j, hidden, steps * batch);
    }
  }
}
