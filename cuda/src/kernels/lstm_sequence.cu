// The LSTM family over rows of any length, direction and layout: one step of all rows. Equations in
// cells/lstm_variant.h; masks and zoneout in sequence_steps.h.
//
// Forward reads W x of each row's own time, R h of this step, and c; writes the activated gates
// over W x and keeps c as it was before the step. Backward computes the new c again from those two.
// With a projection m = o tanh(c) goes to the product with w_hr instead of to h.

#include "cells/lstm_variant.h"
#include "kernels/sequence_steps.h"

namespace frnn {
namespace {

template <typename Elem>
FRNN_DEVICE LstmPeepholes<float> load_peepholes(const Elem* peephole, const LstmBlocks& blocks,
                                                int64_t H, int j) {
  const auto row = [&](int block) {
    return peephole != nullptr && block >= 0 ? widen(peephole[block * H + j]) : 0.0f;
  };
  return {row(blocks.pi), row(blocks.pf), row(blocks.po)};
}

// Grid: one thread for a unit of a row. Bytes moved for a unit: those of lstm_step.cu, and 4 more
// to keep c.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void lstm_forward_kernel(LstmSequenceForward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  const int64_t H = s.seq.H, columns = s.G * H;
  const float c_prev = s.c[p.state];
  if (!time.live) {
    if (s.c_last != nullptr) s.c_last[p.state] = c_prev;
    if (s.m != nullptr) {
      s.m[p.state] = narrow<Elem>(0.0f);
    } else {
      end_step(s.seq, s.state, p, time, 0.0f);
    }
    return;
  }
  float* const row = s.gates + time.row * columns + p.j;
  const float* const ah = s.ah + p.b * columns + p.j;
  const auto preactivation = [&](int block) {
    if (block < 0) return 0.0f;
    const int64_t at = block * H;
    return (row[at] + ah[at]) + (bias_at(s.b_ih, at + p.j) + bias_at(s.b_hh, at + p.j));
  };
  const LstmGates<float> a = {preactivation(s.blocks.i), preactivation(s.blocks.f),
                              preactivation(s.blocks.g), preactivation(s.blocks.o)};
  const auto y =
      lstm_variant_forward(s.variant, a, load_peepholes(s.peephole, s.blocks, H, p.j), c_prev);
  const float c = zoned(s.seq, s.seq.zoneout_c, s.seq.keep_c, time.dense * H + p.j, c_prev, y.c);
  s.c[p.state] = c;
  if (s.c_last != nullptr) s.c_last[p.state] = c;
  if (s.seq.training) {
    s.c_prev[time.row * H + p.j] = c_prev;
    if (s.blocks.i >= 0) row[s.blocks.i * H] = y.gates.i;
    if (s.blocks.f >= 0) row[s.blocks.f * H] = y.gates.f;
    row[s.blocks.g * H] = y.gates.g;
    if (s.blocks.o >= 0) row[s.blocks.o * H] = y.gates.o;
  }
  if (s.m != nullptr) {
    s.m[p.state] = narrow<Elem>(y.m);
  } else {
    end_step(s.seq, s.state, p, time, y.m);
  }
}

template <typename Elem>
FRNN_DEVICE void store_gradients(const LstmSequenceBackward<Elem>& s, const Place& p,
                                 const Time& time, const LstmVariantBackward<float>& d) {
  const int H = s.seq.H, columns = s.G * H;
  const auto gate = [&](int block, float value) {
    if (block < 0) return;
    store_gradient(s.da, s.da_step, time.row, p.b, columns, block * H + p.j, value);
  };
  gate(s.blocks.i, d.da.i);
  gate(s.blocks.f, d.da.f);
  gate(s.blocks.g, d.da.g);
  gate(s.blocks.o, d.da.o);
  if (s.m != nullptr) s.m[time.row * H + p.j] = narrow<Elem>(d.m);
  if (s.dp == nullptr) return;
  const int64_t rows = (s.blocks.pi >= 0) + (s.blocks.pf >= 0) + (s.blocks.po >= 0);
  float* const dp = s.dp + time.row * rows * H + p.j;
  if (s.blocks.pi >= 0) dp[s.blocks.pi * H] = d.dp.i;
  if (s.blocks.pf >= 0) dp[s.blocks.pf * H] = d.dp.f;
  if (s.blocks.po >= 0) dp[s.blocks.po * H] = d.dp.o;
}

// Grid: as above. A row that does not live passes dh and dc on and leaves zeros.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void lstm_backward_kernel(LstmSequenceBackward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  const int64_t H = s.seq.H;
  const float dc_next = s.dc_next != nullptr ? s.dc_next[p.state] : 0.0f;
  float dm = 0.0f;
  if (s.dm == nullptr) {
    const StateGradient h = begin_step(s.seq, s.state, p, time);
    s.state.dh[p.state] = h.old;
    dm = h.fresh;
  } else if (time.live) {
    dm = s.dm[p.state];
  }
  if (!time.live) {
    s.dc[p.state] = dc_next;
    store_gradients(s, p, time, {{0, 0, 0, 0}, {0, 0, 0}, 0, 0});
    return;
  }
  const float* const row = s.gates + time.row * s.G * H + p.j;
  const auto gate = [&](int block) { return block >= 0 ? row[block * H] : 1.0f; };
  LstmGates<float> gates = {gate(s.blocks.i), gate(s.blocks.f), gate(s.blocks.g), gate(s.blocks.o)};
  if (s.variant.coupled) gates.i = 1.0f - gates.f;
  const bool old = zoned_old(s.seq.zoneout_c, time.dense * H + p.j);
  const auto d =
      lstm_variant_backward(s.variant, gates, load_peepholes(s.peephole, s.blocks, H, p.j),
                            s.c_prev[time.row * H + p.j], dm, old ? 0.0f : dc_next);
  s.dc[p.state] = d.dc_prev + (old ? dc_next : 0.0f);
  store_gradients(s, p, time, d);
}

}  // namespace

template <typename Elem>
Status lstm_sequence_forward(const Queue& queue, const LstmSequenceForward<Elem>& args) {
  return launch_sequence(queue, "lstm_sequence_forward", lstm_forward_kernel<Elem>,
                         unit_elements(args.seq), args);
}
template <typename Elem>
Status lstm_sequence_backward(const Queue& queue, const LstmSequenceBackward<Elem>& args) {
  return launch_sequence(queue, "lstm_sequence_backward", lstm_backward_kernel<Elem>,
                         unit_elements(args.seq), args);
}

FRNN_FOR_ALL_ELEMENTS(lstm_sequence_forward, LstmSequenceForward);
FRNN_FOR_ALL_ELEMENTS(lstm_sequence_backward, LstmSequenceBackward);

}  // namespace frnn
