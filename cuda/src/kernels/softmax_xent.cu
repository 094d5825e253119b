// Softmax and cross-entropy, forward and backward at once, over rows of V logits.
//
//   m = max_v x_v        s = sum_v e^(x_v - m)
//   loss = log s + m - x_target        dx_v = scale (e^(x_v - m) / s - [v = target])
//
// Reads the logits twice (max and sum in one pass, by rescaling the sum when the maximum grows) and
// writes dlogits once; dlogits may be the memory of logits. Rows whose target is ignore_index have
// loss 0 and gradient 0. The loss of each row goes to a slot, and one block adds the slots in a
// fixed order in double. NaN and infinities give what the sums above give.

#include <cfloat>
#include <cmath>

#include "kernels/reduce.h"
#include "kernels/rows.h"

namespace frnn {
namespace {

constexpr int kTotalThreads = 256;
constexpr int64_t kWarpRow = 1024;  // up to this V a warp serves a row, above it a block

// Max and sum of exponentials so far. -FLT_MAX, not -infinity, is "nothing yet": then a logit of
// -infinity adds e^-inf = 0 instead of NaN.
struct Softmax {
  float max;
  float sum;
};

FRNN_DEVICE Softmax with(const Softmax& s, float x) {
  const float e = expf(-fabsf(x - s.max));
  return x > s.max ? Softmax{x, s.sum * e + 1.0f} : Softmax{s.max, s.sum + e};
}

FRNN_DEVICE Softmax merged(const Softmax& a, const Softmax& b) {
  const float max = a.max > b.max ? a.max : b.max;
  return {max, a.sum * expf(a.max - max) + b.sum * expf(b.max - max)};
}

// Grid: Threads threads for a row; with Threads = 32 four rows share a block of 128.
template <int Threads>
FRNN_KERNEL_BOUNDS(Threads == 32 ? 128 : Threads, 1)
void softmax_xent_kernel(SoftmaxXent s) {
  constexpr int kBlock = Threads == 32 ? 128 : Threads;
  constexpr int kRows = kBlock / Threads;
  constexpr int kWarps = Threads / machine::kWarp;
  FRNN_SHARED(maxima, float[kWarps]);
  FRNN_SHARED(sums, float[kWarps]);
  const int64_t n =
      static_cast<int64_t>(machine::block_index()) * kRows + machine::thread_index() / Threads;
  const int me = machine::thread_index() % Threads;
  const bool inside = n < s.N;  // the same for a whole row
  const int64_t target = inside ? s.targets[n] : s.ignore_index;
  const bool ignored = target == s.ignore_index;
  const float* const x = s.logits + (inside ? n : 0) * s.V;

  Softmax all = {-FLT_MAX, 0.0f};
  if (!ignored) {
    for (int64_t v = me; v < s.V; v += Threads)
      all = with(all, x[v]);
  }
  FRNN_UNROLL
  for (int distance = machine::kWarp / 2; distance > 0; distance /= 2) {
    const Softmax other = {machine::shuffle_xor(all.max, distance),
                           machine::shuffle_xor(all.sum, distance)};
    all = merged(all, other);
  }
  // Read before any thread writes dlogits over it.
  const bool known = target >= 0 && target < s.V;
  const float x_target = known && !ignored ? x[target] : NAN;
  if constexpr (kWarps > 1) {
    if (machine::lane_index() == 0) {
      maxima[machine::warp_index()] = all.max;
      sums[machine::warp_index()] = all.sum;
    }
    machine::sync_block();
    all = {maxima[0], sums[0]};
    FRNN_UNROLL
    for (int w = 1; w < kWarps; ++w)
      all = merged(all, {maxima[w], sums[w]});
  } else {
    // Lanes may differ in the last bit of the sum: all take that of the first.
    all = {machine::shuffle_index(all.max, 0), machine::shuffle_index(all.sum, 0)};
    machine::sync_warp();
  }
  if (!inside) return;
  all.sum += all.max - all.max;  // NaN where the maximum is infinite, as e^(inf - inf) is
  if (me == 0) {
    const double loss = ::log(static_cast<double>(all.sum)) + all.max - x_target;
    s.losses[n] = ignored ? 0.0 : loss;
  }
  if (s.dlogits == nullptr) return;
  float* const dx = s.dlogits + n * s.V;
  const float nan_if_unknown = known ? 0.0f : NAN;
  for (int64_t v = me; v < s.V; v += Threads) {
    if (ignored) {
      dx[v] = 0.0f;
      continue;
    }
    const float p = expf(x[v] - all.max) / all.sum + nan_if_unknown;
    dx[v] = s.scale * (v == target ? p - 1.0f : p);
  }
}

// Grid: one block. Thread k adds rows k, k + 256, ...; then the block adds its threads.
FRNN_KERNEL_BOUNDS(kTotalThreads, 1) void total_loss_kernel(SoftmaxXent s) {
  FRNN_SHARED(losses, double[kTotalThreads / machine::kWarp]);
  FRNN_SHARED(counts, long long[kTotalThreads / machine::kWarp]);
  double loss = 0.0;
  long long rows = 0;
  for (int64_t n = machine::thread_index(); n < s.N; n += kTotalThreads) {
    loss += s.losses[n];
    rows += s.targets[n] != s.ignore_index ? 1 : 0;
  }
  loss = block_sum<kTotalThreads>(loss, losses);
  rows = block_sum<kTotalThreads>(rows, counts);
  if (machine::thread_index() != 0) return;
  s.result->loss_sum = loss;
  s.result->rows = rows;
}

}  // namespace

Status softmax_xent(const Queue& queue, const SoftmaxXent& s) {
  if (s.V <= kWarpRow) {
    FRNN_TRY(queue.context.launch("softmax_xent_warp", softmax_xent_kernel<32>,
                                  {ceil_div(s.N, 4), 128, 0, false}, queue.stream, s));
  } else {
    FRNN_TRY(queue.context.launch("softmax_xent_block", softmax_xent_kernel<256>,
                                  {s.N, 256, 0, false}, queue.stream, s));
  }
  return queue.context.launch("softmax_xent_total", total_loss_kernel, {1, kTotalThreads, 0, false},
                              queue.stream, s);
}

}  // namespace frnn
