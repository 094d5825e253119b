// Means and variances for layer and batch norm. Variances are biased, in two passes.

#ifndef FUSEDRNN_SRC_CPU_NORM_H_
#define FUSEDRNN_SRC_CPU_NORM_H_

#include "cpu/family.h"

namespace frnn::cpu::FRNN_CPU_ISA {

// The first `lanes` lanes of a, zeros in the others.
FRNN_CPU_INLINE Vec first_lanes(Vec a, int64_t lanes) {
  if (lanes >= kWidth) return a;
  for (int64_t i = lanes; i < kWidth; ++i)
    a.v[i] = 0.0f;
  return a;
}

// f(i, lanes) for the groups of a row of n elements.
template <typename F>
FRNN_CPU_INLINE void for_groups(int64_t n, const F& f) {
  for (int64_t i = 0; i < n; i += kWidth)
    f(i, n - i);
}

FRNN_CPU_INLINE float inverse_root(double variance, double epsilon) {
  return static_cast<float>(1.0 / __builtin_sqrt(variance + epsilon));
}

struct RowStatistics {
  float mean, scale;  // scale = 1 / sqrt(variance + epsilon)
};

static inline RowStatistics row_statistics(const float* row, int64_t n, double epsilon) {
  Vec sums(0.0f), squares(0.0f);
  for_groups(n, [&](int64_t i, int64_t lanes) { sums += load_first(row + i, lanes); });
  const float mean = sum(sums) / static_cast<float>(n);
  for_groups(n, [&](int64_t i, int64_t lanes) {
    const Vec off = first_lanes(load_first(row + i, lanes) - Vec(mean), lanes);
    squares = fma(off, off, squares);
  });
  return {mean, inverse_root(static_cast<double>(sum(squares)) / static_cast<double>(n), epsilon)};
}

// What the gradient through a norm needs of a row: means of du and of du * u.
struct RowSums {
  Vec mean, share;
};

static inline RowSums row_sums(const float* du, const float* u, int64_t n) {
  Vec sums(0.0f), products(0.0f);
  for_groups(n, [&](int64_t i, int64_t lanes) {
    const Vec d = load_first(du + i, lanes);
    sums += d;
    products = fma(d, load_first(u + i, lanes), products);
  });
  const float over = static_cast<float>(n);
  return {Vec(sum(sums) / over), Vec(sum(products) / over)};
}

// f(row) for the live rows in the order of x.
template <typename F>
FRNN_CPU_INLINE void for_live_rows(const FamilyShape& shape, const F& f) {
  const int64_t outer = shape.batch_first ? shape.B : shape.T;
  const int64_t inner = shape.batch_first ? shape.T : shape.B;
  for (int64_t i = 0; i < outer; ++i) {
    for (int64_t j = 0; j < inner; ++j) {
      const int64_t t = shape.batch_first ? j : i, b = shape.batch_first ? i : j;
      if (t < shape.length(b)) f(i * inner + j);
    }
  }
}

// The sum of f(row) over the live rows; each 64 are rounded on their own.
template <typename F>
FRNN_CPU_INLINE Vec sum_live_rows(const FamilyShape& shape, const F& f) {
  Vec total(0.0f), part(0.0f);
  int64_t count = 0;
  for_live_rows(shape, [&](int64_t row) {
    part += f(row);
    if (++count % 64 != 0) return;
    total += part;
    part = Vec(0.0f);
  });
  return total + part;
}

static inline int64_t count_live_rows(const FamilyShape& shape) {
  int64_t count = 0;
  for (int64_t b = 0; b < shape.B; ++b)
    count += shape.length(b);
  return count;
}

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_NORM_H_
