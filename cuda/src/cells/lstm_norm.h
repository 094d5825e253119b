// The layer-normalised LSTM (Ba, Kiros and Hinton 2016), the parts of one unit that differ from the
// plain one: between c and h stands v = LN(c) gain + bias, a function of all units of the row.
//
//   c = clamp(f c_prev + i g)      v = LN(c) gain + bias      h = o tanh(v)

#ifndef FUSEDRNN_SRC_CELLS_LSTM_NORM_H_
#define FUSEDRNN_SRC_CELLS_LSTM_NORM_H_

#include "cells/lstm_variant.h"

namespace frnn {

template <typename V>
struct LstmNormOutput {
  V da_o;
  V dv;
};

template <typename V>
FRNN_HOST_DEVICE LstmNormOutput<V> lstm_norm_output_backward(V o, V v, V dh) {
  const V tanh_v = tanh(v);
  return {dh * tanh_v * sigmoid_slope(o), dh * o * tanh_slope(tanh_v)};
}

template <typename V>
struct LstmNormCell {
  V da_i, da_f, da_g;
  V dc_prev;
};

// `dc` is the whole gradient of c after the clamp: through v and from the next step.
template <typename V>
FRNN_HOST_DEVICE LstmNormCell<V> lstm_norm_cell_backward(const LstmVariant& variant,
                                                         const LstmGates<V>& gates, V c_prev,
                                                         V dc) {
  if (variant.cell_clip > 0) {
    dc = where_inside(gates.f * c_prev + gates.i * gates.g, V(variant.cell_clip), dc);
  }
  const V da_i = dc * gates.g * sigmoid_slope(gates.i);
  const V da_f = dc * c_prev * sigmoid_slope(gates.f);
  const V da_g = dc * gates.i * tanh_slope(gates.g);
  return {da_i, da_f, da_g, dc * gates.f};
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_CELLS_LSTM_NORM_H_
