// The plain recurrent cell over rows of any length, direction and layout, and what all cells share
// around their steps: the first state, projections, the last gradient, rows beyond their length,
// masks between layers.

#include "cells/rnn.h"
#include "kernels/sequence_steps.h"

namespace frnn {
namespace {

// Grid, in all kernels: one thread for an element.
template <typename Cell, typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void rnn_forward_kernel(RnnSequenceForward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  float h = 0.0f;
  if (time.live) {
    float* const a = s.a + time.row * s.seq.H + p.j;
    h = Cell::forward((*a + s.ah[p.state]) + (bias_at(s.b_ih, p.j) + bias_at(s.b_hh, p.j)));
    if (s.seq.training) *a = h;
  }
  end_step(s.seq, s.state, p, time, h);
}

template <typename Cell, typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void rnn_backward_kernel(RnnSequenceBackward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  const StateGradient h = begin_step(s.seq, s.state, p, time);
  s.state.dh[p.state] = h.old;
  const float da = time.live ? Cell::backward(s.a[time.row * s.seq.H + p.j], h.fresh) : 0.0f;
  store_gradient(s.da, s.da_step, time.row, p.b, s.seq.H, p.j, da);
}

template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void begin_forward_kernel(BeginForward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.W);
  if (p.inside) {
    const Elem h = s.h0 != nullptr ? s.h0[p.state] : narrow<Elem>(0.0f);
    s.h[p.state] = h;
    if (s.hin != s.h) {
      s.hin[p.state] = narrow<Elem>(masked(s.seq.recurrent, p.state, widen(h)));
    }
  }
  const Place unit = my_place(s.seq.B, s.seq.H);
  if (unit.inside && s.c != nullptr) {
    s.c[unit.state] = s.c0 != nullptr ? s.c0[unit.state] : 0.0f;
  }
}

template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void project_forward_kernel(ProjectForward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.W);
  if (!p.inside) return;
  end_step(s.seq, s.state, p, time_of(s.seq, p.b), s.projected[p.state]);
}

template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void project_backward_kernel(ProjectBackward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.W);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  const StateGradient h = begin_step(s.seq, s.state, p, time);
  s.state.dh[p.state] = h.old;
  store_gradient(s.dprojected, s.dprojected_step, time.row, p.b, s.seq.W, p.j, h.fresh);
}

template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void end_backward_kernel(EndBackward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.W);
  if (!p.inside) return;
  s.dh0[p.state] = narrow<Elem>(s.dh[p.state] + masked(s.seq.recurrent, p.state, s.dhin[p.state]));
}

constexpr int kRowThreads = 128;
constexpr int kRowsOfBlock = kRowThreads / machine::kWarp;

// Grid: a warp for a row.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kRowThreads, 1)
void live_rows_kernel(LiveRows<Elem> s) {
  const int64_t row =
      static_cast<int64_t>(machine::block_index()) * kRowsOfBlock + machine::warp_index();
  if (row >= static_cast<int64_t>(s.T) * s.B) return;
  const int64_t t = s.batch_first ? row % s.T : row / s.B;
  const int64_t b = s.batch_first ? row / s.T : row % s.B;
  const bool live = t < s.lengths[b];
  for (int64_t i = machine::lane_index(); i < s.I; i += machine::kWarp) {
    s.out[row * s.I + i] = live ? s.x[row * s.x_ld + i] : narrow<Elem>(0.0f);
  }
}

// Grid: a warp for a row. Bytes moved: 8 per element, 12 with b.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kRowThreads, 1)
void masked_sum_kernel(MaskedSum<Elem> s) {
  const int64_t row =
      static_cast<int64_t>(machine::block_index()) * kRowsOfBlock + machine::warp_index();
  if (row >= s.T * s.B) return;
  const int64_t t = s.batch_first ? row % s.T : row / s.B;
  const int64_t b = s.batch_first ? row / s.T : row % s.B;
  for (int64_t f = machine::lane_index(); f < s.F; f += machine::kWarp) {
    const int64_t at = row * s.F + f;
    const float sum = s.b != nullptr ? widen(s.a[at]) + widen(s.b[at]) : widen(s.a[at]);
    s.out[at] = narrow<Elem>(masked(s.mask, (t * s.B + b) * s.F + f, sum));
  }
}

}  // namespace

template <typename Elem>
Status rnn_tanh_sequence_forward(const Queue& queue, const RnnSequenceForward<Elem>& args) {
  return launch_sequence(queue, "rnn_tanh_sequence_forward", rnn_forward_kernel<RnnTanh, Elem>,
                         unit_elements(args.seq), args);
}
template <typename Elem>
Status rnn_relu_sequence_forward(const Queue& queue, const RnnSequenceForward<Elem>& args) {
  return launch_sequence(queue, "rnn_relu_sequence_forward", rnn_forward_kernel<RnnRelu, Elem>,
                         unit_elements(args.seq), args);
}
template <typename Elem>
Status rnn_tanh_sequence_backward(const Queue& queue, const RnnSequenceBackward<Elem>& args) {
  return launch_sequence(queue, "rnn_tanh_sequence_backward", rnn_backward_kernel<RnnTanh, Elem>,
                         unit_elements(args.seq), args);
}
template <typename Elem>
Status rnn_relu_sequence_backward(const Queue& queue, const RnnSequenceBackward<Elem>& args) {
  return launch_sequence(queue, "rnn_relu_sequence_backward", rnn_backward_kernel<RnnRelu, Elem>,
                         unit_elements(args.seq), args);
}
template <typename Elem>
Status sequence_begin_forward(const Queue& queue, const BeginForward<Elem>& args) {
  return launch_sequence(queue, "sequence_begin_forward", begin_forward_kernel<Elem>,
                         unit_elements(args.seq), args);  // H is never less than W
}
template <typename Elem>
Status sequence_project_forward(const Queue& queue, const ProjectForward<Elem>& args) {
  return launch_sequence(queue, "sequence_project_forward", project_forward_kernel<Elem>,
                         state_elements(args.seq), args);
}
template <typename Elem>
Status sequence_project_backward(const Queue& queue, const ProjectBackward<Elem>& args) {
  return launch_sequence(queue, "sequence_project_backward", project_backward_kernel<Elem>,
                         state_elements(args.seq), args);
}
template <typename Elem>
Status sequence_end_backward(const Queue& queue, const EndBackward<Elem>& args) {
  return launch_sequence(queue, "sequence_end_backward", end_backward_kernel<Elem>,
                         state_elements(args.seq), args);
}

template <typename Elem>
Status sequence_live_rows(const Queue& queue, const LiveRows<Elem>& args) {
  const int64_t rows = static_cast<int64_t>(args.T) * args.B;
  return queue.context.launch("sequence_live_rows", live_rows_kernel<Elem>,
                              {ceil_div(rows, kRowsOfBlock), kRowThreads, 0, false}, queue.stream,
                              args);
}
template <typename Elem>
Status masked_sum(const Queue& queue, const MaskedSum<Elem>& args) {
  return queue.context.launch("masked_sum", masked_sum_kernel<Elem>,
                              {ceil_div(args.T * args.B, kRowsOfBlock), kRowThreads, 0, false},
                              queue.stream, args);
}

FRNN_FOR_ALL_ELEMENTS(rnn_tanh_sequence_forward, RnnSequenceForward);
FRNN_FOR_ALL_ELEMENTS(rnn_relu_sequence_forward, RnnSequenceForward);
FRNN_FOR_ALL_ELEMENTS(rnn_tanh_sequence_backward, RnnSequenceBackward);
FRNN_FOR_ALL_ELEMENTS(rnn_relu_sequence_backward, RnnSequenceBackward);
FRNN_FOR_ALL_ELEMENTS(sequence_begin_forward, BeginForward);
FRNN_FOR_ALL_ELEMENTS(sequence_project_forward, ProjectForward);
FRNN_FOR_ALL_ELEMENTS(sequence_project_backward, ProjectBackward);
FRNN_FOR_ALL_ELEMENTS(sequence_end_backward, EndBackward);
FRNN_FOR_ALL_ELEMENTS(sequence_live_rows, LiveRows);
FRNN_FOR_ALL_ELEMENTS(masked_sum, MaskedSum);

}  // namespace frnn
