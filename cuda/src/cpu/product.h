// The recurrent micro-kernel: a few rows of a row-major matrix, read in place, times one packed
// panel of kVectors vectors of columns. Unlike the kernel of gemm.cpp it needs no packed A, since A
// (the state of the step before, or x) is small and new at every step.

#ifndef FUSEDRNN_SRC_CPU_PRODUCT_H_
#define FUSEDRNN_SRC_CPU_PRODUCT_H_

#include <utility>

#include "cpu/simd.h"
#include "cpu/split.h"
#include "cpu/worker.h"

namespace frnn::cpu::FRNN_CPU_ISA {

constexpr int64_t kLine = 16;  // floats in a cache line

struct Product {
  int64_t k;
  const float* a;  // [rows][k]
  int64_t a_row;   // may be 0: one row for all
  const float* b;  // packed [k][kVectors * kWidth]
  // The sums start from `start` in the first kFromStart vectors, and from `bias` in the others.
  const float* start;
  int64_t start_row;
  const float* bias;  // one row for all
  float* out;
  int64_t out_row;
  // Memory to fetch while this is multiplied, a cache line for each of the k; may be null.
  const float* ahead;
};

// Rows that a tile of `vectors` vectors can hold in registers, beside a vector for each column
// vector of B and one for A.
constexpr int tile_rows(int vectors) {
  const int rows = (kRegisters - vectors - 1) / vectors;
  return rows > 8 ? 8 : rows;
}

template <int kRows, int kVectors, int kFromStart, bool kAhead>
void multiply_tile(const Product& t) {
  Floats sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const float* from = v < kFromStart ? t.start + i * t.start_row : t.bias;
      sum[i][v] = load(from + v * kWidth).v;
    }
  }
  const float* b = t.b;
  const float* a[kRows];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
    a[i] = t.a + i * t.a_row;
  const int64_t k = t.k;
  for (int64_t p = 0; p < k; ++p, b += kVectors * kWidth) {
    if (kAhead) __builtin_prefetch(t.ahead + p * kLine, 0, 2);
    Floats bv[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
      bv[v] = load(b + v * kWidth).v;
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const Floats ai = Vec(a[i][p]).v;
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        sum[i][v] = fma(Vec(ai), Vec(bv[v]), Vec(sum[i][v])).v;
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
      store(t.out + i * t.out_row + v * kWidth, Vec(sum[i][v]));
  }
}

using MultiplyTile = void (*)(const Product&);

template <int kVectors, int kFromStart>
struct Products {
  static constexpr int kRows = tile_rows(kVectors);

  template <bool kAhead, int... kHeights>
  static void call(int64_t rows, const Product& t, std::integer_sequence<int, kHeights...>) {
    static constexpr MultiplyTile kByHeight[] = {
        multiply_tile<kHeights + 1, kVectors, kFromStart, kAhead>...};
    kByHeight[rows - 1](t);
  }

  // 1 <= rows <= kRows.
  static FRNN_CPU_INLINE void multiply(int64_t rows, const Product& t) {
    if (t.ahead == nullptr) {
      call<false>(rows, t, std::make_integer_sequence<int, kRows>());
    } else {
      call<true>(rows, t, std::make_integer_sequence<int, kRows>());
    }
  }
};

// Calls f(first row, rows) for pieces of 0 .. count - 1, all nearly of a size and at most `most`.
template <typename F>
FRNN_CPU_INLINE void for_pieces(int64_t count, int64_t most, const F& f) {
  const int64_t pieces = (count + most - 1) / most;
  for (int64_t i = 0; i < pieces; ++i) {
    const Range r = split(count, pieces, i);
    f(r.first, r.size());
  }
}

// The weights that a member reads at every step do not stay in its L2 where they are larger than
// this. While the rows of a batch go over one panel, the next one is then fetched from L3.
constexpr int64_t kStaysBytes = 1280 * 1024;

// How a team shares the rows and the tiles of units of a step. Members that have the same rows must
// meet after every step.
struct Part {
  Range rows;
  int64_t across;  // members that have these rows
  int64_t index;   // which of them this one is

  FRNN_CPU_INLINE Range share(int64_t tiles) const { return split(tiles, across, index); }
  FRNN_CPU_INLINE void meet(const Worker& worker) const {
    if (across > 1) worker.sync();
  }
};

// Where every member's cache holds all recurrent weights, rows are shared out: members then never
// wait for each other. Otherwise tiles are, so that each member reads its part of the weights only.
static inline Part part_of(const Worker& worker, int64_t rows, int64_t weight_bytes) {
  constexpr int64_t kFewestRows = 4;
  int64_t by_rows = 1;
  if (weight_bytes <= kStaysBytes) {
    for (int n = 1; n <= worker.count; ++n) {
      if (worker.count % n == 0 && rows / n >= kFewestRows) by_rows = n;
    }
  }
  Part part;
  part.across = worker.count / by_rows;
  part.index = worker.index % part.across;
  part.rows = split(rows, by_rows, worker.index / part.across);
  return part;
}

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_PRODUCT_H_
