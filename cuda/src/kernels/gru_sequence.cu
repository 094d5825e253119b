// GRU, both forms, over rows of any length, direction and layout: one step of all rows. Equations
// in cells/gru.h; masks and zoneout in sequence_steps.h. Where a mask stands on h, the recurrent
// products and r * h see the masked h, and z * h the state itself.

#include "cells/gru.h"
#include "kernels/sequence_steps.h"

namespace frnn {
namespace {

FRNN_DEVICE float bias_at(const float* bias, int64_t at) {
  return bias != nullptr ? bias[at] : 0.0f;
}

// Grid, in all kernels: one thread for a unit of a row.
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1) void gru_forward_kernel(GruSequenceForward s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  if (!time.live) {
    end_step(s.seq, s.state, p, time, 0.0f);
    return;
  }
  const int64_t H = s.seq.H;
  float* const row = s.gates + time.row * 3 * H + p.j;
  const float* const step = s.ah + p.b * 3 * H + p.j;
  const auto ax = [&](int64_t k) { return row[k * H] + bias_at(s.b_ih, p.j + k * H); };
  const auto ah = [&](int64_t k) { return step[k * H] + bias_at(s.b_hh, p.j + k * H); };
  const float ah_n = ah(2);
  const auto y =
      gru_forward<float>({ax(0), ax(1), ax(2)}, {ah(0), ah(1), ah_n}, s.state.h[p.state]);
  if (s.seq.training) {
    row[0] = y.gates.r;
    row[H] = y.gates.z;
    row[2 * H] = y.gates.n;
    s.ah_n[time.row * H + p.j] = ah_n;
  }
  end_step(s.seq, s.state, p, time, y.h);
}

FRNN_KERNEL_BOUNDS(kSequenceThreads, 1) void forward_first_kernel(GruSequenceForward s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  if (!time.live) {
    s.rh[p.state] = 0.0f;
    return;
  }
  const int64_t H = s.seq.H;
  float* const row = s.gates + time.row * 3 * H + p.j;
  const float* const step = s.ah + p.b * 3 * H + p.j;
  const auto a = [&](int64_t k) {
    const int64_t at = p.j + k * H;
    return (row[k * H] + step[k * H]) + (bias_at(s.b_ih, at) + bias_at(s.b_hh, at));
  };
  const auto y = gru_before_forward_first(a(0), a(1), s.state.hin[p.state]);
  row[0] = y.r;
  row[H] = y.z;
  s.rh[p.state] = y.rh;
}

FRNN_KERNEL_BOUNDS(kSequenceThreads, 1) void forward_second_kernel(GruSequenceForward s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  if (!time.live) {
    end_step(s.seq, s.state, p, time, 0.0f);
    return;
  }
  const int64_t H = s.seq.H, at = p.j + 2 * H;
  float* const row = s.gates + time.row * 3 * H + p.j;
  const float a_n = (row[2 * H] + s.un[p.state]) + (bias_at(s.b_ih, at) + bias_at(s.b_hh, at));
  const auto y = gru_before_forward_second(a_n, row[H], s.state.h[p.state]);
  row[2 * H] = y.n;
  end_step(s.seq, s.state, p, time, y.h);
}

FRNN_DEVICE void store_three(float* rows, float* step, const Sequence& s, const Time& time,
                             const Place& p, float r, float z, float n) {
  const int H = s.H;
  store_gradient(rows, step, time.row, p.b, 3 * H, p.j, r);
  store_gradient(rows, step, time.row, p.b, 3 * H, p.j + H, z);
  store_gradient(rows, step, time.row, p.b, 3 * H, p.j + 2 * H, n);
}

FRNN_KERNEL_BOUNDS(kSequenceThreads, 1) void gru_backward_kernel(GruSequenceBackward s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  const StateGradient h = begin_step(s.seq, s.state, p, time);
  if (!time.live) {
    s.state.dh[p.state] = h.old;
    store_three(s.da, nullptr, s.seq, time, p, 0, 0, 0);
    store_three(s.dah, s.da_step, s.seq, time, p, 0, 0, 0);
    return;
  }
  const int64_t H = s.seq.H;
  const float* const row = s.gates + time.row * 3 * H + p.j;
  const auto d = gru_backward<float>({row[0], row[H], row[2 * H]}, s.ah_n[time.row * H + p.j],
                                     h.h_prev, h.fresh);
  s.state.dh[p.state] = d.dh_prev + h.old;
  store_three(s.da, nullptr, s.seq, time, p, d.dax.r, d.dax.z, d.dax.n);
  store_three(s.dah, s.da_step, s.seq, time, p, d.dax.r, d.dax.z, d.dah_n);
}

FRNN_KERNEL_BOUNDS(kSequenceThreads, 1) void backward_first_kernel(GruSequenceBackward s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  const StateGradient h = begin_step(s.seq, s.state, p, time);
  if (!time.live) {
    s.state.dh[p.state] = h.old;
    store_three(s.da, s.da_step, s.seq, time, p, 0, 0, 0);
    return;
  }
  const int64_t H = s.seq.H;
  const float* const row = s.gates + time.row * 3 * H + p.j;
  const auto d = gru_before_backward_first(row[H], row[2 * H], h.h_prev, h.fresh);
  s.state.dh[p.state] = d.dh_prev + h.old;
  store_three(s.da, s.da_step, s.seq, time, p, 0.0f, d.da_z, d.da_n);  // r: in the second half
}

FRNN_KERNEL_BOUNDS(kSequenceThreads, 1) void backward_second_kernel(GruSequenceBackward s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  const int64_t H = s.seq.H, row = time.row * H + p.j;
  if (!time.live) {
    s.rh[row] = 0.0f;
    return;
  }
  const float r = s.gates[time.row * 3 * H + p.j];
  const float hin = s.state.hin[row];  // kept by the first half
  const auto d = gru_before_backward_second(r, hin, s.drh[p.state], 0.0f);
  s.state.dh[p.state] += masked(s.seq.recurrent, p.state, d.dh_prev);
  s.rh[row] = r * hin;
  store_gradient(s.da, s.da_step, time.row, p.b, 3 * s.seq.H, p.j, d.da_r);
}

}  // namespace

Status gru_sequence_forward(const Queue& queue, const GruSequenceForward& args) {
  return launch_sequence(queue, "gru_sequence_forward", gru_forward_kernel, unit_elements(args.seq),
                         args);
}
Status gru_before_sequence_forward_first(const Queue& queue, const GruSequenceForward& args) {
  return launch_sequence(queue, "gru_before_sequence_forward_first", forward_first_kernel,
                         unit_elements(args.seq), args);
}
Status gru_before_sequence_forward_second(const Queue& queue, const GruSequenceForward& args) {
  return launch_sequence(queue, "gru_before_sequence_forward_second", forward_second_kernel,
                         unit_elements(args.seq), args);
}

Status gru_sequence_backward(const Queue& queue, const GruSequenceBackward& args) {
  return launch_sequence(queue, "gru_sequence_backward", gru_backward_kernel,
                         unit_elements(args.seq), args);
}
Status gru_before_sequence_backward_first(const Queue& queue, const GruSequenceBackward& args) {
  return launch_sequence(queue, "gru_before_sequence_backward_first", backward_first_kernel,
                         unit_elements(args.seq), args);
}
Status gru_before_sequence_backward_second(const Queue& queue, const GruSequenceBackward& args) {
  return launch_sequence(queue, "gru_before_sequence_backward_second", backward_second_kernel,
                         unit_elements(args.seq), args);
}

}  // namespace frnn
