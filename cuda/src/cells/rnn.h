// The plain recurrent cell (Elman 1990), one unit: h = tanh(a) or relu(a), a = W x + b_ih + R h +
// b_hh.

#ifndef FUSEDRNN_SRC_CELLS_RNN_H_
#define FUSEDRNN_SRC_CELLS_RNN_H_

#include "cells/math.h"

namespace frnn {

struct RnnTanh {
  template <typename V>
  static FRNN_HOST_DEVICE V forward(V a) {
    return tanh(a);
  }
  // The gradient of the preactivation, from the state that forward gave.
  template <typename V>
  static FRNN_HOST_DEVICE V backward(V h, V dh) {
    return dh * tanh_slope(h);
  }
};

struct RnnRelu {
  template <typename V>
  static FRNN_HOST_DEVICE V forward(V a) {
    return relu(a);
  }
  template <typename V>
  static FRNN_HOST_DEVICE V backward(V h, V dh) {
    return where_positive(h, dh);
  }
};

}  // namespace frnn

#endif  // FUSEDRNN_SRC_CELLS_RNN_H_
