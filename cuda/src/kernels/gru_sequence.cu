// GRU with the reset after the recurrent product, over rows of any length, direction and layout:
// one step of all rows. Equations in cells/gru.h; masks and zoneout in sequence_steps.h. Where a
// mask stands on h, the recurrent product sees the masked h, and z * h the state itself.

#include "cells/gru.h"
#include "kernels/sequence_steps.h"

namespace frnn {
namespace {

// Grid, in both kernels: one thread for a unit of a row.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void gru_forward_kernel(GruSequenceForward<Elem> s) {
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
      gru_forward<float>({ax(0), ax(1), ax(2)}, {ah(0), ah(1), ah_n}, widen(s.state.h[p.state]));
  if (s.seq.training) {
    row[0] = y.gates.r;
    row[H] = y.gates.z;
    row[2 * H] = y.gates.n;
    s.ah_n[time.row * H + p.j] = ah_n;
  }
  end_step(s.seq, s.state, p, time, y.h);
}

template <typename Elem>
FRNN_DEVICE void store_three(Elem* rows, Elem* step, const Sequence& s, const Time& time,
                             const Place& p, float r, float z, float n) {
  const int H = s.H;
  store_gradient(rows, step, time.row, p.b, 3 * H, p.j, r);
  store_gradient(rows, step, time.row, p.b, 3 * H, p.j + H, z);
  store_gradient(rows, step, time.row, p.b, 3 * H, p.j + 2 * H, n);
}

template <typename Elem>
FRNN_KERNEL_BOUNDS(kSequenceThreads, 1)
void gru_backward_kernel(GruSequenceBackward<Elem> s) {
  const Place p = my_place(s.seq.B, s.seq.H);
  if (!p.inside) return;
  const Time time = time_of(s.seq, p.b);
  const StateGradient h = begin_step(s.seq, s.state, p, time);
  Elem* const none = nullptr;
  if (!time.live) {
    s.state.dh[p.state] = h.old;
    store_three(s.da, none, s.seq, time, p, 0, 0, 0);
    store_three(s.dah, s.da_step, s.seq, time, p, 0, 0, 0);
    return;
  }
  const int64_t H = s.seq.H;
  const float* const row = s.gates + time.row * 3 * H + p.j;
  const auto d = gru_backward<float>({row[0], row[H], row[2 * H]}, s.ah_n[time.row * H + p.j],
                                     h.h_prev, h.fresh);
  s.state.dh[p.state] = d.dh_prev + h.old;
  store_three(s.da, none, s.seq, time, p, d.dax.r, d.dax.z, d.dax.n);
  store_three(s.dah, s.da_step, s.seq, time, p, d.dax.r, d.dax.z, d.dah_n);
}

}  // namespace

template <typename Elem>
Status gru_sequence_forward(const Queue& queue, const GruSequenceForward<Elem>& args) {
  return launch_sequence(queue, "gru_sequence_forward", gru_forward_kernel<Elem>,
                         unit_elements(args.seq), args);
}
template <typename Elem>
Status gru_sequence_backward(const Queue& queue, const GruSequenceBackward<Elem>& args) {
  return launch_sequence(queue, "gru_sequence_backward", gru_backward_kernel<Elem>,
                         unit_elements(args.seq), args);
}

FRNN_FOR_ALL_ELEMENTS(gru_sequence_forward, GruSequenceForward);
FRNN_FOR_ALL_ELEMENTS(gru_sequence_backward, GruSequenceBackward);

}  // namespace frnn
