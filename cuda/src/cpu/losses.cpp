// Losses with their gradients, over neighbouring numbers.

#include "cpu/kernels.h"
#include "cpu/lanes.h"
#include "cpu/simd.h"
#include "cpu/vector_math.h"

namespace frnn::cpu::FRNN_CPU_ISA {
namespace {

// The largest of a row, which passes over NaN, and the sum of all.
struct RowScan {
  float largest;
  double sum;
};

RowScan scan_row(const float* logits, int64_t V, bool sums) {
  Vec most(-__builtin_inff());
  Doubles total{};
  for (int64_t i = 0; i < V; i += kWidth) {
    const int64_t lanes = lanes_at(i, V);
    Vec x = load_first(logits + i, lanes);
    if (sums) total += widen(x);
    for (int64_t j = lanes; j < kWidth; ++j)
      x.v[j] = -__builtin_inff();
    most = select(x.v > most.v, x, most);
  }
  return {maximum(most), sum_lanes(total)};
}

}  // namespace

double softmax_row(const float* logits, int64_t V, int64_t target, double smoothing, double factor,
                   float* dlogits) {
  const RowScan scan = scan_row(logits, V, smoothing > 0);
  const double at_target = logits[target];
  const double uniform = smoothing / static_cast<double>(V);
  Doubles sums{};
  for (int64_t i = 0; i < V; i += kWidth) {
    const int64_t lanes = lanes_at(i, V);
    Vec e = exp(load_first(logits + i, lanes) - Vec(scan.largest));
    for (int64_t j = lanes; j < kWidth; ++j)
      e.v[j] = 0.0f;
    sums += widen(e);
    if (dlogits != nullptr) store_first(dlogits + i, e, lanes);
  }
  const double total = sum_lanes(sums);
  if (dlogits != nullptr) {
    const Vec share(static_cast<float>(factor / total));
    const Vec everywhere(static_cast<float>(factor * uniform));
    for (int64_t i = 0; i < V; i += kWidth) {
      const int64_t lanes = lanes_at(i, V);
      store_first(dlogits + i, load_first(dlogits + i, lanes) * share - everywhere, lanes);
    }
    dlogits[target] -= static_cast<float>(factor * (1.0 - smoothing));
  }
  const double spread = smoothing > 0 ? uniform * scan.sum : 0.0;
  return __builtin_log(total) + scan.largest - (1.0 - smoothing) * at_target - spread;
}

double squared_error(const float* y, const float* targets, int64_t count, float slope, float* dy) {
  Doubles total{};
  for (int64_t i = 0; i < count; i += kWidth) {
    const int64_t lanes = lanes_at(i, count);
    const Vec difference = load_first(y + i, lanes) - load_first(targets + i, lanes);
    const Doubles wide = widen(difference);
    total += wide * wide;
    if (dy != nullptr) store_first(dy + i, Vec(slope) * difference, lanes);
  }
  return sum_lanes(total);
}

}  // namespace frnn::cpu::FRNN_CPU_ISA
