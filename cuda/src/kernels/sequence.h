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
struct ForwardState {
  float* y;       // rows, stride y_ld: =
  float* h;       // [B, W]
  float* hin;     // [B, W]: h as the recurrent product sees it; the same memory where no mask is
  float* h_last;  // [B, W] = h, optional
};

struct BeginForward {
  Sequence seq;
  const float* h0;  // [B, W], optional
  const float* c0;  // [B, H], optional
  float* h;         // [B, W] =
  float* hin;       // [B, W] =
  float* c;         // [B, H] =, optional
};
Status sequence_begin_forward(const Queue& queue, const BeginForward& args);

// Which gate block is where; -1: the variant has none.
struct LstmBlocks {
  int i, f, g, o;  // among G gates
  int pi, pf, po;  // among the rows of w_peephole
};

struct LstmSequenceForward {
  Sequence seq;
  LstmVariant variant;
  LstmBlocks blocks;
  int G;
  float* gates;           // rows [., G*H] in: W x; out: activated, in training
  const float* ah;        // step [B, G*H] R h
  const float* b_ih;      // [G*H], optional
  const float* b_hh;      // [G*H], optional
  const float* peephole;  // [K, H], optional
  float* c;               // [B, H] in and out
  float* c_prev;          // rows [., H] = c before the step, in training
  float* c_last;          // [B, H] = c, optional
  float* m;               // step [B, H] = o tanh(c) where a projection follows; else optional
  ForwardState state;     // used where no projection follows
};
Status lstm_sequence_forward(const Queue& queue, const LstmSequenceForward& args);

// After the projection m w_hr^T.
struct ProjectForward {
  Sequence seq;
  const float* projected;  // step [B, W]
  ForwardState state;
};
Status sequence_project_forward(const Queue& queue, const ProjectForward& args);

struct GruSequenceForward {
  Sequence seq;
  float* gates;       // rows [., 3H] in: W x; out: activated, in training or reset before
  const float* ah;    // step [B, 3H]: U h; reset before: of r and z alone
  const float* b_ih;  // [3H], optional
  const float* b_hh;  // [3H], optional
  float* ah_n;        // rows [., H] = U_n h + b_hh_n; reset after in training
  float* rh;          // step [B, H] = r * hin; reset before
  const float* un;    // step [B, H] U_n rh; reset before
  ForwardState state;
};
Status gru_sequence_forward(const Queue& queue, const GruSequenceForward& args);
Status gru_before_sequence_forward_first(const Queue& queue, const GruSequenceForward& args);
Status gru_before_sequence_forward_second(const Queue& queue, const GruSequenceForward& args);

struct RnnSequenceForward {
  Sequence seq;
  float* a;           // rows [., H] in: W x; out: the new h, before zoneout, in training
  const float* ah;    // step [B, H] R h
  const float* b_ih;  // [H], optional
  const float* b_hh;  // [H], optional
  ForwardState state;
};
Status rnn_tanh_sequence_forward(const Queue& queue, const RnnSequenceForward& args);
Status rnn_relu_sequence_forward(const Queue& queue, const RnnSequenceForward& args);

// ---- Backward -----------------------------------------------------------------------------------

// The gradient of h. Its part through the recurrent product of the step that ran later is `dhin`,
// still to be masked.
struct BackwardState {
  const float* y;        // rows, stride y_ld
  const float* h0;       // [B, W], optional
  const float* dy;       // rows, stride y_ld, optional
  const float* dh_next;  // [B, W], optional: zero; may be dh
  const float* dhin;     // [B, W], optional: zero
  float* dh;             // [B, W] = what does not go through the recurrent product
  float* hin;            // rows [., W] = h before the step as the product saw it
};

// With a projection: the gradient of the projected h, and what passes it by.
struct ProjectBackward {
  Sequence seq;
  float* dprojected;       // rows [., W] =
  float* dprojected_step;  // step [B, W] = again, optional
  BackwardState state;
};
Status sequence_project_backward(const Queue& queue, const ProjectBackward& args);

struct LstmSequenceBackward {
  Sequence seq;
  LstmVariant variant;
  LstmBlocks blocks;
  int G;
  const float* gates;     // rows [., G*H] activated
  const float* c_prev;    // rows [., H]
  const float* peephole;  // [K, H], optional
  const float* dm;        // step [B, H] after a projection; null: state gives it
  const float* dc_next;   // [B, H], optional: zero; may be dc
  float* dc;              // [B, H] =
  float* da;              // rows [., G*H] =
  float* da_step;         // step [B, G*H] = the same again, optional
  float* m;               // rows [., H] = again, with a projection
  float* dp;              // rows [., K*H] = terms of the peepholes' gradients, with peepholes
  BackwardState state;    // used where no projection follows
};
Status lstm_sequence_backward(const Queue& queue, const LstmSequenceBackward& args);

struct GruSequenceBackward {
  Sequence seq;
  const float* gates;  // rows [., 3H] activated
  const float* ah_n;   // rows [., H]; reset after
  float* da;           // rows [., 3H] = of W x
  float* dah;          // rows [., 3H] = of U h; reset after
  float* da_step;      // step [B, 3H] = of U h again, optional
  const float* drh;    // step [B, H] da_n U_n; reset before
  float* rh;           // rows [., H] = r * hin; reset before
  BackwardState state;
};
Status gru_sequence_backward(const Queue& queue, const GruSequenceBackward& args);
Status gru_before_sequence_backward_first(const Queue& queue, const GruSequenceBackward& args);
Status gru_before_sequence_backward_second(const Queue& queue, const GruSequenceBackward& args);

struct RnnSequenceBackward {
  Sequence seq;
  const float* a;  // rows [., H]: the new h, before zoneout
  float* da;       // rows [., H] =
  float* da_step;  // step [B, H] = again, optional
  BackwardState state;
};
Status rnn_tanh_sequence_backward(const Queue& queue, const RnnSequenceBackward& args);
Status rnn_relu_sequence_backward(const Queue& queue, const RnnSequenceBackward& args);

// The gradient of h0 from the state after the first step.
struct EndBackward {
  Sequence seq;
  const float* dh;    // [B, W]
  const float* dhin;  // [B, W]
  float* dh0;         // [B, W] =
};
Status sequence_end_backward(const Queue& queue, const EndBackward& args);

// ---- Around the loop ----------------------------------------------------------------------------

// out = x, with zeros in rows beyond their length: what a gradient may multiply with zero.
struct LiveRows {
  int T, B, I;
  bool batch_first;
  const int32_t* lengths;
  int64_t x_ld;
  const float* x;  // rows, stride x_ld
  float* out;      // rows [., I] =
};
Status sequence_live_rows(const Queue& queue, const LiveRows& args);

// out = mask(a + b), mask kind 0 (fusedrnn.h).
struct MaskedSum {
  int64_t T, B, F;
  bool batch_first;
  const float* a;  // rows [., F]
  const float* b;  // rows [., F], optional
  float* out;      // rows [., F] =; may be a or b
  Mask mask;
};
Status masked_sum(const Queue& queue, const MaskedSum& args);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_SEQUENCE_H_
