// The plain recurrent cell (Elman 1990), the fused part of one time step.
//
//   h' = phi(W x + R h + b_ih + b_hh)        da = (dy + dh) phi'(a), from h' alone
//
// phi is tanh or relu. Forward writes h' (`=`), backward da (`=`).

#include "cells/rnn.h"
#include "kernels/steps.h"
#include "kernels/units.h"

namespace frnn {
namespace {

// Grid: one thread for Width units of one row. Bytes moved for a unit: 8 forward, 16 backward.
template <typename Cell, int Width>
FRNN_KERNEL_BOUNDS(kStepThreads, 1)
void rnn_forward_kernel(RnnForwardStep s) {
  const Unit u = my_unit<1, Width>(s.B, s.H);
  if (!u.inside) return;
  const Pack<Width> a = load<Width>(s.a + u.state) + bias_sum<Width>(s.b_ih, s.b_hh, u.j);
  const Pack<Width> h = Cell::forward(a);
  store(s.h + u.state, h);
  store_if(s.h_last, u.state, h);
}

template <typename Cell, int Width>
FRNN_KERNEL_BOUNDS(kStepThreads, 1)
void rnn_backward_kernel(RnnBackwardStep s) {
  const Unit u = my_unit<1, Width>(s.B, s.H);
  if (!u.inside) return;
  const Pack<Width> dh = load_or_zero<Width>(s.dy, u.state) + load<Width>(s.dh + u.state);
  store(s.da + u.state, Cell::backward(load<Width>(s.h + u.state), dh));
}

template <typename Cell>
Status forward(const Queue& queue, const char* name, const RnnForwardStep& s) {
  return launch_step<RnnForwardStep>(
      queue, {name, rnn_forward_kernel<Cell, 1>, rnn_forward_kernel<Cell, 4>}, s,
      {s.a, s.b_ih, s.b_hh, s.h, s.h_last});
}

template <typename Cell>
Status backward(const Queue& queue, const char* name, const RnnBackwardStep& s) {
  return launch_step<RnnBackwardStep>(
      queue, {name, rnn_backward_kernel<Cell, 1>, rnn_backward_kernel<Cell, 4>}, s,
      {s.h, s.dy, s.dh, s.da});
}

}  // namespace

Status rnn_tanh_forward_step(const Queue& queue, const RnnForwardStep& step) {
  return forward<RnnTanh>(queue, "rnn_tanh_forward_step", step);
}
Status rnn_relu_forward_step(const Queue& queue, const RnnForwardStep& step) {
  return forward<RnnRelu>(queue, "rnn_relu_forward_step", step);
}
Status rnn_tanh_backward_step(const Queue& queue, const RnnBackwardStep& step) {
  return backward<RnnTanh>(queue, "rnn_tanh_backward_step", step);
}
Status rnn_relu_backward_step(const Queue& queue, const RnnBackwardStep& step) {
  return backward<RnnRelu>(queue, "rnn_relu_backward_step", step);
}

}  // namespace frnn
