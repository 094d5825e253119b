// LSTM, the fused part of one time step (Hochreiter and Schmidhuber 1997; Gers et al. 2000).
//
//   a = W x + R h + b_ih + b_hh        i = sigmoid(a_i)  f = sigmoid(a_f)  g = tanh(a_g)
//   c' = f c + i g                     o = sigmoid(a_o)  h' = o tanh(c')
//
// Forward reads W x + R h [B, 4H], the biases and c; writes h', c' and, for backward, the activated
// gates over the preactivations. Backward reads the gates, c, c' and the gradients of h' (from
// above and from the next step) and c'; writes da [B, 4H] and the gradient of c. All writes are
// `=`.

#include "cells/lstm.h"
#include "kernels/steps.h"
#include "kernels/units.h"

namespace frnn {
namespace {

// Grid: one thread for Width units of one row. Bytes moved for a unit: 4 * (4 gates + c in, c and h
// out) = 28, and 16 more where gates are saved; about 150 operations, of which 5 exponentials:
// bound by memory on any GPU.
template <int Width>
FRNN_KERNEL_BOUNDS(kStepThreads, 1)
void lstm_forward_kernel(LstmForwardStep s) {
  const Unit u = my_unit<4, Width>(s.B, s.H);
  if (!u.inside) return;
  const int64_t H = s.H;
  const auto preactivation = [&](int gate) {
    return load<Width>(s.gates + u.gate + gate * H) +
           bias_sum<Width>(s.b_ih, s.b_hh, u.j + gate * H);
  };
  const LstmGates<Pack<Width>> a = {preactivation(0), preactivation(1), preactivation(2),
                                    preactivation(3)};
  const auto y = lstm_forward(a, load<Width>(s.c_prev + u.state));
  store(s.c + u.state, y.c);
  store(s.h + u.state, y.h);
  store_if(s.h_last, u.state, y.h);
  store_if(s.c_last, u.state, y.c);
  if (!s.save_gates) return;
  store(s.gates + u.gate + 0 * H, y.gates.i);
  store(s.gates + u.gate + 1 * H, y.gates.f);
  store(s.gates + u.gate + 2 * H, y.gates.g);
  store(s.gates + u.gate + 3 * H, y.gates.o);
}

// Grid: as above. Bytes moved for a unit: 4 * (4 gates, c, c', dy, dh, dc in, 4 da and dc out)
// = 56.
template <int Width>
FRNN_KERNEL_BOUNDS(kStepThreads, 1)
void lstm_backward_kernel(LstmBackwardStep s) {
  const Unit u = my_unit<4, Width>(s.B, s.H);
  if (!u.inside) return;
  const int64_t H = s.H;
  const LstmGates<Pack<Width>> gates = {
      load<Width>(s.gates + u.gate + 0 * H), load<Width>(s.gates + u.gate + 1 * H),
      load<Width>(s.gates + u.gate + 2 * H), load<Width>(s.gates + u.gate + 3 * H)};
  const Pack<Width> dh = load_or_zero<Width>(s.dy, u.state) + load<Width>(s.dh + u.state);
  const auto d = lstm_backward(gates, load<Width>(s.c_prev + u.state), load<Width>(s.c + u.state),
                               dh, load<Width>(s.dc + u.state));
  store(s.da + u.gate + 0 * H, d.da.i);
  store(s.da + u.gate + 1 * H, d.da.f);
  store(s.da + u.gate + 2 * H, d.da.g);
  store(s.da + u.gate + 3 * H, d.da.o);
  store(s.dc_prev + u.state, d.dc_prev);
}

}  // namespace

Status lstm_forward_step(const Queue& queue, const LstmForwardStep& s) {
  return launch_step<LstmForwardStep>(
      queue, {"lstm_forward_step", lstm_forward_kernel<1>, lstm_forward_kernel<4>}, s,
      {s.gates, s.b_ih, s.b_hh, s.c_prev, s.c, s.h, s.h_last, s.c_last});
}

Status lstm_backward_step(const Queue& queue, const LstmBackwardStep& s) {
  return launch_step<LstmBackwardStep>(
      queue, {"lstm_backward_step", lstm_backward_kernel<1>, lstm_backward_kernel<4>}, s,
      {s.gates, s.c_prev, s.c, s.dy, s.dh, s.dc, s.da, s.dc_prev});
}

}  // namespace frnn
