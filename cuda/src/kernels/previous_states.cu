// h before each step, for the gradient of the recurrent weights after a resident backward kernel:
// that kernel itself has no use for it but in a GRU, and all rows at once are cheaper than one by
// one in its loop.

#include "kernels/resident_backward_cells.h"
#include "kernels/sequence_steps.h"

namespace frnn {
namespace {

constexpr int kThreads = 128;

// Grid: a thread for an element. Bytes moved: an element read and written; with gates 4 and one
// more.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void previous_states_kernel(PreviousStates<Elem> s) {
  const int64_t index =
      static_cast<int64_t>(machine::block_index()) * kThreads + machine::thread_index();
  const int64_t step_and_b = index / s.H, j = index - step_and_b * s.H;
  const int step = static_cast<int>(step_and_b / s.B);
  const int b = static_cast<int>(step_and_b - static_cast<int64_t>(step) * s.B);
  if (step >= s.T) return;
  const Moment at = moment_of(s, b, length_of(s, b), step);
  const float h = at.live ? h_before(s, at, static_cast<int>(j)) : 0.0f;
  s.h[at.row * s.H + j] = narrow<Elem>(h);
  if (s.gates == nullptr) return;
  const float rh = at.live ? s.gates[at.row * 3 * s.H + j] * h : 0.0f;
  s.rh[at.row * s.H + j] = narrow<Elem>(rh);
}

}  // namespace

template <typename Elem>
Status previous_states(const Queue& queue, const PreviousStates<Elem>& args) {
  const int64_t elements = static_cast<int64_t>(args.T) * args.B * args.H;
  return queue.context.launch("previous_states", previous_states_kernel<Elem>,
                              {ceil_div(elements, kThreads), kThreads, 0, false}, queue.stream,
                              args);
}

FRNN_FOR_ALL_ELEMENTS(previous_states, PreviousStates);

}  // namespace frnn
