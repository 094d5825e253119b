#include "cpu/rnn_weights.h"

#include "cpu/kernels.h"
#include "cpu/pack.h"
#include "cpu/product.h"
#include "cpu/rnn_rows.h"

namespace frnn::cpu::FRNN_CPU_ISA {
namespace {

// One tile of a weight matrix [G*H, K]: gates [first, last) of the tile's groups of units become
// one panel.
struct TilePanel {
  const Layout& l;
  const float* w;
  int64_t K, tile, first, last;

  int64_t width() const { return (last - first) * l.cell.tile_groups * kWidth; }
  // Its columns [k, k + count).
  void pack(float* panel, int64_t k, int64_t count) const;
  void pack_whole(float* panel, const Worker&) const { pack(panel, 0, K); }
  void pack_whole(uint16_t* panel, const Worker& worker) const;
};

void TilePanel::pack(float* panel, int64_t k, int64_t count) const {
  for (int64_t gate = first; gate < last; ++gate) {
    for (int64_t u = 0; u < l.cell.tile_groups; ++u) {
      const int64_t unit = (tile * l.cell.tile_groups + u) * kWidth;
      const int64_t units = l.H - unit < kWidth ? l.H - unit : kWidth;
      float* lanes = panel + ((gate - first) * l.cell.tile_groups + u) * kWidth;
      if (units > 0) {
        pack_across(lanes, width(), units, count, w + (gate * l.H + unit) * K + k, K);
      }
      if (units < kWidth) pack_zeros(lanes, width(), units > 0 ? units : 0, kWidth, count);
    }
  }
}

// In the order of Bfloat16, by way of floats in the member's own memory.
void TilePanel::pack_whole(uint16_t* panel, const Worker& worker) const {
  constexpr int64_t kRows = 1024;
  const int64_t vectors = width() / kWidth;
  static_assert(kRows * 4 * kWidth <= kOwnFloats, "a panel has at most four vectors");
  uint16_t* out = panel;
  for (int64_t k = 0; k < K; k += kRows) {
    const int64_t count = K - k < kRows ? K - k : kRows;
    pack(worker.own, k, count);
    const float* in = worker.own;
    for (int64_t p = 0; p < count; ++p, in += vectors * kWidth, out += vectors * kWidth) {
      for (int64_t v = 0; v + 1 < vectors; v += 2) {
        const Ints low = bf16_bits(load(in + v * kWidth));
        const Ints high = bf16_bits(load(in + (v + 1) * kWidth));
        store(reinterpret_cast<float*>(out + v * kWidth), floats_of(low | (high << 16)));
      }
      if (vectors % 2 == 1) {
        const int64_t last = (vectors - 1) * kWidth;
        store_lanes(reinterpret_cast<machine::Bf16*>(out + last), load(in + last), kWidth);
      }
    }
  }
}

template <typename Element>
void pack_tile(const Worker& worker, const frnn_rnn& rnn, const Layout& l, const RnnWeights& to,
               int64_t tile) {
  const int64_t columns = l.cell.gates * l.cell.tile_groups * kWidth;
  auto* w_ih = static_cast<Element*>(to.w_ih) + tile * columns * l.I;
  auto* w_hh = static_cast<Element*>(to.w_hh) + tile * columns * l.H;
  const float* from = floats_at(rnn.w_hh);
  const int64_t G = l.cell.gates;
  TilePanel{l, floats_at(rnn.w_ih), l.I, tile, 0, G}.pack_whole(w_ih, worker);
  if (rnn.cell == FRNN_GRU_RESET_BEFORE) {  // r and z are needed before n is
    TilePanel{l, from, l.H, tile, 0, 2}.pack_whole(w_hh, worker);
    TilePanel{l, from, l.H, tile, 2, 3}.pack_whole(w_hh + 2 * kWidth * l.H, worker);
  } else {
    TilePanel{l, from, l.H, tile, 0, G}.pack_whole(w_hh, worker);
  }
}

// The biases of one tile, in the order of its vectors.
void pack_biases(const frnn_rnn& rnn, const Layout& l, const RnnWeights& weights, int64_t tile) {
  const bool apart = rnn.cell == FRNN_GRU;
  const int64_t tile_units = l.cell.tile_groups * kWidth;
  for (int64_t gate = 0; gate < l.cell.gates; ++gate) {
    for (int64_t j = 0; j < tile_units; ++j) {
      const int64_t unit = tile * tile_units + j;
      const bool there = unit < l.H;
      const int64_t from = gate * l.H + unit;
      const float x = there && rnn.b_ih != 0 ? floats_at(rnn.b_ih)[from] : 0.0f;
      const float h = there && rnn.b_hh != 0 ? floats_at(rnn.b_hh)[from] : 0.0f;
      const int64_t to = tile * tile_units * l.cell.gates + gate * tile_units + j;
      weights.bias_x[to] = apart && gate == 2 ? x : x + h;
      weights.bias_h[to] = apart && gate == 2 ? h : 0.0f;
    }
  }
}

}  // namespace

void pack_weights(const Worker& worker, const frnn_rnn& rnn, const Layout& l,
                  const RnnWeights& to) {
  const Range mine = split(l.tiles, worker.count, worker.index);
  for (int64_t tile = mine.first; tile < mine.last; ++tile) {
    if (narrow_weights(rnn)) {
      pack_tile<uint16_t>(worker, rnn, l, to, tile);
    } else {
      pack_tile<float>(worker, rnn, l, to, tile);
    }
    pack_biases(rnn, l, to, tile);
  }
  if (worker.index == 0) std::memset(to.zeros, 0, static_cast<size_t>(l.H) * sizeof(float));
  worker.sync();
}

void rnn_pack(const Worker& worker, const frnn_rnn& rnn) {
  const Layout l = layout_of(rnn, kWidth);
  pack_weights(worker, rnn, l, weights_at(l, line_start(rnn.packed) + kPackedHeader));
}

}  // namespace frnn::cpu::FRNN_CPU_ISA
