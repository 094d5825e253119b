package dev.fusedrnn.bench;

import dev.fusedrnn.bench.Operators.Binary;
import dev.fusedrnn.bench.Operators.Block;
import dev.fusedrnn.bench.Operators.Unary;

/**
 * An LSTM, gates i f g o: c' = f c + i g, h' = o tanh(c'). A step is one product and 8 element-wise
 * operations forward, one and 16 backward.
 */
final class UnfusedLstm extends UnfusedLayer {
  private final Block c; // [(T+1)*B, H]
  private final Block tanhC; // [T*B, H]
  private final Block dc; // [B, H]
  private final Block one;
  private final Block two;

  UnfusedLstm(Operators on, int steps, Block x, int hidden) {
    super(on, steps, x, hidden, 4);
    c = on.matrix((steps + 1) * batch, hidden);
    tanhC = on.matrix(steps * batch, hidden);
    dc = scratch();
    one = scratch();
    two = scratch();
  }

  @Override
  void beforeSteps(States states) {
    copy(forward, slot(c, 0), states.c0());
    forward.add(on.addBias(pre, biasHh));
  }

  @Override
  void step(int t) {
    forward.add(on.product(slot(pre, t), slot(h, t), weightHh, true));
    unary(forward, Unary.SIGMOID, gate(pre, t, 0, 2), gate(pre, t, 0, 2)); // i and f
    unary(forward, Unary.TANH, gate(pre, t, 2, 1), gate(pre, t, 2, 1));
    unary(forward, Unary.SIGMOID, gate(pre, t, 3, 1), gate(pre, t, 3, 1));
    binary(forward, Binary.MULTIPLY, one, gate(pre, t, 1, 1), slot(c, t));
    binary(forward, Binary.MULTIPLY, two, gate(pre, t, 0, 1), gate(pre, t, 2, 1));
    binary(forward, Binary.ADD, slot(c, t + 1), one, two);
    unary(forward, Unary.TANH, slot(tanhC, t), slot(c, t + 1));
    binary(forward, Binary.MULTIPLY, slot(h, t + 1), gate(pre, t, 3, 1), slot(tanhC, t));
  }

  @Override
  void afterSteps(States states) {
    copy(forward, states.cT(), slot(c, steps));
  }

  @Override
  void beforeBackward(States states) {
    copy(backward, dc, states.dcT());
  }

  @Override
  void stepBackward(int t) {
    Block i = gate(pre, t, 0, 1);
    Block f = gate(pre, t, 1, 1);
    Block g = gate(pre, t, 2, 1);
    Block o = gate(pre, t, 3, 1);
    binary(backward, Binary.MULTIPLY, one, dh, slot(tanhC, t));
    binary(backward, Binary.SIGMOID_GRADIENT, gate(dGates, t, 3, 1), one, o);
    binary(backward, Binary.MULTIPLY, one, dh, o);
    binary(backward, Binary.TANH_GRADIENT, one, one, slot(tanhC, t));
    binary(backward, Binary.ADD, dc, dc, one);
    binary(backward, Binary.MULTIPLY, one, dc, g);
    binary(backward, Binary.SIGMOID_GRADIENT, gate(dGates, t, 0, 1), one, i);
    binary(backward, Binary.MULTIPLY, one, dc, slot(c, t));
    binary(backward, Binary.SIGMOID_GRADIENT, gate(dGates, t, 1, 1), one, f);
    binary(backward, Binary.MULTIPLY, one, dc, i);
    binary(backward, Binary.TANH_GRADIENT, gate(dGates, t, 2, 1), one, g);
    binary(backward, Binary.MULTIPLY, dc, dc, f);
    backward.add(on.inputGradient(dh, slot(dGates, t), weightHh, false));
  }

  @Override
  void afterBackward(States states) {
    copy(backward, states.dc0(), dc);
  }

  @Override
  Block stateGates() {
    return dGates;
  }
}
