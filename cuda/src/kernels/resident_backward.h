// Backward through a whole sequence in one launch, the recurrent weights resident: K1 keeps them in
// one multiprocessor, K2 spreads them over a thread-block cluster. Serves every cell of
// resident_backward_cells.h; the loop and its exchange are in resident_backward_kernel.h, the
// derivations in cuda/README.md.
//
// A cluster serves 8 rows of the batch, from the last step to the first. A block of it owns `units`
// neighbouring hidden units with all their gates. It reads what forward saved of them, writes the
// gradients of their preactivations, and keeps their dh and dc in registers.

#ifndef FUSEDRNN_SRC_KERNELS_RESIDENT_BACKWARD_H_
#define FUSEDRNN_SRC_KERNELS_RESIDENT_BACKWARD_H_

#include "kernels/resident_backward_shape.h"
#include "kernels/sequence.h"

namespace frnn {

// Rows are as in sequence.h. What a cell has no use for may be null.
template <typename Elem>
struct ResidentBackward {
  ResidentBackwardShape shape;
  int T, B, H;
  bool reverse, batch_first;
  const int32_t* lengths;  // [B], optional
  int64_t y_ld;
  const Elem* w_hh;     // [G*H, H]
  const float* gates;   // rows [., G*H] activated; RNN: rows [., H], the new h
  const float* c_prev;  // LSTM rows [., H]: c before the step; with c_before: after it
  bool c_before;        // look for c before the step at the row of the step before
  const float* c0;      // [B, H], optional; with c_before
  const float* ah_n;    // GRU rows [., H]
  const Elem* y;        // rows, stride y_ld
  const Elem* h0;       // [B, H], optional
  const Elem* dy;       // rows, stride y_ld, optional
  const Elem* dhT;      // [B, H], optional
  const float* dcT;     // [B, H], optional
  LstmVariant variant;
  LstmBlocks blocks;
  const Elem* peephole;  // [K, H], with peepholes
  bool relu;             // RNN
  Elem* da;              // rows [., G*H] =: of W x
  Elem* dah;             // GRU rows [., 3H] =: of U h
  float* dp;             // rows [., K*H] =, with peepholes: terms of their gradients
  Elem* dh0;             // [B, H] =, optional
  float* dc0;            // [B, H] =, optional
};

// `tf32`: factors of an fp32 product may be rounded to TF32; otherwise they are split in two, so
// that the product is as good as in fp32.
template <typename Elem>
Status resident_lstm_backward(const Queue& queue, const ResidentBackward<Elem>& args, bool tf32);
template <typename Elem>
Status resident_gru_backward(const Queue& queue, const ResidentBackward<Elem>& args, bool tf32);
template <typename Elem>
Status resident_gru_before_backward(const Queue& queue, const ResidentBackward<Elem>& args,
                                    bool tf32);
template <typename Elem>
Status resident_rnn_backward(const Queue& queue, const ResidentBackward<Elem>& args, bool tf32);

// h before each step, as the gradient of the recurrent weights needs it: zeros in rows that do not
// live. With `gates`, r * h in `rh` as well.
template <typename Elem>
struct PreviousStates {
  int T, B, H;
  bool reverse, batch_first;
  const int32_t* lengths;  // [B], optional
  int64_t y_ld;
  const Elem* y;       // rows, stride y_ld
  const Elem* h0;      // [B, H], optional
  const float* gates;  // rows [., 3H] activated, for rh
  Elem* h;             // rows [., H] =
  Elem* rh;            // rows [., H] =, with gates
};
template <typename Elem>
Status previous_states(const Queue& queue, const PreviousStates<Elem>& args);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_RESIDENT_BACKWARD_H_
