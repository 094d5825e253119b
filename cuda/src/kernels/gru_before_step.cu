// GRU with the reset gate before the recurrent product (Cho et al. 2014, v3), the fused parts of
// one step. U_n multiplies r * h, so r of all units must be there first: each pass has two halves
// with a matrix product between them.
//
//   first:   r = sigmoid(a_r)   z = sigmoid(a_z)   rh = r * h          a = W x + U h + b_ih + b_hh
//   product: a_n += U_n rh
//   second:  n = tanh(a_n)      h' = (1 - z) n + z h
//
// Backward: first da_n, da_z and the gradient of h through z; product drh = da_n U_n; second da_r
// and the gradient of h through rh; the product of (da_r, da_z) with (U_r, U_z) is added by the
// caller.

#include "cells/gru.h"
#include "kernels/steps.h"
#include "kernels/units.h"

namespace frnn {
namespace {

// Grid, in all four kernels: one thread for Width units of one row. Bytes moved for a unit are 24,
// 20, 32 and 24: bound by memory.
template <int Width>
FRNN_KERNEL_BOUNDS(kStepThreads, 1)
void forward_first_kernel(GruBeforeForwardFirstStep s) {
  const Unit u = my_unit<3, Width>(s.B, s.H);
  if (!u.inside) return;
  const int64_t H = s.H;
  const Pack<Width> a_r = load<Width>(s.gates + u.gate) + bias_sum<Width>(s.b_ih, s.b_hh, u.j);
  const Pack<Width> a_z =
      load<Width>(s.gates + u.gate + H) + bias_sum<Width>(s.b_ih, s.b_hh, u.j + H);
  const auto y = gru_before_forward_first(a_r, a_z, load<Width>(s.h_prev + u.state));
  store(s.gates + u.gate, y.r);
  store(s.gates + u.gate + H, y.z);
  store(s.rh + u.state, y.rh);
}

template <int Width>
FRNN_KERNEL_BOUNDS(kStepThreads, 1)
void forward_second_kernel(GruBeforeForwardSecondStep s) {
  const Unit u = my_unit<3, Width>(s.B, s.H);
  if (!u.inside) return;
  const int64_t H = s.H;
  const Pack<Width> a_n =
      load<Width>(s.gates + u.gate + 2 * H) + bias_sum<Width>(s.b_ih, s.b_hh, u.j + 2 * H);
  const auto y = gru_before_forward_second(a_n, load<Width>(s.gates + u.gate + H),
                                           load<Width>(s.h_prev + u.state));
  store(s.gates + u.gate + 2 * H, y.n);
  store(s.h + u.state, y.h);
  store_if(s.h_last, u.state, y.h);
}

template <int Width>
FRNN_KERNEL_BOUNDS(kStepThreads, 1)
void backward_first_kernel(GruBeforeBackwardFirstStep s) {
  const Unit u = my_unit<3, Width>(s.B, s.H);
  if (!u.inside) return;
  const int64_t H = s.H;
  const Pack<Width> dh = load_or_zero<Width>(s.dy, u.state) + load<Width>(s.dh + u.state);
  const auto d = gru_before_backward_first(load<Width>(s.gates + u.gate + H),
                                           load<Width>(s.gates + u.gate + 2 * H),
                                           load<Width>(s.h_prev + u.state), dh);
  store(s.da + u.gate + H, d.da_z);
  store(s.da + u.gate + 2 * H, d.da_n);
  store(s.dh_prev + u.state, d.dh_prev);
}

template <int Width>
FRNN_KERNEL_BOUNDS(kStepThreads, 1)
void backward_second_kernel(GruBeforeBackwardSecondStep s) {
  const Unit u = my_unit<3, Width>(s.B, s.H);
  if (!u.inside) return;
  const auto d =
      gru_before_backward_second(load<Width>(s.gates + u.gate), load<Width>(s.h_prev + u.state),
                                 load<Width>(s.drh + u.state), load<Width>(s.dh_prev + u.state));
  store(s.da + u.gate, d.da_r);
  store(s.dh_prev + u.state, d.dh_prev);
}

}  // namespace

Status gru_before_forward_first_step(const Queue& queue, const GruBeforeForwardFirstStep& s) {
  return launch_step<GruBeforeForwardFirstStep>(
      queue, {"gru_before_forward_first_step", forward_first_kernel<1>, forward_first_kernel<4>}, s,
      {s.gates, s.b_ih, s.b_hh, s.h_prev, s.rh});
}

Status gru_before_forward_second_step(const Queue& queue, const GruBeforeForwardSecondStep& s) {
  return launch_step<GruBeforeForwardSecondStep>(
      queue, {"gru_before_forward_second_step", forward_second_kernel<1>, forward_second_kernel<4>},
      s, {s.gates, s.b_ih, s.b_hh, s.h_prev, s.h, s.h_last});
}

Status gru_before_backward_first_step(const Queue& queue, const GruBeforeBackwardFirstStep& s) {
  return launch_step<GruBeforeBackwardFirstStep>(
      queue, {"gru_before_backward_first_step", backward_first_kernel<1>, backward_first_kernel<4>},
      s, {s.gates, s.h_prev, s.dy, s.dh, s.da, s.dh_prev});
}

Status gru_before_backward_second_step(const Queue& queue, const GruBeforeBackwardSecondStep& s) {
  return launch_step<GruBeforeBackwardSecondStep>(
      queue,
      {"gru_before_backward_second_step", backward_second_kernel<1>, backward_second_kernel<4>}, s,
      {s.gates, s.h_prev, s.drh, s.da, s.dh_prev});
}

}  // namespace frnn
