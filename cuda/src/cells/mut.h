// MUT1, MUT2 and MUT3 (Jozefowicz, Zaremba and Sutskever 2015), one unit. They are a GRU with the
// reset before the recurrent product whose update gate keeps what a GRU's lets go:
//
//   h' = z n + (1 - z) h
//
// and which differ in what the gates see (fusedrnn.h, frnn_cell). So everything is the GRU's with
// 1 - z for z.

#ifndef FUSEDRNN_SRC_CELLS_MUT_H_
#define FUSEDRNN_SRC_CELLS_MUT_H_

#include "cells/gru.h"

namespace frnn {

template <typename V>
FRNN_HOST_DEVICE GruBeforeSecond<V> mut_forward_second(V a_n, V z, V h_prev) {
  return gru_before_forward_second(a_n, V(1) - z, h_prev);
}

template <typename V>
FRNN_HOST_DEVICE GruBeforeBackwardFirst<V> mut_backward_first(V z, V n, V h_prev, V dh) {
  const GruBeforeBackwardFirst<V> d = gru_before_backward_first(V(1) - z, n, h_prev, dh);
  return {d.da_n, V(0) - d.da_z, d.dh_prev};  // 1 - z falls as z grows
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_CELLS_MUT_H_
