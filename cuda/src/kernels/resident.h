// The sequence kernels K1 and K2: a whole sequence of one layer and direction in one launch, the
// recurrent matrix resident in one block (K1) or spread over the blocks of a cluster (K2). What
// enters a step from outside, W x, was computed for all steps before; resident_shape.h says how the
// work is cut.
//
// "Rows" tensors have one row for each (t, b) in the order of x, as in sequence.h.

#ifndef FUSEDRNN_SRC_KERNELS_RESIDENT_H_
#define FUSEDRNN_SRC_KERNELS_RESIDENT_H_

#include "cells/lstm_variant.h"
#include "kernels/launch.h"
#include "kernels/resident_shape.h"
#include "kernels/sequence.h"

namespace frnn {

// Which rows of which tensors a launch goes through.
struct ResidentRows {
  int T, B, H;
  int first_step, end_step;  // of this launch: steps [first_step, end_step) of [0, T)
  bool reverse;
  bool batch_first;
  const int32_t* lengths;  // [B], optional
};

template <typename Elem>
struct ResidentForward {
  ResidentShape shape;
  ResidentRows rows;
  LstmVariant variant;
  LstmBlocks blocks;     // of an LSTM's gates
  int columns;           // G * H
  bool relu;             // the plain cell's nonlinearity; else tanh
  const Elem* w_hh;      // [G*H, H]
  const Elem* b_ih;      // [G*H], optional
  const Elem* b_hh;      // [G*H], optional
  const Elem* peephole;  // [K, H], optional
  const Elem* h0;        // [B, H] before first_step, optional
  const float* c0;       // [B, H] likewise, optional
  const float* ax;       // rows [., G*H]: W x; memory of the launch's own rows
  Elem* y;               // rows, stride y_ld: =
  int y_ld;
  Elem* h_last;   // [B, H] = after each row's last step of the launch, optional
  float* c_last;  // [B, H] = likewise, optional
  // What backward reads, each optional.
  float* gates;     // rows [., G*H] = activated; the plain cell: h. May be `ax`
  float* c_before;  // rows [., H] = c before the step
  float* c_after;   // rows [., H] = c after it
  float* ah_n;      // rows [., H] = U_n h + b_hh_n of the reset-after GRU
  float* rh;        // rows [., H] = r h of the reset-before GRU
};

// How a launch is to be made beside its shape.
struct ResidentLaunch {
  int rounds;  // unit tiles of a warp
  bool tf32;   // fp32 factors are rounded to TF32
  int64_t blocks;
};

template <typename Elem>
Status resident_forward_lstm(const Queue& queue, const ResidentLaunch& launch,
                             const ResidentForward<Elem>& args);
template <typename Elem>
Status resident_forward_gru(const Queue& queue, const ResidentLaunch& launch,
                            const ResidentForward<Elem>& args);
template <typename Elem>
Status resident_forward_gru_before(const Queue& queue, const ResidentLaunch& launch,
                                   const ResidentForward<Elem>& args);
template <typename Elem>
Status resident_forward_rnn(const Queue& queue, const ResidentLaunch& launch,
                            const ResidentForward<Elem>& args);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_RESIDENT_H_
