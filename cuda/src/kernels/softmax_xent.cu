// Softmax and cross-entropy, forward and backward at once, over rows of V logits.
//
//   m = max_v x_v        s = sum_v e^(x_v - m)        q_v = (1 - k) [v = target] + k / V
//   loss = log s + m - sum_v q_v x_v        dx_v = factor (e^(x_v - m) / s - q_v)
//
// Reads the logits twice (max and sums in one pass, by rescaling the sum when the maximum grows)
// and writes dlogits once; dlogits may be the memory of logits. Rows whose target is ignore_index
// have loss 0 and gradient 0. The loss of each row goes to a slot, and one block adds the slots in
// a fixed order in double. NaN and infinities give what the sums above give.

#include <cfloat>
#include <cmath>

#include "kernels/loss.h"

namespace frnn {
namespace {

using machine::narrow;
using machine::widen;

constexpr int64_t kWarpRow = 1024;    // up to this V a warp serves a row,
constexpr int64_t kBlockRow = 16384;  // up to this 256 threads, above it 1024

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

// The softmax of a row of logits, in all threads that share it; with smoothing also k / V times
// their sum, in `spread`. Lanes may differ in the last bit of a sum: all take that of the first.
template <int Threads>
FRNN_DEVICE Softmax row_softmax(Softmax all, float* spread, float (&maxima)[Threads / 32],
                                float (&sums)[Threads / 32], float (&spreads)[Threads / 32]) {
  constexpr int kWarps = Threads / machine::kWarp;
  FRNN_UNROLL
  for (int distance = machine::kWarp / 2; distance > 0; distance /= 2) {
    const Softmax other = {machine::shuffle_xor(all.max, distance),
                           machine::shuffle_xor(all.sum, distance)};
    all = merged(all, other);
    *spread += machine::shuffle_xor(*spread, distance);
  }
  if constexpr (kWarps == 1) {
    *spread = machine::shuffle_index(*spread, 0);
    return {machine::shuffle_index(all.max, 0), machine::shuffle_index(all.sum, 0)};
  }
  if (machine::lane_index() == 0) {
    maxima[machine::warp_index()] = all.max;
    sums[machine::warp_index()] = all.sum;
    spreads[machine::warp_index()] = *spread;
  }
  machine::sync_block();
  all = {maxima[0], sums[0]};
  *spread = spreads[0];
  for (int w = 1; w < kWarps; ++w) {
    all = merged(all, {maxima[w], sums[w]});
    *spread += spreads[w];
  }
  return all;
}

// Grid: Threads threads for a row; with Threads = 32 four rows share a block of 128.
template <typename Elem, int Threads>
FRNN_KERNEL_BOUNDS(Threads == 32 ? 128 : Threads, 1)
void softmax_xent_kernel(SoftmaxXent<Elem> s) {
  constexpr int kBlock = Threads == 32 ? 128 : Threads;
  constexpr int kRows = kBlock / Threads;
  FRNN_SHARED(maxima, float[Threads / machine::kWarp]);
  FRNN_SHARED(sums, float[Threads / machine::kWarp]);
  FRNN_SHARED(spreads, float[Threads / machine::kWarp]);
  const int64_t n =
      static_cast<int64_t>(machine::block_index()) * kRows + machine::thread_index() / Threads;
  const int me = machine::thread_index() % Threads;
  const bool inside = n < s.N;  // the same for a whole row
  const int64_t target = inside ? s.targets[n] : s.ignore_index;
  const bool ignored = target == s.ignore_index;
  const Elem* const x = s.logits + (inside ? n : 0) * s.V;
  const double uniform = s.label_smoothing / static_cast<double>(s.V);
  const float everywhere = static_cast<float>(uniform);

  Softmax all = {-FLT_MAX, 0.0f};
  float spread = 0.0f;
  if (!ignored) {
    for (int64_t v = me; v < s.V; v += Threads) {
      const float value = widen(x[v]);
      all = with(all, value);
      if (everywhere > 0.0f) spread += everywhere * value;
    }
  }
  // Read before any thread writes dlogits over it.
  const bool known = target >= 0 && target < s.V;
  const float x_target = known && !ignored ? widen(x[target]) : NAN;
  all = row_softmax<Threads>(all, &spread, maxima, sums, spreads);
  if constexpr (Threads == 32) machine::sync_warp();
  if (!inside) return;
  all.sum += all.max - all.max;  // NaN where the maximum is infinite, as e^(inf - inf) is
  if (me == 0) {
    const double at_target = (1.0 - s.label_smoothing) * x_target;
    const double loss = ::log(static_cast<double>(all.sum)) + all.max - at_target - spread;
    s.losses[n] = ignored ? 0.0 : loss;
  }
  if (s.dlogits == nullptr) return;
  Elem* const dx = s.dlogits + n * s.V;
  const float factor = static_cast<float>(factor_of(s.factor, s.result));
  const float nan_if_unknown = known ? 0.0f : NAN;
  const float sure = static_cast<float>(1.0 - s.label_smoothing);
  for (int64_t v = me; v < s.V; v += Threads) {
    if (ignored) {
      dx[v] = narrow<Elem>(0.0f);
      continue;
    }
    const float p = expf(widen(x[v]) - all.max) / all.sum + nan_if_unknown;
    dx[v] = narrow<Elem>(factor * ((v == target ? p - sure : p) - everywhere));
  }
}

struct TotalLoss {
  int64_t N, V;
  const int32_t* targets;
  int64_t ignore_index;
  const double* losses;  // null: rows are only counted
  frnn_loss_result* result;
};

// Grid: one block.
FRNN_KERNEL_BOUNDS(kTotalThreads, 1) void total_loss_kernel(TotalLoss s) {
  FRNN_SHARED(losses, double[kTotalThreads / machine::kWarp]);
  FRNN_SHARED(counts, long long[kTotalThreads / machine::kWarp]);
  double loss = 0.0;
  if (s.losses != nullptr) {
    loss = total_of(s.N, losses, [&](int64_t n) { return s.losses[n]; });
  }
  const long long rows = total_of(
      s.N, counts, [&](int64_t n) -> long long { return s.targets[n] != s.ignore_index ? 1 : 0; });
  const long long bad = total_of(s.N, counts, [&](int64_t n) -> long long {
    const int64_t target = s.targets[n];
    return target != s.ignore_index && (target < 0 || target >= s.V) ? 1 : 0;
  });
  if (machine::thread_index() != 0) return;
  s.result->loss_sum = loss;
  s.result->rows = rows;
  s.result->bad_targets = bad;
}

Status total_loss(const Queue& queue, const TotalLoss& total) {
  return queue.context.launch("softmax_xent_total", total_loss_kernel, {1, kTotalThreads, 0, false},
                              queue.stream, total);
}

template <typename Elem>
Status softmax_rows(const Queue& queue, const SoftmaxXent<Elem>& s) {
  if (s.V <= kWarpRow) {
    return queue.context.launch("softmax_xent_warp", softmax_xent_kernel<Elem, 32>,
                                {ceil_div(s.N, 4), 128, 0, false}, queue.stream, s);
  }
  if (s.V <= kBlockRow) {
    return queue.context.launch("softmax_xent_block", softmax_xent_kernel<Elem, 256>,
                                {s.N, 256, 0, false}, queue.stream, s);
  }
  return queue.context.launch("softmax_xent_large", softmax_xent_kernel<Elem, 1024>,
                              {s.N, 1024, 0, false}, queue.stream, s);
}

}  // namespace

template <typename Elem>
Status softmax_xent(const Queue& queue, const SoftmaxXent<Elem>& s) {
  TotalLoss total = {s.N, s.V, s.targets, s.ignore_index, nullptr, s.result};
  if (s.factor.mean && s.dlogits != nullptr) FRNN_TRY(total_loss(queue, total));
  FRNN_TRY(softmax_rows(queue, s));
  total.losses = s.losses;
  return total_loss(queue, total);
}

template Status softmax_xent(const Queue&, const SoftmaxXent<float>&);
template Status softmax_xent(const Queue&, const SoftmaxXent<machine::Bf16>&);
template Status softmax_xent(const Queue&, const SoftmaxXent<machine::F16>&);

}  // namespace frnn
