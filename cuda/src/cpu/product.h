// The recurrent micro-kernel: a few rows of a row-major matrix, read in place, times one packed
// panel of kVectors vectors of columns. Unlike the kernel of gemm.cpp it needs no packed A, since A
// (the state of the step before, or x) is small and new at every step.

#ifndef FUSEDRNN_SRC_CPU_PRODUCT_H_
#define FUSEDRNN_SRC_CPU_PRODUCT_H_

#include <utility>

#include "cpu/simd.h"
#include "cpu/simd_16bit.h"
#include "cpu/split.h"
#include "cpu/worker.h"

namespace frnn::cpu::FRNN_CPU_ISA {

constexpr int64_t kLine = 64;  // bytes of a cache line

// How the numbers of a panel lie in memory. A panel has kVectors vectors for each of the k.
struct Float32 {
  using Element = float;

  template <int kVectors>
  static FRNN_CPU_INLINE void load_vectors(const float* b, Floats (&v)[kVectors]) {
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i)
      v[i] = load(b + i * kWidth).v;
  }
};

// Weights rounded to bf16. Two vectors share one of 32-bit lanes, the first in the low halves; the
// last of an odd number stands alone, in order. All sums are fp32.
struct Bfloat16 {
  using Element = uint16_t;

  template <int kVectors>
  static FRNN_CPU_INLINE void load_vectors(const uint16_t* b, Floats (&v)[kVectors]) {
#pragma GCC unroll 4
    for (int i = 0; i + 1 < kVectors; i += 2) {
      const Ints both = bits_of(load(reinterpret_cast<const float*>(b + i * kWidth)));
      v[i] = floats_of(both << 16).v;
      v[i + 1] = floats_of(both & static_cast<int32_t>(0xffff0000)).v;
    }
    if constexpr (kVectors % 2 == 1) {
      const Halves last = load_halves(b + (kVectors - 1) * kWidth, kWidth);
      v[kVectors - 1] = floats_of(__builtin_convertvector(last, Ints) << 16).v;
    }
  }
};

struct Product {
  int64_t k;
  const float* a;  // [rows][k]
  int64_t a_row;   // may be 0: one row for all
  const void* b;   // packed [k][kVectors * kWidth], in elements of the panel's kind
  // The sums start from `start` in the first kFromStart vectors, and from `bias` in the others.
  const float* start;
  int64_t start_row;
  const float* bias;  // one row for all
  float* out;
  int64_t out_row;
  // Memory to fetch while this is multiplied, a cache line for each of the k; may be null.
  const char* ahead;
};

// Rows that a tile of `vectors` vectors can hold in registers, beside a vector for each column
// vector of B and one for A.
constexpr int tile_rows(int vectors) {
  const int rows = (kRegisters - vectors - 1) / vectors;
  return rows > 8 ? 8 : rows;
}

template <typename Panel, int kRows, int kVectors, int kFromStart, bool kAhead>
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
  const auto* b = static_cast<const typename Panel::Element*>(t.b);
  const float* a[kRows];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
    a[i] = t.a + i * t.a_row;
  const int64_t k = t.k;
  for (int64_t p = 0; p < k; ++p, b += kVectors * kWidth) {
    if (kAhead) __builtin_prefetch(t.ahead + p * kLine, 0, 2);
    Floats bv[kVectors];
    Panel::template load_vectors<kVectors>(b, bv);
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

template <int kVectors, int kFromStart, typename Panel = Float32>
struct Products {
  static constexpr int kRows = tile_rows(kVectors);

  template <bool kAhead, int... kHeights>
  static void call(int64_t rows, const Product& t, std::integer_sequence<int, kHeights...>) {
    static constexpr MultiplyTile kByHeight[] = {
        multiply_tile<Panel, kHeights + 1, kVectors, kFromStart, kAhead>...};
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

// So few rows leave most registers free, and the sums of one panel would wait for each other:
// several panels are multiplied at once.
constexpr int64_t kNarrowRows = kRegisters == 32 ? 2 : 1;
// Sums that keep two multiply-add units of a latency of four busy.
constexpr int kSumsInFlight = 8;
constexpr int narrow_panels(int vectors) {
  return (kSumsInFlight + vectors - 1) / vectors;
}

// Panels, biases and results of a product follow each other at these distances.
struct PanelSteps {
  int64_t b;  // elements
  int64_t bias, out;
};

template <typename Panel, int kRows, int kVectors, int kPanels>
void multiply_narrow(const Product& t, const PanelSteps& step) {
  Floats sum[kPanels][kRows][kVectors];
#pragma GCC unroll 8
  for (int n = 0; n < kPanels; ++n) {
#pragma GCC unroll 2
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        sum[n][i][v] = load(t.bias + n * step.bias + v * kWidth).v;
    }
  }
  const auto* b = static_cast<const typename Panel::Element*>(t.b);
  for (int64_t p = 0; p < t.k; ++p, b += kVectors * kWidth) {
    Floats a[kRows];
#pragma GCC unroll 2
    for (int i = 0; i < kRows; ++i)
      a[i] = Vec(t.a[i * t.a_row + p]).v;
#pragma GCC unroll 8
    for (int n = 0; n < kPanels; ++n) {
      Floats bv[kVectors];
      Panel::template load_vectors<kVectors>(b + n * step.b, bv);
#pragma GCC unroll 2
      for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
          sum[n][i][v] = fma(Vec(a[i]), Vec(bv[v]), Vec(sum[n][i][v])).v;
      }
    }
  }
#pragma GCC unroll 8
  for (int n = 0; n < kPanels; ++n) {
#pragma GCC unroll 2
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        store(t.out + n * step.out + i * t.out_row + v * kWidth, Vec(sum[n][i][v]));
    }
  }
}

// Calls f(first row, rows) for pieces of 0 .. count - 1, all nearly of a size and at most `most`.
template <typename F>
FRNN_CPU_INLINE void for_pieces(int64_t count, int64_t most, const F& f) {
  const int64_t pieces = (count + most - 1) / most;
  for (int64_t i = 0; i < pieces; ++i) {
    const Range r = split(count, pieces, i);
    f(r.first, r.size());
  }
}

// How a team shares the rows and the tiles of units of a step. Members that have the same rows must
// meet after every step; a member without rows has no part in the loop over time.
struct Part {
  Range rows;
  int64_t across;  // members that have these rows
  int64_t index;   // which of them this one is
  bool alone;      // one member does the whole loop

  FRNN_CPU_INLINE Range share(int64_t tiles) const { return split(tiles, across, index); }
  FRNN_CPU_INLINE void meet(const Worker& worker) const {
    if (across > 1) worker.sync();
  }
};

// Bytes of weights that one member reads from L2 in a nanosecond; every two rows cost as much as
// one reading.
constexpr int64_t kBytesPerNs = 180;
// To meet, and to fetch what the others have written, takes two meetings' time.
constexpr int64_t kMeetingsPerStep = 2;

// Where every member's cache holds all recurrent weights, rows are shared out: members then never
// wait for each other. Otherwise tiles are, so that each member reads its part of the weights only.
static inline Part part_of(const Worker& worker, int64_t rows, int64_t weight_bytes) {
  constexpr int64_t kFewestRows = 4;
  int64_t by_rows = 1;
  if (weight_bytes <= worker.stays_bytes) {
    for (int n = 1; n <= worker.count; ++n) {
      if (worker.count % n == 0 && rows / n >= kFewestRows) by_rows = n;
    }
  }
  Part part{};
  const int64_t step_ns = weight_bytes / kBytesPerNs * (rows > 2 ? rows : 2) / 2;
  const int64_t gain_ns = step_ns - step_ns / worker.count;
  part.alone = by_rows == 1 && worker.count > 1 && gain_ns < kMeetingsPerStep * worker.meeting_ns;
  if (part.alone) {
    part.across = 1;
    part.rows = {0, worker.index == 0 ? rows : 0};
    return part;
  }
  part.across = worker.count / by_rows;
  part.index = worker.index % part.across;
  part.rows = split(rows, by_rows, worker.index / part.across);
  return part;
}

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_PRODUCT_H_
