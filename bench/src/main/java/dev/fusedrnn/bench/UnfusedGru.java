package dev.fusedrnn.bench;

import dev.fusedrnn.bench.Operators.Binary;
import dev.fusedrnn.bench.Operators.Block;
import dev.fusedrnn.bench.Operators.Unary;

/**
 * A GRU with the reset gate after the product, gates r z n: n = tanh(W x + r u), u = R h + b, h' =
 * n + z (h - n). A step is one product and 9 element-wise operations forward, one and 12 backward.
 */
final class UnfusedGru extends UnfusedLayer {
  private final Block u; // [T*B, 3H]: what the state adds to each gate
  private final Block dState; // [T*B, 3H]: its gradients
  private final Block one;

  UnfusedGru(Operators on, int steps, Block x, int hidden) {
    super(on, steps, x, hidden, 3);
    u = on.matrix(steps * batch, 3 * hidden);
    dState = on.matrix(steps * batch, 3 * hidden);
    one = scratch();
  }

  @Override
  void beforeSteps(States states) {}

  @Override
  void step(int t) {
    Block resetAndUpdate = gate(pre, t, 0, 2);
    Block candidate = gate(pre, t, 2, 1);
    forward.add(on.product(slot(u, t), slot(h, t), weightHh, false));
    forward.add(on.addBias(slot(u, t), biasHh));
    binary(forward, Binary.ADD, resetAndUpdate, resetAndUpdate, gate(u, t, 0, 2));
    unary(forward, Unary.SIGMOID, resetAndUpdate, resetAndUpdate);
    binary(forward, Binary.MULTIPLY, one, gate(pre, t, 0, 1), gate(u, t, 2, 1));
    binary(forward, Binary.ADD, candidate, candidate, one);
    unary(forward, Unary.TANH, candidate, candidate);
    binary(forward, Binary.SUBTRACT, one, slot(h, t), candidate);
    binary(forward, Binary.MULTIPLY, one, gate(pre, t, 1, 1), one);
    binary(forward, Binary.ADD, slot(h, t + 1), candidate, one);
  }

  @Override
  void afterSteps(States states) {}

  @Override
  void beforeBackward(States states) {}

  @Override
  void stepBackward(int t) {
    Block r = gate(pre, t, 0, 1);
    Block z = gate(pre, t, 1, 1);
    Block n = gate(pre, t, 2, 1);
    Block dn = gate(dGates, t, 2, 1);
    binary(backward, Binary.SUBTRACT, one, slot(h, t), n);
    binary(backward, Binary.MULTIPLY, one, dh, one);
    binary(backward, Binary.SIGMOID_GRADIENT, gate(dGates, t, 1, 1), one, z);
    binary(backward, Binary.MULTIPLY, one, dh, z);
    binary(backward, Binary.SUBTRACT, dn, dh, one);
    copy(backward, dh, one);
    binary(backward, Binary.TANH_GRADIENT, dn, dn, n);
    binary(backward, Binary.MULTIPLY, one, dn, gate(u, t, 2, 1));
    binary(backward, Binary.SIGMOID_GRADIENT, gate(dGates, t, 0, 1), one, r);
    binary(backward, Binary.MULTIPLY, gate(dState, t, 2, 1), dn, r);
    copy(backward, gate(dState, t, 0, 2), gate(dGates, t, 0, 2));
    backward.add(on.inputGradient(dh, slot(dState, t), weightHh, true));
  }

  @Override
  void afterBackward(States states) {}

  @Override
  Block stateGates() {
    return dState;
  }
}
