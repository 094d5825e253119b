package dev.fusedrnn.bench;

import dev.fusedrnn.bench.Operators.Binary;
import dev.fusedrnn.bench.Operators.Block;
import dev.fusedrnn.bench.Operators.Unary;
import java.util.ArrayList;
import java.util.List;

/**
 * One layer as a loop over time without fusion: the product with the input once for all steps, then
 * in each step one product with the state and one element-wise operation after another; backward
 * the same way round, and the products for the weights' gradients once at the end.
 */
abstract class UnfusedLayer {
  final Operators on;
  final int steps;
  final int batch;
  final int hidden;

  final Block x;
  final Block weightIh;
  final Block weightHh;
  final Block biasIh;
  final Block biasHh;
  final Block h; // [(T+1)*B, H]: slot 0 is the initial state
  final Block pre; // [T*B, G*H]: pre-activations, then the gates

  final Block dGates; // [T*B, G*H]
  final Block dh; // [B, H]
  final Block dx;
  final Block dWeightIh;
  final Block dWeightHh;
  final Block dBiasIh;
  final Block dBiasHh;

  final List<Runnable> forward = new ArrayList<>();
  final List<Runnable> backward = new ArrayList<>();

  /**
   * Allocates.
   *
   * @param on who computes
   * @param steps T
   * @param x [T*B, I], this layer's input
   * @param hidden H
   * @param gates G
   */
  UnfusedLayer(Operators on, int steps, Block x, int hidden, int gates) {
    this.on = on;
    this.steps = steps;
    this.batch = x.rows() / steps;
    this.hidden = hidden;
    this.x = x;
    int wide = gates * hidden;
    weightIh = on.matrix(wide, x.columns());
    weightHh = on.matrix(wide, hidden);
    biasIh = on.matrix(1, wide);
    biasHh = on.matrix(1, wide);
    h = on.matrix((steps + 1) * batch, hidden);
    pre = on.matrix(steps * batch, wide);
    dGates = on.matrix(steps * batch, wide);
    dh = on.matrix(batch, hidden);
    dx = on.matrix(x.rows(), x.columns());
    dWeightIh = on.matrix(wide, x.columns());
    dWeightHh = on.matrix(wide, hidden);
    dBiasIh = on.matrix(1, wide);
    dBiasHh = on.matrix(1, wide);
  }

  /** Lists the operations of both passes; dy is [T*B, H], the states [B, H]. */
  final void build(States states, Block dy) {
    copy(forward, slot(h, 0), states.h0());
    forward.add(on.product(pre, x, weightIh, false));
    forward.add(on.addBias(pre, biasIh));
    beforeSteps(states);
    for (int t = 0; t < steps; t++) {
      step(t);
    }
    copy(forward, states.hT(), slot(h, steps));
    afterSteps(states);

    copy(backward, dh, states.dhT());
    beforeBackward(states);
    for (int t = steps - 1; t >= 0; t--) {
      binary(backward, Binary.ADD, dh, dh, slot(dy, t));
      stepBackward(t);
    }
    copy(backward, states.dh0(), dh);
    Block previous = h.rows(0, steps * batch);
    backward.add(on.weightGradient(dWeightIh, dGates, x));
    backward.add(on.weightGradient(dWeightHh, stateGates(), previous));
    backward.add(on.columnSums(dBiasIh, dGates));
    backward.add(on.columnSums(dBiasHh, stateGates()));
    backward.add(on.inputGradient(dx, dGates, weightIh, false));
    afterBackward(states);
  }

  /** The states of a layer and their gradients, each [B, H]; those of c are null for a GRU. */
  record States(
      Block h0, Block c0, Block hT, Block cT, Block dhT, Block dcT, Block dh0, Block dc0) {}

  abstract void beforeSteps(States states);

  abstract void step(int t);

  abstract void afterSteps(States states);

  abstract void beforeBackward(States states);

  /** From dh, the gradient of h after step t, to that of h before it. */
  abstract void stepBackward(int t);

  abstract void afterBackward(States states);

  /** The gradients that reached the product with the state, [T*B, G*H]. */
  abstract Block stateGates();

  /** h of every step, [T*B, H]. */
  final Block output() {
    return h.rows(batch, steps * batch);
  }

  /** The B rows of a step. */
  final Block slot(Block all, int t) {
    return all.rows(t * batch, batch);
  }

  /** One gate, or several that lie side by side, of the B rows of a step. */
  final Block gate(Block all, int t, int first, int count) {
    return slot(all, t).columns(first * hidden, count * hidden);
  }

  final Block scratch() {
    return on.matrix(batch, hidden);
  }

  final void copy(List<Runnable> list, Block out, Block a) {
    unary(list, Unary.COPY, out, a);
  }

  final void unary(List<Runnable> list, Unary operation, Block out, Block a) {
    list.add(on.apply(operation, out, a));
  }

  final void binary(List<Runnable> list, Binary operation, Block out, Block a, Block b) {
    list.add(on.apply(operation, out, a, b));
  }
}
