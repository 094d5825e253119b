// LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000), one unit.
// Preactivations a = W x + b_ih + R h + b_hh for each gate come in; what the paper calls the gates
// come out. Derived in cuda/README.md.

#ifndef FUSEDRNN_SRC_CELLS_LSTM_H_
#define FUSEDRNN_SRC_CELLS_LSTM_H_

#include "cells/math.h"

namespace frnn {

template <typename V>
struct LstmGates {
  V i, f, g, o;
};

template <typename V>
struct LstmForward {
  LstmGates<V> gates;  // activated
  V c, h;
};

template <typename V>
FRNN_HOST_DEVICE LstmForward<V> lstm_forward(const LstmGates<V>& a, V c_prev) {
  const V i = sigmoid(a.i);
  const V f = sigmoid(a.f);
  const V g = tanh(a.g);
  const V o = sigmoid(a.o);
  const V c = f * c_prev + i * g;
  const V h = o * tanh(c);
  return {{i, f, g, o}, c, h};
}

template <typename V>
struct LstmBackward {
  LstmGates<V> da;  // gradients of the preactivations
  V dc_prev;
};

// `dh` and `dc` are the whole gradients of h and c of this step: from above and from the next step.
template <typename V>
FRNN_HOST_DEVICE LstmBackward<V> lstm_backward(const LstmGates<V>& gates, V c_prev, V c, V dh,
                                               V dc) {
  const V tanh_c = tanh(c);
  const V dc_all = dc + dh * gates.o * tanh_slope(tanh_c);
  // clang-format off
  const V da_i = dc_all * gates.g * sigmoid_slope(gates.i);
  const V da_f = dc_all * c_prev  * sigmoid_slope(gates.f);
  const V da_g = dc_all * gates.i * tanh_slope(gates.g);
  const V da_o = dh * tanh_c      * sigmoid_slope(gates.o);
  // clang-format on
  return {{da_i, da_f, da_g, da_o}, dc_all * gates.f};
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_CELLS_LSTM_H_
