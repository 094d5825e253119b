// Where things lie for the calls that the fast path for plain cells does not serve: variants of the
// LSTM, projection, rows of different lengths, batch-first tensors and masks. Matrices are
// row-major; a "row" is a step of a batch row, in the order of x.

#ifndef FUSEDRNN_SRC_CPU_FAMILY_LAYOUT_H_
#define FUSEDRNN_SRC_CPU_FAMILY_LAYOUT_H_

#include <cstdint>

#include "cpu/layout.h"
#include "fusedrnn.h"
#include "host/plan.h"

namespace frnn::cpu {
// Whether the fast path serves a call: the same answer forward and backward.
static inline bool plain_call(const frnn_rnn& r) {
  return r.cell <= FRNN_RNN_RELU && (r.flags & FRNN_BATCH_FIRST) == 0 && r.norm == 0 &&
         r.variant == 0 && r.P == 0 && r.lengths == 0 && r.cell_clip == 0 &&
         r.recurrent_dropout == 0 && r.zoneout_h == 0 && r.zoneout_c == 0;
}

// Whether a cell multiplies r * h, and so needs r of all units before n of any.
static inline bool resets_before(int64_t cell) {
  return cell == FRNN_GRU_RESET_BEFORE || cell == FRNN_MUT1 || cell == FRNN_MUT2 ||
         cell == FRNN_MUT3;
}

struct FamilyLayout {
  int64_t rows;       // T * B
  int64_t G;          // gates that the variant has
  int64_t R;          // gates with a recurrent product: G but for MUT1
  int64_t N;          // width of h: P or H
  int64_t width;      // floats in a vector
  int64_t groups;     // of hidden units
  int64_t gradients;  // blocks of H in a row of the preactivations' gradients

  // forward's workspace
  int64_t w_hh, w_ih, w_hr, bias_x, bias_h, gates, h, hin, c, middle, inner, mask, raw;
  int64_t forward_bytes;
  // reserve
  int64_t kept_gates, kept_hin, kept_c, kept_middle, kept_inner, kept_normal, kept_recurrent,
      kept_scale;
  int64_t reserve_bytes;
  // backward's workspace
  int64_t back_w_hh, back_w_hr, back_gradients, back_step, back_dh, back_dc, back_projected,
      back_projected_rows, back_mask, back_x, back_recurrent, back_inner, back_normal_c, back_row_c,
      back_row;
  int64_t backward_bytes;
};

static inline int64_t padded_to(int64_t count, int64_t width) {
  return (count + width - 1) / width * width;
}

static inline FamilyLayout family_layout_of(const frnn_rnn& r, int64_t width) {
  FamilyLayout l{};
  l.rows = r.T * r.B;
  l.G = gates_of(r.cell, r.variant);
  l.R = recurrent_gates_of(r.cell, r.variant);
  l.N = width_of(r.H, r.P);
  l.width = width;
  l.groups = (r.H + width - 1) / width;
  const bool layer = r.norm == FRNN_LAYER_NORM, batch = r.norm == FRNN_BATCH_NORM;
  const bool inner = r.cell == FRNN_MUT1 || r.cell == FRNN_MUT3;
  const bool lstm = r.cell == FRNN_LSTM, gru = r.cell == FRNN_GRU;
  const bool before = resets_before(r.cell), training = (r.flags & FRNN_TRAINING) != 0;
  l.gradients = gru || r.cell == FRNN_MUT1 ? 4 : l.G;
  const int64_t H = padded_to(r.H, width), N = padded_to(l.N, width), GH = l.G * r.H;
  // The GRUs keep U_n h + b_hh_n or r * h in `middle`, a projected LSTM o * tanh(c). In `inner`,
  // MUT1 keeps tanh(W_n x + b_ih_n) and MUT3 tanh(h) as it entered the product.
  const bool middle = gru || before || r.P > 0;

  Pieces forward;
  l.w_hh = forward.take(H * l.R * l.N);
  l.w_ih = forward.take(padded_to(GH, width) * r.I);
  l.w_hr = forward.take(N * (r.P > 0 ? r.H : 0));
  l.bias_x = forward.take(padded_to(GH, width));
  l.bias_h = forward.take(H * l.R);
  l.gates = forward.take(training ? 0 : l.rows * GH);
  l.h = forward.take(r.B * l.N);
  l.hin = forward.take(2 * r.B * l.N);
  l.c = forward.take(lstm ? r.B * r.H : 0);
  l.middle = forward.take(before || layer || r.P > 0 ? r.B * r.H : 0);
  l.inner = forward.take(r.cell == FRNN_MUT3 ? 2 * r.B * l.N : 0);
  l.mask = forward.take(r.B * l.N);
  l.raw = forward.take(layer ? r.B * GH : 0);
  l.forward_bytes = forward.bytes();

  if (training) {
    Pieces kept;
    l.kept_gates = kept.take(l.rows * GH);
    l.kept_hin = kept.take(l.rows * l.N);
    l.kept_c = kept.take(lstm ? l.rows * r.H : 0);
    l.kept_middle = kept.take(middle ? l.rows * r.H : 0);
    l.kept_inner = kept.take(inner ? l.rows * r.H : 0);
    // Normalised values before their gains: of W x, of R h; and what they were scaled by.
    l.kept_normal = kept.take(layer || batch ? l.rows * GH : 0);
    l.kept_recurrent = kept.take(layer ? l.rows * GH : 0);
    l.kept_scale = kept.take(layer ? l.rows * 4 : batch ? GH : 0);
    l.reserve_bytes = kept.bytes();
  }

  Pieces backward;
  l.back_w_hh = backward.take(N * l.R * r.H);
  l.back_w_hr = backward.take(r.P > 0 ? H * r.P : 0);
  l.back_gradients = backward.take(l.rows * l.gradients * r.H);
  l.back_step = backward.take(r.B * l.R * r.H);
  l.back_dh = backward.take(r.B * l.N);
  l.back_dc = backward.take(lstm ? r.B * r.H : 0);
  l.back_projected = backward.take(r.P > 0 ? r.B * r.P : 0);
  l.back_projected_rows = backward.take(r.P > 0 ? l.rows * r.P : 0);
  l.back_mask = backward.take(r.B * l.N);
  l.back_x = backward.take(r.lengths != 0 ? l.rows * r.I : 0);
  // Layer norm: gradients of R h of all rows, of what tanh saw of c and that c, normalised; and
  // those of one step before they went through the norms.
  l.back_recurrent = backward.take(layer ? l.rows * GH : 0);
  l.back_inner = backward.take(layer ? l.rows * r.H : 0);
  l.back_normal_c = backward.take(layer ? l.rows * r.H : 0);
  l.back_row_c = backward.take(layer ? r.B * r.H : 0);
  l.back_row = backward.take(layer ? r.B * GH : 0);
  l.backward_bytes = backward.bytes();
  return l;
}

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_FAMILY_LAYOUT_H_
