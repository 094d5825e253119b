// What both passes of the general path share: addresses, the time of a step, masks, products with
// packed weights.

#ifndef FUSEDRNN_SRC_CPU_FAMILY_H_
#define FUSEDRNN_SRC_CPU_FAMILY_H_

#include "cells/gru.h"
#include "cells/lstm_variant.h"
#include "cells/mut.h"
#include "cells/philox.h"
#include "cpu/family_layout.h"
#include "cpu/kernels.h"
#include "cpu/panels.h"
#include "cpu/product.h"
#include "cpu/vector_math.h"

namespace frnn::cpu::FRNN_CPU_ISA {

static inline float* floats_at(int64_t address) {
  return reinterpret_cast<float*>(address);
}

// Which gate blocks an LSTM has, and where; -1: absent.
struct LstmBlocks {
  LstmVariant variant;
  int64_t i, f, g, o;  // blocks of the gates
  int64_t pi, pf, po;  // rows of w_peephole
};

static inline LstmBlocks lstm_blocks(const frnn_rnn& rnn) {
  LstmBlocks b;
  b.variant.peephole = (rnn.variant & FRNN_PEEPHOLE) != 0;
  b.variant.coupled = (rnn.variant & FRNN_COUPLED) != 0;
  b.variant.input_gate = (rnn.variant & (FRNN_COUPLED | FRNN_NO_INPUT_GATE)) == 0;
  b.variant.forget_gate = (rnn.variant & FRNN_NO_FORGET_GATE) == 0;
  b.variant.output_gate = (rnn.variant & FRNN_NO_OUTPUT_GATE) == 0;
  b.variant.cell_clip = static_cast<float>(rnn.cell_clip);
  int64_t next = 0, peephole = 0;
  b.i = b.variant.input_gate ? next++ : -1;
  b.f = b.variant.forget_gate ? next++ : -1;
  b.g = next++;
  b.o = b.variant.output_gate ? next++ : -1;
  b.pi = b.variant.peephole && b.i >= 0 ? peephole++ : -1;
  b.pf = b.variant.peephole && b.f >= 0 ? peephole++ : -1;
  b.po = b.variant.peephole && b.o >= 0 ? peephole++ : -1;
  return b;
}

// A call's sizes and the order of its rows.
struct FamilyShape {
  const frnn_rnn& rnn;
  FamilyLayout l;
  int64_t T, B, I, H, N, G, R;
  int64_t x_ld, y_ld;
  bool training, reverse, batch_first;

  explicit FamilyShape(const frnn_rnn& r) : rnn(r), l(family_layout_of(r, kWidth)) {
    T = r.T, B = r.B, I = r.I, H = r.H, N = l.N, G = l.G, R = l.R;
    x_ld = r.x_ld != 0 ? r.x_ld : I;
    y_ld = r.y_ld != 0 ? r.y_ld : N;
    training = (r.flags & FRNN_TRAINING) != 0;
    reverse = (r.flags & FRNN_REVERSE) != 0;
    batch_first = (r.flags & FRNN_BATCH_FIRST) != 0;
  }

  FRNN_CPU_INLINE int64_t length(int64_t b) const {
    if (rnn.lengths == 0) return T;
    const int64_t n = reinterpret_cast<const int32_t*>(rnn.lengths)[b];
    return n < 0 ? 0 : n > T ? T : n;
  }
  // The row of x of time t.
  FRNN_CPU_INLINE int64_t row_at(int64_t t, int64_t b) const {
    return batch_first ? b * T + t : t * B + b;
  }
  // The time of step s of batch row b, which is live: s < length(b).
  FRNN_CPU_INLINE int64_t time_of(int64_t s, int64_t b) const {
    return reverse ? length(b) - 1 - s : s;
  }
};

// All ones in the lanes of elements that a mask drops, from element `first` on.
FRNN_CPU_INLINE Ints dropped_lanes(const Mask& mask, int64_t first, int64_t lanes) {
  Ints drop{};
  for (int64_t i = 0; i < lanes && i < kWidth; ++i) {
    if (dropped(mask, first + i)) drop[i] = -1;
  }
  return drop;
}

// The mask of recurrent dropout for each element of h: 0 or 1 / (1 - p). Rows are shared out.
static inline void draw_recurrent_mask(const Worker& worker, const FamilyShape& shape,
                                       const Mask& mask, float* factors) {
  const Range rows = split(shape.B, worker.count, worker.index);
  for (int64_t i = rows.first * shape.N; i < rows.last * shape.N; ++i) {
    factors[i] = mask.threshold == 0 ? 1.0f : dropped(mask, i) ? 0.0f : mask.scale;
  }
}

// `rows` rows of A times one panel of kVectors vectors; f(row, sums) for each of them.
template <int kVectors, typename F>
FRNN_CPU_INLINE void multiply_rows(Range rows, int64_t k, const float* a, int64_t a_row,
                                   const float* panel, const float* bias, const F& f) {
  using Multiply = Products<kVectors, 0>;
  alignas(64) float sums[Multiply::kRows * kVectors * kWidth];
  Product p{};
  p.k = k;
  p.a_row = a_row;
  p.b = panel;
  p.bias = bias;
  p.out = sums;
  p.out_row = kVectors * kWidth;
  for_pieces(rows.size(), Multiply::kRows, [&](int64_t first, int64_t height) {
    p.a = a + (rows.first + first) * a_row;
    Multiply::multiply(height, p);
    for (int64_t i = 0; i < height; ++i)
      f(rows.first + first + i, sums + i * kVectors * kWidth);
  });
}

template <int kVectors, typename F>
FRNN_CPU_INLINE void multiply_panel(const Panels& panels, int64_t tile, Range rows, int64_t first,
                                    int64_t k, const float* a, int64_t a_row, const float* bias,
                                    const F& f) {
  alignas(64) const float zeros[kVectors * kWidth] = {};
  const float* start = bias == nullptr ? zeros : bias + tile * kBackwardGroups * kWidth;
  const float* panel = panels.panel(tile) + first * kVectors * kWidth;
  multiply_rows<kVectors>(rows, k, a, a_row, panel, start, [&](int64_t row, const float* sums) {
    for (int v = 0; v < kVectors; ++v) {
      const int64_t column = (tile * kBackwardGroups + v) * kWidth;
      f(row, column, panels.columns - column, load(sums + v * kWidth));
    }
  });
}

// Rows of A times rows [first, first + k) of the matrix. The sums start from `bias`, one float for
// each column of the panels, or from zero.
template <typename F>
FRNN_CPU_INLINE void multiply_panels(const Panels& panels, Range tiles, Range rows, int64_t first,
                                     int64_t k, const float* a, int64_t a_row, const float* bias,
                                     const F& f) {
  static_assert(kBackwardGroups == 4, "one case below for each number of groups in a panel");
  for (int64_t tile = tiles.first; tile < tiles.last; ++tile) {
    switch (panels.vectors(tile)) {
      case 1:
        multiply_panel<1>(panels, tile, rows, first, k, a, a_row, bias, f);
        break;
      case 2:
        multiply_panel<2>(panels, tile, rows, first, k, a, a_row, bias, f);
        break;
      case 3:
        multiply_panel<3>(panels, tile, rows, first, k, a, a_row, bias, f);
        break;
      default:
        multiply_panel<4>(panels, tile, rows, first, k, a, a_row, bias, f);
    }
  }
}

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_FAMILY_H_
