package dev.fusedrnn.internal;

/** One step of one row: what a cell reads, what it computes, and the gradients of both. */
final class ReferenceStep {
  final double[] x;
  final double[] hOld; // [W]
  final double[] hSeen; // [W]: h as it enters the recurrent product, after recurrent dropout
  final double[] cOld; // [H]

  final double[][] gates; // by gate [H], after the activation
  final double[] candidate; // [H]: Un h + cn of a GRU; c before it is clipped of an LSTM
  double[] c = {}; // [H], before zoneout
  double[] h = {}; // [W], before zoneout

  // Backward: of h and c above, filled by the sequence.
  double[] dh = {};
  double[] dc = {};
  // Backward: added to by the cell.
  final double[] dx;
  final double[] dhOld;
  final double[] dhSeen;
  final double[] dcOld;

  ReferenceStep(ReferenceLayer layer, double[] x, double[] hOld, double[] hSeen, double[] cOld) {
    this.x = x;
    this.hOld = hOld;
    this.hSeen = hSeen;
    this.cOld = cOld;
    this.gates = new double[4][layer.hidden()];
    this.candidate = new double[layer.hidden()];
    this.dx = new double[x.length];
    this.dhOld = new double[hOld.length];
    this.dhSeen = new double[hOld.length];
    this.dcOld = new double[cOld.length];
  }
}
