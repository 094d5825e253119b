// Everything that goes over vectors of numbers without a matrix product.

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
