package dev.fusedrnn.internal;

import org.jspecify.annotations.Nullable;

/** One step of one row: what a cell reads, what it computes, and the gradients of both. */
final class ReferenceStep {
  final double[] a; // [G*H]: W x + b_ih, normalised where asked for
  final double[] hOld; // [W]
  final double[] hSeen; // [W]: h as it enters the recurrent product, after recurrent dropout
  final double[] cOld; // [H]

  final double[][] gates; // by gate [H], after the activation
  final double[] candidate; // [H]: Un h + cn of a GRU; c before it is clipped of an LSTM
  double[] c = {}; // [H], before zoneout
  double[] h = {}; // [W], before zoneout
  double[] tanhC = {}; // [H], of an LSTM: what o multiplies
  @Nullable LayerNorm recurrentNorm;
  @Nullable LayerNorm cellNorm;

  // Backward: of h and c above, filled by the sequence.
  double[] dh = {};
  double[] dc = {};
  // Backward: filled by the cell.
  final double[] da;
  // Backward: added to by the cell.
  final double[] dhOld;
  final double[] dhSeen;
  final double[] dcOld;

  ReferenceStep(ReferenceLayer layer, double[] a, double[] hOld, double[] hSeen, double[] cOld) {
    this.a = a;
    this.hOld = hOld;
    this.hSeen = hSeen;
    this.cOld = cOld;
    this.gates = new double[4][layer.hidden()];
    this.candidate = new double[layer.hidden()];
    this.da = new double[a.length];
    this.dhOld = new double[hOld.length];
    this.dhSeen = new double[hOld.length];
    this.dcOld = new double[cOld.length];
  }
}
