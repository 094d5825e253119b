// Packing: copies of a matrix in the order in which the micro-kernels read it.

#ifndef FUSEDRNN_SRC_CPU_PACK_H_
#define FUSEDRNN_SRC_CPU_PACK_H_

#include "cpu/simd.h"

namespace frnn::cpu::FRNN_CPU_ISA {

struct Interleave {
  Ints low{}, high{};
  constexpr Interleave() {
    for (int i = 0; i < kWidth; ++i) {
      low[i] = i / 2 + (i % 2) * kWidth;
      high[i] = low[i] + kWidth / 2;
    }
  }
};

// Transposes kWidth vectors of kWidth floats in registers. Interleaving row i with row i + kWidth/2
// moves one bit of the row number into the column number; log2(kWidth) times moves them all.
FRNN_CPU_INLINE void transpose(Floats (&rows)[kWidth]) {
  const Interleave mask;
#pragma GCC unroll 4
  for (int stage = 1; stage < kWidth; stage *= 2) {
    Floats next[kWidth];
#pragma GCC unroll 8
    for (int i = 0; i < kWidth / 2; ++i) {
      next[2 * i] = __builtin_shuffle(rows[i], rows[i + kWidth / 2], mask.low);
      next[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + kWidth / 2], mask.high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i)
      rows[i] = next[i];
  }
}

// packed[p * step + i] = source[i * stride + p] for i < rows (at most kWidth) and p < k.
static inline void pack_across(float* packed, int64_t step, int64_t rows, int64_t k,
                               const float* source, int64_t stride) {
  for (int64_t p = 0; p < k; p += kWidth) {
    const int64_t columns = k - p < kWidth ? k - p : kWidth;
    Floats block[kWidth];
    if (columns == kWidth) {  // rows that are not there repeat the last one, and are not stored
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i) {
        block[i] = load(source + (i < rows ? i : rows - 1) * stride + p).v;
      }
    } else {
      for (int i = 0; i < kWidth; ++i) {
        block[i] = i < rows ? load_first(source + i * stride + p, columns).v : Floats{};
      }
    }
    transpose(block);
    float* out = packed + p * step;
    if (rows == kWidth && columns == kWidth) {
#pragma GCC unroll 16
      for (int i = 0; i < kWidth; ++i)
        store(out + i * step, block[i]);
    } else {
      for (int i = 0; i < columns; ++i)
        store_first(out + i * step, block[i], rows);
    }
  }
}

// packed[p * step + i] = source[p * stride + i] for i < columns and p < k.
static inline void pack_along(float* packed, int64_t step, int64_t columns, int64_t k,
                              const float* source, int64_t stride) {
  const int64_t whole = columns - columns % kWidth;
  for (int64_t p = 0; p < k; ++p) {
    float* out = packed + p * step;
    const float* in = source + p * stride;
    for (int64_t i = 0; i < whole; i += kWidth)
      store(out + i, load(in + i));
    if (whole < columns) {
      store_first(out + whole, load_first(in + whole, columns - whole), columns - whole);
    }
  }
}

// packed[p * step + i] = 0 for first <= i < last and p < k.
static inline void pack_zeros(float* packed, int64_t step, int64_t first, int64_t last, int64_t k) {
  if (first >= last) return;
  for (int64_t p = 0; p < k; ++p) {
    std::memset(packed + p * step + first, 0, static_cast<size_t>(last - first) * sizeof(float));
  }
}

// A panel of `lanes` columns: element (p, i) lies at source[i * lane_stride + p * k_stride], one of
// the two strides being 1. The panel is `width` wide, filled up with zeros.
static inline void pack_panel(float* packed, int64_t width, int64_t lanes, int64_t k,
                              const float* source, int64_t lane_stride, int64_t k_stride) {
  if (lane_stride == 1) {
    pack_along(packed, width, lanes, k, source, k_stride);
  } else {
    for (int64_t i = 0; i < lanes; i += kWidth) {
      pack_across(packed + i, width, lanes - i < kWidth ? lanes - i : kWidth, k,
                  source + i * lane_stride, lane_stride);
    }
  }
  pack_zeros(packed, width, lanes, width, k);
}

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_PACK_H_
