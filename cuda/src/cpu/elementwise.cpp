// Everything that goes over vectors of numbers without a matrix product.

#include "cells/optimizer.h"
#include "cpu/kernels.h"
#include "cpu/lanes.h"
#include "cpu/simd.h"
#include "cpu/split.h"
#include "cpu/vector_math.h"

namespace frnn::cpu::FRNN_CPU_ISA {
namespace {

// Sums kVectors columns of vectors. The sum over every 64 rows is rounded on its own, so that the
// error grows with rows / 64.
template <int kVectors>
void sum_strip(const float* matrix, int64_t rows, int64_t row, int64_t columns, float* sums,
               bool accumulate) {
  Vec total[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    const int64_t lanes = lanes_at(v * kWidth, columns);
    total[v] = accumulate ? load_first(sums + v * kWidth, lanes) : Vec(0.0f);
  }
  for (int64_t first = 0; first < rows; first += 64) {
    const int64_t last = rows - first < 64 ? rows : first + 64;
    Vec part[kVectors];
    for (int v = 0; v < kVectors; ++v)
      part[v] = Vec(0.0f);
    for (int64_t n = first; n < last; ++n) {
      for (int v = 0; v < kVectors; ++v) {
        part[v] += load_first(matrix + n * row + v * kWidth, lanes_at(v * kWidth, columns));
      }
    }
    for (int v = 0; v < kVectors; ++v)
      total[v] += part[v];
  }
  for (int v = 0; v < kVectors; ++v) {
    store_first(sums + v * kWidth, total[v], lanes_at(v * kWidth, columns));
  }
}

template <typename Rule>
void update_all(const OptimizerRates& r, int64_t count, float* p, const float* g, float* state1,
                float* state2, const Rule& rule) {
  UpdateRates<Vec> rates;
  rates.learning_rate = r.learning_rate;
  rates.weight_decay = r.weight_decay;
  rates.beta1 = r.beta1;
  rates.beta2 = r.beta2;
  rates.one_minus_beta1 = r.one_minus_beta1;
  rates.one_minus_beta2 = r.one_minus_beta2;
  rates.inverse_bias2 = r.inverse_bias2;
  rates.epsilon = r.epsilon;
  const Vec gradient_scale(r.gradient_scale);
  for (int64_t i = 0; i < count; i += kWidth) {
    const int64_t lanes = lanes_at(i, count);
    Vec pv = load_first(p + i, lanes);
    Vec s1 = load_first(state1 + i, lanes);
    Vec s2 = state2 == nullptr ? Vec(0.0f) : load_first(state2 + i, lanes);
    const Vec gv = load_first(g + i, lanes) * gradient_scale + rates.weight_decay * pv;
    rule(rates, gv, pv, s1, s2);
    store_first(p + i, pv, lanes);
    store_first(state1 + i, s1, lanes);
    if (state2 != nullptr) store_first(state2 + i, s2, lanes);
  }
}

}  // namespace

void column_sums(const Worker& worker, const float* matrix, int64_t rows, int64_t row,
                 int64_t columns, float* sums, bool accumulate) {
  constexpr int kStrip = 4;
  const int64_t strips = (columns + kStrip * kWidth - 1) / (kStrip * kWidth);
  const Range mine = split(strips, worker.count, worker.index);
  for (int64_t s = mine.first; s < mine.last; ++s) {
    const int64_t column = s * kStrip * kWidth;
    const int64_t left = columns - column;
    if (left > 3 * kWidth) {
      sum_strip<4>(matrix + column, rows, row, left, sums + column, accumulate);
    } else if (left > 2 * kWidth) {
      sum_strip<3>(matrix + column, rows, row, left, sums + column, accumulate);
    } else if (left > kWidth) {
      sum_strip<2>(matrix + column, rows, row, left, sums + column, accumulate);
    } else {
      sum_strip<1>(matrix + column, rows, row, left, sums + column, accumulate);
    }
  }
  worker.sync();
}

double sum_of_squares(const float* values, int64_t count) {
  Doubles total{};
  for (int64_t i = 0; i < count; i += kWidth) {
    const Doubles x = widen(load_first(values + i, lanes_at(i, count)));
    total += x * x;
  }
  return sum_lanes(total);
}

void scale(float* values, int64_t count, float factor) {
  for (int64_t i = 0; i < count; i += kWidth) {
    const int64_t lanes = lanes_at(i, count);
    store_first(values + i, load_first(values + i, lanes) * Vec(factor), lanes);
  }
}

void clamp_each(float* values, int64_t count, float limit) {
  for (int64_t i = 0; i < count; i += kWidth) {
    const int64_t lanes = lanes_at(i, count);
    store_first(values + i, clamp(load_first(values + i, lanes), Vec(limit)), lanes);
  }
}

void update(int64_t kind, const OptimizerRates& rates, int64_t count, float* p, const float* g,
            float* state1, float* state2) {
  using Rates = UpdateRates<Vec>;
  switch (kind) {
    case FRNN_SGD:
      update_all(rates, count, p, g, state1, nullptr,
                 [](const Rates& r, Vec gv, Vec& pv, Vec& s1, Vec&) { sgd_update(r, gv, pv, s1); });
      break;
    case FRNN_ADAGRAD:
      update_all(
          rates, count, p, g, state1, nullptr,
          [](const Rates& r, Vec gv, Vec& pv, Vec& s1, Vec&) { adagrad_update(r, gv, pv, s1); });
      break;
    default:
      update_all(rates, count, p, g, state1, state2,
                 [](const Rates& r, Vec gv, Vec& pv, Vec& s1, Vec& s2) {
                   adam_update(r, gv, pv, s1, s2);
                 });
  }
}

void add(float* sum, const float* values, int64_t count) {
  for (int64_t i = 0; i < count; i += kWidth) {
    const int64_t lanes = lanes_at(i, count);
    store_first(sum + i, load_first(sum + i, lanes) + load_first(values + i, lanes), lanes);
  }
}

void map(Function function, const float* values, float* results, int64_t count) {
  for (int64_t i = 0; i < count; i += kWidth) {
    const int64_t lanes = lanes_at(i, count);
    const Vec x = load_first(values + i, lanes);
    Vec y;
    switch (function) {
      case Function::kExp:
        y = exp(x);
        break;
      case Function::kSigmoid:
        y = sigmoid(x);
        break;
      default:
        y = tanh(x);
    }
    store_first(results + i, y, lanes);
  }
}

}  // namespace frnn::cpu::FRNN_CPU_ISA
