#include "gemm.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace frnn::machine::emulated {

namespace {

// A block of op(A) and one of op(B) are packed into panels that the inner loop reads straight
// through; it keeps a kRows x kColumns piece of C in registers.
constexpr int kRows = 16;
constexpr int kColumns = 6;
constexpr int64_t kBlockM = 128;
constexpr int64_t kBlockK = 256;
constexpr int64_t kBlockN = 252;

using Vector = float __attribute__((vector_size(32)));
constexpr int kVectors = kRows / 8;

// sums[column][row] of a panel of A (k x kRows) and one of B (k x kColumns).
using Piece = float[kColumns][kRows];

inline __attribute__((always_inline)) void multiply_panels(int64_t k, const float* a,
                                                           const float* b, Piece& sums) {
  Vector total[kColumns][kVectors] = {};
  for (int64_t p = 0; p < k; ++p) {
    Vector rows[kVectors];
    std::memcpy(rows, a + p * kRows, sizeof(rows));
    for (int j = 0; j < kColumns; ++j) {
      for (int i = 0; i < kVectors; ++i)
        total[j][i] += rows[i] * b[p * kColumns + j];
    }
  }
  std::memcpy(sums, total, sizeof(sums));
}

void multiply_portable(int64_t k, const float* a, const float* b, Piece& sums) {
  multiply_panels(k, a, b, sums);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void multiply_avx2(int64_t k, const float* a, const float* b,
                                                       Piece& sums) {
  multiply_panels(k, a, b, sums);
}
#endif

using Multiply = void (*)(int64_t, const float*, const float*, Piece&);

Multiply best_multiply() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return multiply_avx2;
#endif
  return multiply_portable;
}

int64_t panels(int64_t n, int64_t width) {
  return (n + width - 1) / width;
}

// Packs `count` rows (of op(A)) or columns (of op(B)) in panels of `width`; element (i, p) is at
// from[i * step + p * stride]. What a last panel lacks is zero.
void pack(const float* from, int64_t step, int64_t stride, int64_t count, int64_t k, int width,
          float* to) {
  for (int64_t first = 0; first < count; first += width) {
    const int64_t have = std::min<int64_t>(width, count - first);
    for (int64_t p = 0; p < k; ++p) {
      const float* source = from + first * step + p * stride;
      for (int64_t i = 0; i < have; ++i)
        to[i] = source[i * step];
      for (int64_t i = have; i < width; ++i)
        to[i] = 0;
      to += width;
    }
  }
}

void scale(const Gemm& g) {
  if (g.beta == 1) return;
  for (int64_t j = 0; j < g.n; ++j) {
    float* column = g.c + j * g.ldc;
    for (int64_t i = 0; i < g.m; ++i)
      column[i] = g.beta == 0 ? 0 : g.beta * column[i];
  }
}

// C += alpha (packed A)(packed B) for one block.
void multiply_block(const Gemm& g, Multiply multiply, const float* a, const float* b, int64_t rows,
                    int64_t columns, int64_t k, float* c) {
  Piece sums;
  for (int64_t j = 0; j < columns; j += kColumns) {
    for (int64_t i = 0; i < rows; i += kRows) {
      multiply(k, a + i * k, b + j * k, sums);
      const int64_t have_columns = std::min<int64_t>(kColumns, columns - j);
      const int64_t have_rows = std::min<int64_t>(kRows, rows - i);
      for (int64_t jj = 0; jj < have_columns; ++jj) {
        float* out = c + (j + jj) * g.ldc + i;
        for (int64_t ii = 0; ii < have_rows; ++ii)
          out[ii] += g.alpha * sums[jj][ii];
      }
    }
  }
}

}  // namespace

void run(const Gemm& g) {
  scale(g);
  if (g.alpha == 0 || g.m == 0 || g.n == 0) return;
  static const Multiply multiply = best_multiply();
  // Strides of op(A)(i, p) and op(B)(p, j) in memory.
  const int64_t a_i = g.transpose_a ? g.lda : 1;
  const int64_t a_p = g.transpose_a ? 1 : g.lda;
  const int64_t b_j = g.transpose_b ? 1 : g.ldb;
  const int64_t b_p = g.transpose_b ? g.ldb : 1;
  const int64_t most_k = std::min(kBlockK, g.k);
  const int64_t a_rows = panels(std::min(kBlockM, g.m), kRows) * kRows;
  const int64_t b_columns = panels(std::min(kBlockN, g.n), kColumns) * kColumns;
  std::vector<float> packed_a(static_cast<size_t>(a_rows * most_k));
  std::vector<float> packed_b(static_cast<size_t>(b_columns * most_k));
  for (int64_t p = 0; p < g.k; p += kBlockK) {
    const int64_t k = std::min(kBlockK, g.k - p);
    for (int64_t j = 0; j < g.n; j += kBlockN) {
      const int64_t columns = std::min(kBlockN, g.n - j);
      pack(g.b + j * b_j + p * b_p, b_j, b_p, columns, k, kColumns, packed_b.data());
      for (int64_t i = 0; i < g.m; i += kBlockM) {
        const int64_t rows = std::min(kBlockM, g.m - i);
        pack(g.a + i * a_i + p * a_p, a_i, a_p, rows, k, kRows, packed_a.data());
        multiply_block(g, multiply, packed_a.data(), packed_b.data(), rows, columns, k,
                       g.c + j * g.ldc + i);
      }
    }
  }
}

}  // namespace frnn::machine::emulated
