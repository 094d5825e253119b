// Mean squared error, forward and backward at once:
//
//   loss = sum_n w_n / F sum_f (y - t)^2        dy = factor 2 w_n / F (y - t)
//
// Reads y and t once and writes dy once, which may be the memory of y. A block owns 1024
// neighbouring elements whatever F is; its sum goes to a slot, and one block adds the slots in a
// fixed order. Squares are double: the error of the sum is then that of the differences alone.

#include "kernels/loss.h"

namespace frnn {
namespace {

using machine::narrow;
using machine::widen;

constexpr int kThreads = 256;
constexpr int64_t kElements = 1024;  // of a block; the door says so, for the slots

// Grid: a block for 1024 elements. Bytes moved: three elements each.
template <typename Elem>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void mse_kernel(Mse<Elem> s) {
  FRNN_SHARED(scratch, double[kThreads / machine::kWarp]);
  const int64_t begin = machine::block_index() * kElements;
  const int64_t all = s.N * s.F;
  const int64_t end = begin + kElements < all ? begin + kElements : all;
  const double factor = s.dy == nullptr ? 0.0 : factor_of(s.factor, s.result);
  const float slope = static_cast<float>(factor * 2.0 / static_cast<double>(s.F));
  double loss = 0.0;
  for (int64_t e = begin + machine::thread_index(); e < end; e += kThreads) {
    const float weight = s.weights == nullptr ? 1.0f : s.weights[e / s.F];
    const bool counts = weight != 0.0f;  // what does not count may be anything, NaN too
    const float difference = counts ? widen(s.y[e]) - widen(s.targets[e]) : 0.0f;
    loss += static_cast<double>(weight) * difference * difference;
    if (s.dy != nullptr) s.dy[e] = narrow<Elem>(slope * weight * difference);
  }
  loss = block_sum<kThreads>(loss, scratch);
  if (machine::thread_index() == 0) s.losses[machine::block_index()] = loss;
}

struct TotalMse {
  int64_t N, F;
  const float* weights;
  int64_t slots;  // 0: rows are only counted
  const double* losses;
  frnn_loss_result* result;
};

// Grid: one block.
FRNN_KERNEL_BOUNDS(kTotalThreads, 1) void total_mse_kernel(TotalMse s) {
  FRNN_SHARED(losses, double[kTotalThreads / machine::kWarp]);
  FRNN_SHARED(counts, long long[kTotalThreads / machine::kWarp]);
  const double loss = total_of(s.slots, losses, [&](int64_t k) { return s.losses[k]; });
  long long rows = s.N;
  if (s.weights != nullptr) {
    rows =
        total_of(s.N, counts, [&](int64_t n) -> long long { return s.weights[n] != 0.0f ? 1 : 0; });
  }
  if (machine::thread_index() != 0) return;
  s.result->loss_sum = loss / static_cast<double>(s.F);
  s.result->rows = rows;
  s.result->bad_targets = 0;
}

Status total_mse(const Queue& queue, const TotalMse& total) {
  return queue.context.launch("mse_total", total_mse_kernel, {1, kTotalThreads, 0, false},
                              queue.stream, total);
}

}  // namespace

template <typename Elem>
Status mse(const Queue& queue, const Mse<Elem>& s) {
  TotalMse total = {s.N, s.F, s.weights, 0, s.losses, s.result};
  if (s.factor.mean && s.dy != nullptr) FRNN_TRY(total_mse(queue, total));
  total.slots = ceil_div(s.N * s.F, kElements);
  FRNN_TRY(queue.context.launch("mse", mse_kernel<Elem>, {total.slots, kThreads, 0, false},
                                queue.stream, s));
  return total_mse(queue, total);
}

template Status mse(const Queue&, const Mse<float>&);
template Status mse(const Queue&, const Mse<machine::Bf16>&);
template Status mse(const Queue&, const Mse<machine::F16>&);

}  // namespace frnn
