// The geometry that the step kernels share: one thread owns Width neighbouring units of one batch
// row, and all their gates. No thread reads what another writes.

#ifndef FUSEDRNN_SRC_KERNELS_UNITS_H_
#define FUSEDRNN_SRC_KERNELS_UNITS_H_

#include "kernels/launch.h"
#include "kernels/pack.h"

namespace frnn {

constexpr int kStepThreads = 128;

struct Unit {
  int64_t state;  // offset of (b, j) in a tensor [B, H]
  int64_t gate;   // offset of (b, j) of the first gate in a tensor [B, G*H]; the next is H further
  int j;          // offset in a bias of the first gate
  bool inside;
};

template <int Gates, int Width>
FRNN_DEVICE Unit my_unit(int B, int H) {
  // 32 bits: B * H < 2^31, and a division of 64 bits would be a fifth of the kernel's instructions.
  const unsigned row = static_cast<unsigned>(H) / Width;
  const unsigned index = static_cast<unsigned>(machine::block_index()) * kStepThreads +
                         static_cast<unsigned>(machine::thread_index());
  const unsigned b = index / row;
  const unsigned j = (index - b * row) * Width;
  const int64_t begin = static_cast<int64_t>(b) * H;
  return {begin + j, Gates * begin + j, static_cast<int>(j), b < static_cast<unsigned>(B)};
}

// The bias of one gate for this unit: b_ih + b_hh, either of which may be absent.
template <int Width>
FRNN_DEVICE Pack<Width> bias_sum(const float* b_ih, const float* b_hh, int64_t offset) {
  return load_or_zero<Width>(b_ih, offset) + load_or_zero<Width>(b_hh, offset);
}

// Launches kernels.four or kernels.one. Packs of four save instructions and come where there is
// enough work for every multiprocessor to hold a full set of such threads; below that, more threads
// with less to do in a row finish sooner.
template <typename Args>
struct StepKernels {
  const char* name;
  void (*one)(Args);
  void (*four)(Args);
};

template <typename Args>
Status launch_step(const Queue& queue, const StepKernels<Args>& kernels, const Args& args,
                   std::initializer_list<const void*> addresses) {
  const int64_t units = static_cast<int64_t>(args.B) * args.H;
  const bool wide =
      units >= 4 * kStepThreads * queue.multiprocessors() && packs_of_four(args.H, addresses);
  const int64_t threads = wide ? units / 4 : units;
  const machine::Grid grid = {ceil_div(threads, kStepThreads), kStepThreads, 0, false};
  return queue.context.launch(kernels.name, wide ? kernels.four : kernels.one, grid, queue.stream,
                              args);
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_UNITS_H_
