// The step kernels of the whole family: rows of their own lengths, either direction, either layout,
// projections, masks. Each kernel serves step `step` of all rows; which time of the data that is,
// and whether the row still lives, each row finds out for itself.
//
// "Rows" tensors have one row for each (t, b) in the order of x: t * B + b, or b * T + t with
// batch_first. "Step" tensors are [B, .] and hold what a matrix product of this step reads or
// wrote. W is the width of h: P with a projection, else H.

#ifndef FUSEDRNN_SRC_KERNELS_SEQUENCE_H_
#define FUSEDRNN_SRC_KERNELS_SEQUENCE_H_

#include "cells/lstm_variant.h"
#include "cells/philox.h"
#include "kernels/launch.h"
#include "machine/numbers.h"

namespace frnn {

struct Sequence {
  int T, B, H, W;
  int step;
  bool reverse;
  bool batch_first;
  const int32_t* lengths;  // [B], optional
  int64_t y_ld;
  Mask recurrent;  // threshold 0: none
  Mask zoneout_h;
  Mask zoneout_c;
  // Without training zoneout mixes: old state times this, new state times 1 minus it.
  float keep_h, keep_c;
  bool training;
};

// The state that forward carries from step to step.
template <typename Elem>
struct ForwardState {
  Elem* y;       // rows, stride y_ld: =
  Elem* h;       // [B, W]
  Elem* hin;     // [B, W]: h as the recurrent product sees it; the same memory where no mask is
  Elem* h_last;  // [B, W] = h, optional
};

template <typename Elem>
struct BeginForward {
  Sequence seq;
  const Elem* h0;   // [B, W], optional
  const float* c0;  // [B, H], optional
  Elem* h;          // [B, W] =
  Elem* hin;        // [B, W] =
  float* c;         // [B, H] =, optional
};
template <typename Elem>
Status sequence_begin_forward(const Queue& queue, const BeginForward<Elem>& args);

// Which gate block is where; -1: the variant has none.
struct LstmBlocks {
  int i, f, g, o;  // among G gates
  int pi, pf, po;  // among the rows of w_peephole
};

template <typename Elem>
struct LstmSequenceForward {
  Sequence seq;
  LstmVariant variant;
  LstmBlocks blocks;
  int G;
  float* gates;              // rows [., G*H] in: W x; out: activated, in training
  const float* ah;           // step [B, G*H] R h
  const Elem* b_ih;          // [G*H], optional
  const Elem* b_hh;          // [G*H], optional
  const Elem* peephole;      // [K, H], optional
  float* c;                  // [B, H] in and out
  float* c_prev;             // rows [., H] = c before the step, in training
  float* c_last;             // [B, H] = c, optional
  Elem* m;                   // step [B, H] = o tanh(c) where a projection follows; else null
  ForwardState<Elem> state;  // used where no projection follows
};
template <typename Elem>
Status lstm_sequence_forward(const Queue& queue, const LstmSequenceForward<Elem>& args);

// After the projection m w_hr^T.
template <typename Elem>
struct ProjectForward {
  Sequence seq;
  const float* projected;  // step [B, W]
  ForwardState<Elem> state;
};
template <typename Elem>
Status sequence_project_forward(const Queue& queue, const ProjectForward<Elem>& args);

template <typename Elem>
struct GruSequenceForward {
  Sequence seq;
  float* gates;      // rows [., 3H] in: W x; out: activated, in training
  const float* ah;   // step [B, 3H]: U h
  const Elem* b_ih;  // [3H], optional
  const Elem* b_hh;  // [3H], optional
  float* ah_n;       // rows [., H] = U_n h + b_hh_n, in training
  ForwardState<Elem> state;
};
template <typename Elem>
Status gru_sequence_forward(const Queue& queue, const GruSequenceForward<Elem>& args);

// The cells whose reset comes before the recurrent product: GRU in that form, and MUT1 to MUT3.
struct ResetBeforeKind {
  bool mut;         // h' = z n + (1 - z) h instead of (1 - z) n + z h
  bool bare_z;      // MUT1: z has no recurrent part; w_hh and b_hh have blocks r n
  bool tanh_input;  // MUT1: the input part of n goes through tanh
  bool tanh_state;  // MUT3: z sees tanh of the state
};

template <typename Elem>
struct ResetBeforeForward {
  Sequence seq;
  ResetBeforeKind kind;
  float* gates;      // rows [., 3H] in: W x; out: activated
  const float* ah;   // step [B, 2H] U_r h, U_z h; first half
  const float* un;   // step [B, H] U_n rh; second half
  const Elem* b_ih;  // [3H], optional
  const Elem* b_hh;  // [3H], optional; MUT1 [2H]
  Elem* rh;          // step [B, H] = r * hin; first half
  float* input_n;    // rows [., H] = tanh of the input part of n, MUT1 in training
  ForwardState<Elem> state;
};
template <typename Elem>
Status reset_before_forward_first(const Queue& queue, const ResetBeforeForward<Elem>& args);
template <typename Elem>
Status reset_before_forward_second(const Queue& queue, const ResetBeforeForward<Elem>& args);

// out = tanh(in), what MUT3's update gate sees of the state.
template <typename Elem>
struct TanhState {
  Sequence seq;
  const Elem* in;  // [B, H]
  Elem* out;       // [B, H] =
};
template <typename Elem>
Status sequence_tanh_state(const Queue& queue, const TanhState<Elem>& args);

template <typename Elem>
struct RnnSequenceForward {
  Sequence seq;
  float* a;          // rows [., H] in: W x; out: the new h, before zoneout, in training
  const float* ah;   // step [B, H] R h
  const Elem* b_ih;  // [H], optional
  const Elem* b_hh;  // [H], optional
  ForwardState<Elem> state;
};
template <typename Elem>
Status rnn_tanh_sequence_forward(const Queue& queue, const RnnSequenceForward<Elem>& args);
template <typename Elem>
Status rnn_relu_sequence_forward(const Queue& queue, const RnnSequenceForward<Elem>& args);

// ---- Backward -----------------------------------------------------------------------------------

// The gradient of h. Its part through the recurrent product of the step that ran later is `dhin`,
// still to be masked.
template <typename Elem>
struct BackwardState {
  const Elem* y;         // rows, stride y_ld
  const Elem* h0;        // [B, W], optional
  const Elem* dy;        // rows, stride y_ld, optional
  const Elem* dhT;       // [B, W], optional; in the last step alone
  const float* dh_next;  // [B, W], in the other steps; may be dh
  const float* dhin;     // [B, W], in the other steps
  float* dh;             // [B, W] = what does not go through the recurrent product
  Elem* hin;             // rows [., W] = h before the step as the product saw it
};

// With a projection: the gradient of the projected h, and what passes it by.
template <typename Elem>
struct ProjectBackward {
  Sequence seq;
  Elem* dprojected;       // rows [., W] =
  Elem* dprojected_step;  // step [B, W] = again, optional
  BackwardState<Elem> state;
};
template <typename Elem>
Status sequence_project_backward(const Queue& queue, const ProjectBackward<Elem>& args);

template <typename Elem>
struct LstmSequenceBackward {
  Sequence seq;
  LstmVariant variant;
  LstmBlocks blocks;
  int G;
  const float* gates;         // rows [., G*H] activated
  const float* c_prev;        // rows [., H]
  const Elem* peephole;       // [K, H], optional
  const float* dm;            // step [B, H] after a projection; null: state gives it
  const float* dc_next;       // [B, H], optional: zero; may be dc
  float* dc;                  // [B, H] =
  Elem* da;                   // rows [., G*H] =
  Elem* da_step;              // step [B, G*H] = the same again, optional
  Elem* m;                    // rows [., H] = again, with a projection
  float* dp;                  // rows [., K*H] = terms of the peepholes' gradients, with peepholes
  BackwardState<Elem> state;  // used where no projection follows
};
template <typename Elem>
Status lstm_sequence_backward(const Queue& queue, const LstmSequenceBackward<Elem>& args);

template <typename Elem>
struct GruSequenceBackward {
  Sequence seq;
  const float* gates;  // rows [., 3H] activated
  const float* ah_n;   // rows [., H]
  Elem* da;            // rows [., 3H] = of W x
  Elem* dah;           // rows [., 3H] = of U h
  Elem* da_step;       // step [B, 3H] = of U h again, optional
  BackwardState<Elem> state;
};
template <typename Elem>
Status gru_sequence_backward(const Queue& queue, const GruSequenceBackward<Elem>& args);

template <typename Elem>
struct ResetBeforeBackward {
  Sequence seq;
  ResetBeforeKind kind;
  const float* gates;    // rows [., 3H] activated
  const float* input_n;  // rows [., H], MUT1
  Elem* da;              // rows [., 3H] = of W x
  Elem* dah;             // rows = of U h: [., 3H], the memory of da; MUT1 [., 2H], its own
  Elem* da_step;         // step [B, 3H or 2H] = of U h again, optional
  const float* drh;      // step [B, H] da_n U_n; second half
  const float* dtanh;    // step [B, H] da_z U_z; second half of MUT3
  Elem* rh;              // rows [., H] = r * hin; second half
  Elem* tanh_h;          // rows [., H] = tanh(hin); MUT3
  BackwardState<Elem> state;
};
template <typename Elem>
Status reset_before_backward_first(const Queue& queue, const ResetBeforeBackward<Elem>& args);
template <typename Elem>
Status reset_before_backward_second(const Queue& queue, const ResetBeforeBackward<Elem>& args);

template <typename Elem>
struct RnnSequenceBackward {
  Sequence seq;
  const float* a;  // rows [., H]: the new h, before zoneout
  Elem* da;        // rows [., H] =
  Elem* da_step;   // step [B, H] = again, optional
  BackwardState<Elem> state;
};
template <typename Elem>
Status rnn_tanh_sequence_backward(const Queue& queue, const RnnSequenceBackward<Elem>& args);
template <typename Elem>
Status rnn_relu_sequence_backward(const Queue& queue, const RnnSequenceBackward<Elem>& args);

// The gradient of h0 from the state after the first step.
template <typename Elem>
struct EndBackward {
  Sequence seq;
  const float* dh;    // [B, W]
  const float* dhin;  // [B, W]
  Elem* dh0;          // [B, W] =
};
template <typename Elem>
Status sequence_end_backward(const Queue& queue, const EndBackward<Elem>& args);

// ---- Around the loop ----------------------------------------------------------------------------

// out = x, with zeros in rows beyond their length: what a gradient may multiply with zero.
template <typename Elem>
struct LiveRows {
  int T, B, I;
  bool batch_first;
  const int32_t* lengths;
  int64_t x_ld;
  const Elem* x;  // rows, stride x_ld
  Elem* out;      // rows [., I] =
};
template <typename Elem>
Status sequence_live_rows(const Queue& queue, const LiveRows<Elem>& args);

// out = mask(a + b), mask kind 0 (fusedrnn.h).
template <typename Elem>
struct MaskedSum {
  int64_t T, B, F;
  bool batch_first;
  const Elem* a;  // rows [., F]
  const Elem* b;  // rows [., F], optional
  Elem* out;      // rows [., F] =; may be a or b
  Mask mask;
};
template <typename Elem>
Status masked_sum(const Queue& queue, const MaskedSum<Elem>& args);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_SEQUENCE_H_
