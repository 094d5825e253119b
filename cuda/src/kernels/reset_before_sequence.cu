// The cells that reset h before the recurrent product, over rows of any length, direction and
// layout: GRU (Cho et al. 2014, v3), MUT1, MUT2 and MUT3 (Jozefowicz et al. 2015). One step of all
// rows, in two halves with the product U_n (r * h) between them. Equations in cells/gru.h and
// cells/mut.h; masks and zoneout in sequence_steps.h. Where a mask stands on h, every product sees
// the masked h, and the update gate's own h the state itself.

#include "cells/gru.h"
#include "cells/mut.h"
#include "kernels/sequence_steps.h"

namespace frnn {
namespace {

// Grid, in all kernels: one thread for a unit of a row.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void forward_first_kernel(ResetBeforeForward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  if (!time.live) {
    s.rh[p.state] = narrow<Elem>(0.0f);
    return;
  }
  const int64_t H = s.seq.H;
  float* const row = s.gates + time.row * 3 * H + p.j;
  const float* const step = s.ah + p.b * 2 * H + p.j;
  const float a_r = (row[0] + step[0]) + (bias_at(s.b_ih, p.j) + bias_at(s.b_hh, p.j));
  const float a_z =
      s.kind.bare_z ? row[H] + bias_at(s.b_ih, p.j + H)
                    : (row[H] + step[H]) + (bias_at(s.b_ih, p.j + H) + bias_at(s.b_hh, p.j + H));
  const auto y = gru_before_forward_first(a_r, a_z, widen(s.state.hin[p.state]));
  row[0] = y.r;
  row[H] = y.z;
  s.rh[p.state] = narrow<Elem>(y.rh);
}

template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void forward_second_kernel(ResetBeforeForward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  if (!time.live) {
    end_step(s.seq, s.state, p, time, 0.0f);
    return;
  }
  const int64_t H = s.seq.H;
  float* const row = s.gates + time.row * 3 * H + p.j;
  const float b_ih = bias_at(s.b_ih, p.j + 2 * H);
  const float b_hh = bias_at(s.b_hh, p.j + (s.kind.bare_z ? H : 2 * H));
  float a_n = (row[2 * H] + s.un[p.state]) + (b_ih + b_hh);
  if (s.kind.tanh_input) {
    const float input_n = tanh(row[2 * H] + b_ih);
    if (s.seq.training) s.input_n[time.row * H + p.j] = input_n;
    a_n = input_n + (s.un[p.state] + b_hh);
  }
  const float h = widen(s.state.h[p.state]);
  const auto y =
      s.kind.mut ? mut_forward_second(a_n, row[H], h) : gru_before_forward_second(a_n, row[H], h);
  row[2 * H] = y.n;
  end_step(s.seq, s.state, p, time, y.h);
}

// Gradients of the update gate and of n; n's input part apart where it went through tanh.
template <typename Elem>
FRNN_DEVICE void store_first(const ResetBeforeBackward<Elem>& s, const Place& p, const Time& time,
                             float da_z, float da_n, float dax_n) {
  const int H = s.seq.H;
  Elem* const none = nullptr;
  if (!s.kind.bare_z) {  // dah is da
    store_gradient(s.dah, s.da_step, time.row, p.b, 3 * H, p.j + H, da_z);
    store_gradient(s.dah, s.da_step, time.row, p.b, 3 * H, p.j + 2 * H, da_n);
    return;
  }
  store_gradient(s.da, none, time.row, p.b, 3 * H, p.j + H, da_z);
  store_gradient(s.da, none, time.row, p.b, 3 * H, p.j + 2 * H, dax_n);
  store_gradient(s.dah, s.da_step, time.row, p.b, 2 * H, p.j + H, da_n);
}

template <typename Elem>
FRNN_DEVICE void store_reset(const ResetBeforeBackward<Elem>& s, const Place& p, const Time& time,
                             float da_r) {
  const int H = s.seq.H;
  Elem* const none = nullptr;
  store_gradient(s.dah, s.da_step, time.row, p.b, (s.kind.bare_z ? 2 : 3) * H, p.j, da_r);
  if (s.kind.bare_z) store_gradient(s.da, none, time.row, p.b, 3 * H, p.j, da_r);
}

template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void backward_first_kernel(ResetBeforeBackward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  const StateGradient h = begin_step(s.seq, s.state, p, time);
  const int64_t H = s.seq.H;
  if (s.kind.tanh_state) s.tanh_h[time.row * H + p.j] = narrow<Elem>(tanh(h.hin));  // tanh(0) = 0
  if (!time.live) {
    s.state.dh[p.state] = h.old;
    store_first(s, p, time, 0.0f, 0.0f, 0.0f);
    return;
  }
  const float* const row = s.gates + time.row * 3 * H + p.j;
  const float z = row[H], n = row[2 * H];
  const auto d = s.kind.mut ? mut_backward_first(z, n, h.h_prev, h.fresh)
                            : gru_before_backward_first(z, n, h.h_prev, h.fresh);
  s.state.dh[p.state] = d.dh_prev + h.old;
  const float dax_n =
      s.kind.tanh_input ? d.da_n * tanh_slope(s.input_n[time.row * H + p.j]) : d.da_n;
  store_first(s, p, time, d.da_z, d.da_n, dax_n);
}

template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void backward_second_kernel(ResetBeforeBackward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  const int64_t H = s.seq.H, row = time.row * H + p.j;
  if (!time.live) {
    s.rh[row] = narrow<Elem>(0.0f);
    store_reset(s, p, time, 0.0f);
    return;
  }
  const float r = s.gates[time.row * 3 * H + p.j];
  const float hin = widen(s.state.hin[row]);  // kept by the first half
  const auto d = gru_before_backward_second(r, hin, s.drh[p.state], 0.0f);
  float dhin = d.dh_prev;
  if (s.kind.tanh_state) dhin += s.dtanh[p.state] * tanh_slope(tanh(hin));
  s.state.dh[p.state] += masked(s.seq.recurrent, p.state, dhin);
  s.rh[row] = narrow<Elem>(r * hin);
  store_reset(s, p, time, d.da_r);
}

template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void tanh_state_kernel(TanhState<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (p.inside) s.out[p.state] = narrow<Elem>(tanh(widen(s.in[p.state])));
}

}  // namespace

template <typename Elem>
Status reset_before_forward_first(const Queue& queue, const ResetBeforeForward<Elem>& args) {
  return launch_sequence(queue, "reset_before_forward_first", forward_first_kernel<Elem>,
                         unit_elements(args.seq), args);
}
template <typename Elem>
Status reset_before_forward_second(const Queue& queue, const ResetBeforeForward<Elem>& args) {
  return launch_sequence(queue, "reset_before_forward_second", forward_second_kernel<Elem>,
                         unit_elements(args.seq), args);
}
template <typename Elem>
Status reset_before_backward_first(const Queue& queue, const ResetBeforeBackward<Elem>& args) {
  return launch_sequence(queue, "reset_before_backward_first", backward_first_kernel<Elem>,
                         unit_elements(args.seq), args);
}
template <typename Elem>
Status reset_before_backward_second(const Queue& queue, const ResetBeforeBackward<Elem>& args) {
  return launch_sequence(queue, "reset_before_backward_second", backward_second_kernel<Elem>,
                         unit_elements(args.seq), args);
}
template <typename Elem>
Status sequence_tanh_state(const Queue& queue, const TanhState<Elem>& args) {
  return launch_sequence(queue, "sequence_tanh_state", tanh_state_kernel<Elem>,
                         unit_elements(args.seq), args);
}

FRNN_FOR_ALL_ELEMENTS(reset_before_forward_first, ResetBeforeForward);
FRNN_FOR_ALL_ELEMENTS(reset_before_forward_second, ResetBeforeForward);
FRNN_FOR_ALL_ELEMENTS(reset_before_backward_first, ResetBeforeBackward);
FRNN_FOR_ALL_ELEMENTS(reset_before_backward_second, ResetBeforeBackward);
FRNN_FOR_ALL_ELEMENTS(sequence_tanh_state, TanhState);

}  // namespace frnn
