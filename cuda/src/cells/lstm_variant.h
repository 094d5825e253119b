// The family around the LSTM, one unit: diagonal peepholes (Gers et al. 2002), coupled input and
// forget gates (Greff et al. 2017), the ablations of Jozefowicz et al. 2015, a limit on c.
//
//   f = sigmoid(a_f + p_f c_prev)      i = sigmoid(a_i + p_i c_prev)      g = tanh(a_g)
//   c = clamp(f c_prev + i g)          o = sigmoid(a_o + p_o c)           m = o tanh(c)
//
// coupled: i = 1 - f. A gate that is left out is 1. m is h, or what a projection makes h of.

#ifndef FUSEDRNN_SRC_CELLS_LSTM_VARIANT_H_
#define FUSEDRNN_SRC_CELLS_LSTM_VARIANT_H_

#include "cells/lstm.h"

namespace frnn {

// Settings, the same for every unit.
struct LstmVariant {
  bool peephole = false;
  bool coupled = false;
  bool input_gate = true;  // false where coupled, too: no preactivation a_i exists
  bool forget_gate = true;
  bool output_gate = true;
  float cell_clip = 0;  // 0: none
};

// Weights of the peepholes, or their gradients; those of gates that are not there are not used.
template <typename V>
struct LstmPeepholes {
  V i, f, o;
};

template <typename V>
FRNN_HOST_DEVICE LstmGates<V> lstm_variant_input_gates(const LstmVariant& variant,
                                                       const LstmGates<V>& a,
                                                       const LstmPeepholes<V>& p, V c_prev) {
  LstmGates<V> gates = {V(1), V(1), tanh(a.g), V(1)};
  if (variant.forget_gate) {
    gates.f = sigmoid(variant.peephole ? a.f + p.f * c_prev : a.f);
  }
  if (variant.input_gate) {
    gates.i = sigmoid(variant.peephole ? a.i + p.i * c_prev : a.i);
  }
  if (variant.coupled) gates.i = V(1) - gates.f;
  return gates;
}

template <typename V>
struct LstmVariantForward {
  LstmGates<V> gates;  // activated
  V c, m;
};

template <typename V>
FRNN_HOST_DEVICE LstmVariantForward<V> lstm_variant_forward(const LstmVariant& variant,
                                                            const LstmGates<V>& a,
                                                            const LstmPeepholes<V>& p, V c_prev) {
  LstmGates<V> gates = lstm_variant_input_gates(variant, a, p, c_prev);
  V c = gates.f * c_prev + gates.i * gates.g;
  if (variant.cell_clip > 0) c = clamp(c, V(variant.cell_clip));
  if (variant.output_gate) gates.o = sigmoid(variant.peephole ? a.o + p.o * c : a.o);
  return {gates, c, gates.o * tanh(c)};
}

template <typename V>
struct LstmVariantBackward {
  LstmGates<V> da;      // gradients of the preactivations; 0 where there is none
  LstmPeepholes<V> dp;  // what this unit and step add to the peepholes' gradients
  V dc_prev;
  V m;  // again
};

// `gates` as forward gave them (1 where a gate is left out, 1 - f where coupled); c is computed
// again from them. `dm` and `dc` are the whole gradients of m and of c.
template <typename V>
FRNN_HOST_DEVICE LstmVariantBackward<V> lstm_variant_backward(const LstmVariant& variant,
                                                              const LstmGates<V>& gates,
                                                              const LstmPeepholes<V>& p, V c_prev,
                                                              V dm, V dc) {
  const V c_free = gates.f * c_prev + gates.i * gates.g;
  const V limit = V(variant.cell_clip);
  const V c = variant.cell_clip > 0 ? clamp(c_free, limit) : c_free;
  const V tanh_c = tanh(c);
  LstmVariantBackward<V> d = {{V(0), V(0), V(0), V(0)}, {V(0), V(0), V(0)}, V(0), gates.o * tanh_c};

  V dc_all = dc + dm * gates.o * tanh_slope(tanh_c);
  if (variant.output_gate) {
    d.da.o = dm * tanh_c * sigmoid_slope(gates.o);
    if (variant.peephole) dc_all = dc_all + d.da.o * p.o;
  }
  if (variant.cell_clip > 0) dc_all = where_inside(c_free, limit, dc_all);
  const V d_i = dc_all * gates.g;
  const V d_f = variant.coupled ? dc_all * c_prev - d_i : dc_all * c_prev;
  d.da.g = dc_all * gates.i * tanh_slope(gates.g);
  d.dc_prev = dc_all * gates.f;
  if (variant.input_gate) d.da.i = d_i * sigmoid_slope(gates.i);
  if (variant.forget_gate) d.da.f = d_f * sigmoid_slope(gates.f);
  if (variant.peephole) {
    d.dp = {d.da.i * c_prev, d.da.f * c_prev, d.da.o * c};
    d.dc_prev = d.dc_prev + d.da.i * p.i + d.da.f * p.f;
  }
  return d;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_CELLS_LSTM_VARIANT_H_
