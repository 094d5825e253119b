// GRU, one unit, in both forms. Input parts ax = W x + b_ih and recurrent parts ah = U h + b_hh of
// the gates come in. Derived in cuda/README.md.
//
//   r = sigmoid(ax_r + ah_r)      z = sigmoid(ax_z + ah_z)      h' = (1 - z) n + z h
//   reset after (cuDNN, torch.nn):       n = tanh(ax_n + r * ah_n)   ah_n = U_n h + b_hh_n
//   reset before (Cho et al. 2014, v3):  n = tanh(ax_n + ah_n)       ah_n = U_n (r * h) + b_hh_n
//
// The reset-before form needs r of all units before ah_n of any, so both of its passes come in two
// halves with a matrix product between them.

#ifndef FUSEDRNN_SRC_CELLS_GRU_H_
#define FUSEDRNN_SRC_CELLS_GRU_H_

#include "cells/math.h"

namespace frnn {

template <typename V>
struct GruGates {
  V r, z, n;
};

template <typename V>
struct GruForward {
  GruGates<V> gates;  // activated
  V h;
};

template <typename V>
FRNN_HOST_DEVICE V gru_state(V z, V n, V h_prev) {
  return (V(1) - z) * n + z * h_prev;
}

// ---- Reset after the recurrent product ----------------------------------------------------------

template <typename V>
FRNN_HOST_DEVICE GruForward<V> gru_forward(const GruGates<V>& ax, const GruGates<V>& ah, V h_prev) {
  const V r = sigmoid(ax.r + ah.r);
  const V z = sigmoid(ax.z + ah.z);
  const V n = tanh(ax.n + r * ah.n);
  return {{r, z, n}, gru_state(z, n, h_prev)};
}

template <typename V>
struct GruBackward {
  GruGates<V> dax;  // gradients of the input parts
  V dah_n;          // of the recurrent part of n; those of r and z are dax.r and dax.z
  V dh_prev;        // the part that flows through z alone; dah times U is still to be added
};

template <typename V>
FRNN_HOST_DEVICE GruBackward<V> gru_backward(const GruGates<V>& gates, V ah_n, V h_prev, V dh) {
  // clang-format off
  const V da_n = dh * (V(1) - gates.z)  * tanh_slope(gates.n);
  const V da_z = dh * (h_prev - gates.n) * sigmoid_slope(gates.z);
  const V da_r = da_n * ah_n             * sigmoid_slope(gates.r);
  // clang-format on
  return {{da_r, da_z, da_n}, da_n * gates.r, dh * gates.z};
}

// ---- Reset before the recurrent product ---------------------------------------------------------

template <typename V>
struct GruBeforeFirst {
  V r, z;
  V rh;  // r * h_prev: U_n times this is the recurrent part of n
};

template <typename V>
FRNN_HOST_DEVICE GruBeforeFirst<V> gru_before_forward_first(V a_r, V a_z, V h_prev) {
  const V r = sigmoid(a_r);
  const V z = sigmoid(a_z);
  return {r, z, r * h_prev};
}

template <typename V>
struct GruBeforeSecond {
  V n, h;
};

template <typename V>
FRNN_HOST_DEVICE GruBeforeSecond<V> gru_before_forward_second(V a_n, V z, V h_prev) {
  const V n = tanh(a_n);
  return {n, gru_state(z, n, h_prev)};
}

template <typename V>
struct GruBeforeBackwardFirst {
  V da_n, da_z;  // da_n times U_n is the gradient of r * h_prev
  V dh_prev;     // the part that flows through z
};

template <typename V>
FRNN_HOST_DEVICE GruBeforeBackwardFirst<V> gru_before_backward_first(V z, V n, V h_prev, V dh) {
  // clang-format off
  const V da_n = dh * (V(1) - z)   * tanh_slope(n);
  const V da_z = dh * (h_prev - n) * sigmoid_slope(z);
  // clang-format on
  return {da_n, da_z, dh * z};
}

template <typename V>
struct GruBeforeBackwardSecond {
  V da_r;
  V dh_prev;  // with the part through r * h_prev; da_r and da_z times U are still to be added
};

template <typename V>
FRNN_HOST_DEVICE GruBeforeBackwardSecond<V> gru_before_backward_second(V r, V h_prev, V drh,
                                                                       V dh_prev) {
  const V da_r = drh * h_prev * sigmoid_slope(r);
  return {da_r, dh_prev + drh * r};
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_CELLS_GRU_H_
