// GRU with the reset gate after the recurrent product (cuDNN, torch.nn), the fused part of one
// step.
//
//   ax = W x + b_ih     r = sigmoid(ax_r + ah_r)     n  = tanh(ax_n + r * ah_n)
//   ah = U h + b_hh     z = sigmoid(ax_z + ah_z)     h' = (1 - z) n + z h
//
// Forward reads W x and U h (both [B, 3H]: the n parts meet only through r), the biases and h;
// writes h' and, for backward, the activated gates over W x, and ah_n. Backward writes dax and dah
// (they differ in n by the factor r) and the part of the gradient of h that flows through z; the
// product dah U is added to that by the caller. All writes are `=`.

#include "cells/gru.h"
#include "kernels/steps.h"
#include "kernels/units.h"

namespace frnn {
namespace {

template <int Width>
FRNN_DEVICE GruGates<Pack<Width>> load_gates(const float* gates, const Unit& u, int64_t H) {
  return {load<Width>(gates + u.gate), load<Width>(gates + u.gate + H),
          load<Width>(gates + u.gate + 2 * H)};
}

template <int Width>
FRNN_DEVICE void store_gates(float* gates, const Unit& u, int64_t H,
                             const GruGates<Pack<Width>>& value) {
  store(gates + u.gate, value.r);
  store(gates + u.gate + H, value.z);
  store(gates + u.gate + 2 * H, value.n);
}

template <int Width>
FRNN_DEVICE GruGates<Pack<Width>> with_bias(const GruGates<Pack<Width>>& a, const float* bias,
                                            const Unit& u, int64_t H) {
  return {a.r + load_or_zero<Width>(bias, u.j), a.z + load_or_zero<Width>(bias, u.j + H),
          a.n + load_or_zero<Width>(bias, u.j + 2 * H)};
}

// Grid: one thread for Width units of one row. Bytes moved for a unit: 4 * (6 parts and h in, h'
// out) = 32, and 16 more where gates and ah_n are saved.
template <int Width>
FRNN_KERNEL_BOUNDS(kStepThreads, 1)
void gru_forward_kernel(GruForwardStep s) {
  const Unit u = my_unit<3, Width>(s.B, s.H);
  if (!u.inside) return;
  const int64_t H = s.H;
  const auto ax = with_bias<Width>(load_gates<Width>(s.gates, u, H), s.b_ih, u, H);
  const auto ah = with_bias<Width>(load_gates<Width>(s.ah, u, H), s.b_hh, u, H);
  const auto y = gru_forward(ax, ah, load<Width>(s.h_prev + u.state));
  store(s.h + u.state, y.h);
  store_if(s.h_last, u.state, y.h);
  if (s.ah_n == nullptr) return;
  store(s.ah_n + u.state, ah.n);
  store_gates(s.gates, u, H, y.gates);
}

// Grid: as above. Bytes moved for a unit: 4 * (3 gates, ah_n, h, dy, dh in, 6 parts and dh out)
// = 56.
template <int Width>
FRNN_KERNEL_BOUNDS(kStepThreads, 1)
void gru_backward_kernel(GruBackwardStep s) {
  const Unit u = my_unit<3, Width>(s.B, s.H);
  if (!u.inside) return;
  const int64_t H = s.H;
  const Pack<Width> dh = load_or_zero<Width>(s.dy, u.state) + load<Width>(s.dh + u.state);
  const auto d = gru_backward(load_gates<Width>(s.gates, u, H), load<Width>(s.ah_n + u.state),
                              load<Width>(s.h_prev + u.state), dh);
  store_gates(s.dax, u, H, d.dax);
  store_gates<Width>(s.dah, u, H, {d.dax.r, d.dax.z, d.dah_n});
  store(s.dh_prev + u.state, d.dh_prev);
}

}  // namespace

Status gru_forward_step(const Queue& queue, const GruForwardStep& s) {
  return launch_step<GruForwardStep>(
      queue, {"gru_forward_step", gru_forward_kernel<1>, gru_forward_kernel<4>}, s,
      {s.gates, s.ah, s.b_ih, s.b_hh, s.h_prev, s.h, s.h_last, s.ah_n});
}

Status gru_backward_step(const Queue& queue, const GruBackwardStep& s) {
  return launch_step<GruBackwardStep>(
      queue, {"gru_backward_step", gru_backward_kernel<1>, gru_backward_kernel<4>}, s,
      {s.gates, s.ah_n, s.h_prev, s.dy, s.dh, s.dax, s.dah, s.dh_prev});
}

}  // namespace frnn
