// The forward pass of a sequence. The input products of some steps are computed at once, then each
// step multiplies the state with the recurrent weights, tile by tile of hidden units, and applies
// the cell to a tile while its preactivations are in L1. The weights are packed once per call, with
// the gates of a group of units beside each other.

#include "cells/gru.h"
#include "cells/lstm.h"
#include "cells/rnn.h"
#include "cpu/dispatch.h"
#include "cpu/kernels.h"
#include "cpu/layout.h"
#include "cpu/pack.h"
#include "cpu/product.h"
#include "cpu/vector_math.h"

namespace frnn::cpu::FRNN_CPU_ISA {
namespace {

const float* floats_at(int64_t address) {
  return reinterpret_cast<const float*>(address);
}

// One call's tensors, with the layout of what lies between them.
struct Call {
  const frnn_rnn& rnn;
  Layout l;
  float* w_ih;
  float* w_hh;
  float* bias_x;  // what the input product starts from
  float* bias_h;  // what the recurrent product starts from
  float* zeros;
  float* records;
  float* rh;

  explicit Call(const frnn_rnn& r) : rnn(r), l(layout_of(r, kWidth)) {
    float* work = line_start(r.workspace);
    w_ih = work + l.w_ih;
    w_hh = work + l.w_hh;
    bias_x = work + l.bias_x;
    bias_h = work + l.bias_h;
    zeros = work + l.zeros;
    records = work + l.records;
    rh = work + l.rh;
    if (l.ring == l.T && l.reserve_bytes > 0) {
      float* kept = line_start(r.reserve);
      records = kept + l.reserve_records;
      rh = kept + l.reserve_rh;
    }
  }

  float* record(int64_t t, int64_t row) const {
    return records + ((t % l.ring) * l.B + row) * l.record;
  }
  float* rh_row(int64_t t, int64_t row) const {
    return rh + ((l.reserve_bytes > 0 ? t * l.B : 0) + row) * l.H;
  }
  // h of the step before t.
  const float* state(int64_t t) const {
    if (t > 0) return floats_at(rnn.y) + (t - 1) * l.B * l.H;
    return rnn.h0 != 0 ? floats_at(rnn.h0) : zeros;
  }
  int64_t state_row(int64_t t) const { return t > 0 || rnn.h0 != 0 ? l.H : 0; }
};

// The rows of one step, or a piece of them, and one tile of units.
struct Place {
  int64_t t, row, rows;
  int64_t unit;   // first hidden unit
  int64_t lanes;  // units that exist, of each group at most kWidth
};

template <int64_t kCell>
struct Forward;

template <>
struct Forward<FRNN_LSTM> {
  static constexpr int kVectors = 4;

  static void apply(const Call& call, const Place& at, const float* sums, float* record) {
    const Layout& l = call.l;
    // c of the step before: a vector of its record, or c0.
    const float* c_prev = call.zeros;
    int64_t c_row = 0;
    if (at.t > 0) {
      c_prev = call.record(at.t - 1, at.row) + (at.unit / kWidth * 5 + 4) * kWidth;
      c_row = l.record;
    } else if (call.rnn.c0 != 0) {
      c_prev = floats_at(call.rnn.c0) + at.row * l.H + at.unit;
      c_row = l.H;
    }
    float* y = reinterpret_cast<float*>(call.rnn.y) + (at.t * l.B + at.row) * l.H + at.unit;
    for (int64_t i = 0; i < at.rows; ++i) {
      const float* a = sums + i * 4 * kWidth;
      float* kept = record + i * l.record;
      const LstmForward<Vec> out =
          lstm_forward<Vec>({load(kept) + load(a), load(kept + kWidth) + load(a + kWidth),
                             load(kept + 2 * kWidth) + load(a + 2 * kWidth),
                             load(kept + 3 * kWidth) + load(a + 3 * kWidth)},
                            load_first(c_prev + i * c_row, at.lanes));
      store(kept, out.gates.i);
      store(kept + kWidth, out.gates.f);
      store(kept + 2 * kWidth, out.gates.g);
      store(kept + 3 * kWidth, out.gates.o);
      store(kept + 4 * kWidth, out.c);
      store_first(y + i * l.H, out.h, at.lanes);
    }
  }
};

template <>
struct Forward<FRNN_GRU> {
  static constexpr int kVectors = 3;

  static void apply(const Call& call, const Place& at, const float* sums, float* record) {
    const Layout& l = call.l;
    const int64_t h_row = call.state_row(at.t);
    const float* h = call.state(at.t) + at.row * h_row + at.unit;
    float* y = reinterpret_cast<float*>(call.rnn.y) + (at.t * l.B + at.row) * l.H + at.unit;
    for (int64_t i = 0; i < at.rows; ++i) {
      const float* a = sums + i * 3 * kWidth;
      float* kept = record + i * l.record;
      const Vec recurrent_n = load(a + 2 * kWidth);
      const Vec zero(0.0f);  // r and z have both parts in one
      const GruForward<Vec> out = gru_forward<Vec>(
          {load(kept) + load(a), load(kept + kWidth) + load(a + kWidth), load(kept + 2 * kWidth)},
          {zero, zero, recurrent_n}, load_first(h + i * h_row, at.lanes));
      store(kept, out.gates.r);
      store(kept + kWidth, out.gates.z);
      store(kept + 2 * kWidth, out.gates.n);
      store(kept + 3 * kWidth, recurrent_n);
      store_first(y + i * l.H, out.h, at.lanes);
    }
  }
};

// The first half of a step of the GRU that resets before: r, z and r * h.
struct ForwardBeforeFirst {
  static constexpr int kVectors = 2;

  static void apply(const Call& call, const Place& at, const float* sums, float* record) {
    const Layout& l = call.l;
    const int64_t h_row = call.state_row(at.t);
    const float* h = call.state(at.t) + at.row * h_row + at.unit;
    float* rh = call.rh_row(at.t, at.row) + at.unit;
    for (int64_t i = 0; i < at.rows; ++i) {
      const float* a = sums + i * 2 * kWidth;
      float* kept = record + i * l.record;
      const GruBeforeFirst<Vec> out = gru_before_forward_first<Vec>(
          load(kept) + load(a), load(kept + kWidth) + load(a + kWidth),
          load_first(h + i * h_row, at.lanes));
      store(kept, out.r);
      store(kept + kWidth, out.z);
      store_first(rh + i * l.H, out.rh, at.lanes);
    }
  }
};

struct ForwardBeforeSecond {
  static constexpr int kVectors = 1;

  static void apply(const Call& call, const Place& at, const float* sums, float* record) {
    const Layout& l = call.l;
    const int64_t h_row = call.state_row(at.t);
    const float* h = call.state(at.t) + at.row * h_row + at.unit;
    float* y = reinterpret_cast<float*>(call.rnn.y) + (at.t * l.B + at.row) * l.H + at.unit;
    for (int64_t i = 0; i < at.rows; ++i) {
      float* kept = record + i * l.record;  // points at n
      const GruBeforeSecond<Vec> out =
          gru_before_forward_second<Vec>(load(kept) + load(sums + i * kWidth), load(kept - kWidth),
                                         load_first(h + i * h_row, at.lanes));
      store(kept, out.n);
      store_first(y + i * l.H, out.h, at.lanes);
    }
  }
};

template <typename Cell>
struct ForwardPlain {
  static constexpr int kVectors = 2;  // two groups of units, one gate

  static void apply(const Call& call, const Place& at, const float* sums, float* record) {
    const Layout& l = call.l;
    float* y = reinterpret_cast<float*>(call.rnn.y) + (at.t * l.B + at.row) * l.H + at.unit;
    for (int64_t i = 0; i < at.rows; ++i) {
      for (int v = 0; v < 2 && v * kWidth < at.lanes; ++v) {
        const Vec a = load(record + i * l.record + v * kWidth) + load(sums + (2 * i + v) * kWidth);
        store_first(y + i * l.H + v * kWidth, Cell::forward(a), at.lanes - v * kWidth);
      }
    }
  }
};

template <>
struct Forward<FRNN_RNN_TANH> : ForwardPlain<RnnTanh> {};
template <>
struct Forward<FRNN_RNN_RELU> : ForwardPlain<RnnRelu> {};

// Packs one tile of a weight matrix [G*H, K]: gates [first, last) of the tile's groups of units
// become one panel.
void pack_tile(float* panel, const Layout& l, const float* w, int64_t K, int64_t tile,
               int64_t first, int64_t last) {
  const int64_t width = (last - first) * l.cell.tile_groups * kWidth;
  for (int64_t gate = first; gate < last; ++gate) {
    for (int64_t u = 0; u < l.cell.tile_groups; ++u) {
      const int64_t unit = (tile * l.cell.tile_groups + u) * kWidth;
      const int64_t units = l.H - unit < kWidth ? l.H - unit : kWidth;
      float* lanes = panel + ((gate - first) * l.cell.tile_groups + u) * kWidth;
      if (units > 0) {
        pack_across(lanes, width, units, K, w + (gate * l.H + unit) * K, K);
      }
      if (units < kWidth) pack_zeros(lanes, width, units > 0 ? units : 0, kWidth, K);
    }
  }
}

// The biases of one tile, in the order of its vectors.
void pack_biases(const Call& call, int64_t tile) {
  const Layout& l = call.l;
  const bool apart = call.rnn.cell == FRNN_GRU;
  const int64_t tile_units = l.cell.tile_groups * kWidth;
  for (int64_t gate = 0; gate < l.cell.gates; ++gate) {
    for (int64_t j = 0; j < tile_units; ++j) {
      const int64_t unit = tile * tile_units + j;
      const bool there = unit < l.H;
      const int64_t from = gate * l.H + unit;
      const float x = there && call.rnn.b_ih != 0 ? floats_at(call.rnn.b_ih)[from] : 0.0f;
      const float h = there && call.rnn.b_hh != 0 ? floats_at(call.rnn.b_hh)[from] : 0.0f;
      const int64_t to = tile * tile_units * l.cell.gates + gate * tile_units + j;
      call.bias_x[to] = apart && gate == 2 ? x : x + h;
      call.bias_h[to] = apart && gate == 2 ? h : 0.0f;
    }
  }
}

void pack_weights(const Worker& worker, const Call& call) {
  const Layout& l = call.l;
  const bool before = call.rnn.cell == FRNN_GRU_RESET_BEFORE;
  const int64_t columns = l.cell.gates * l.cell.tile_groups * kWidth;
  const Range mine = split(l.tiles, worker.count, worker.index);
  for (int64_t tile = mine.first; tile < mine.last; ++tile) {
    pack_tile(call.w_ih + tile * columns * l.I, l, floats_at(call.rnn.w_ih), l.I, tile, 0,
              l.cell.gates);
    float* w_hh = call.w_hh + tile * columns * l.H;
    const float* from = floats_at(call.rnn.w_hh);
    if (before) {  // r and z are needed before n is
      pack_tile(w_hh, l, from, l.H, tile, 0, 2);
      pack_tile(w_hh + 2 * kWidth * l.H, l, from, l.H, tile, 2, 3);
    } else {
      pack_tile(w_hh, l, from, l.H, tile, 0, l.cell.gates);
    }
    pack_biases(call, tile);
  }
  if (worker.index == 0) std::memset(call.zeros, 0, static_cast<size_t>(l.H) * sizeof(float));
  worker.sync();
}

// Input products of rows [first, first + count) counted over all steps from step t on.
template <int kVectors>
void input_products(const Call& call, const Part& part, int64_t t, int64_t first, int64_t count) {
  const Layout& l = call.l;
  Product p{};
  p.k = l.I;
  p.a_row = l.I;
  p.out_row = l.record;
  const Range tiles = part.share(l.tiles);
  for (int64_t tile = tiles.first; tile < tiles.last; ++tile) {
    p.b = call.w_ih + tile * kVectors * kWidth * l.I;
    p.bias = call.bias_x + tile * kVectors * kWidth;
    for_pieces(count, Products<kVectors, 0>::kRows, [&](int64_t row, int64_t rows) {
      p.a = floats_at(call.rnn.x) + (t * l.B + first + row) * l.I;
      p.out = call.record(t, first + row) + tile * l.cell.tile_groups * l.cell.slots * kWidth;
      Products<kVectors, 0>::multiply(rows, p);
    });
  }
}

template <int kVectors>
void input_steps(const Call& call, const Part& part, int64_t t, int64_t steps) {
  if (part.rows.size() == call.l.B) {  // then rows follow each other across steps
    input_products<kVectors>(call, part, t, 0, steps * call.l.B);
    return;
  }
  for (int64_t i = 0; i < steps; ++i) {
    input_products<kVectors>(call, part, t + i, part.rows.first, part.rows.size());
  }
}

// One step of the recurrence: A times the packed weights, and the record, into the cell. `weights`
// and `slot` say where the panel and the record of a tile begin.
template <typename Cell>
void step(const Call& call, const Part& part, int64_t t, const float* a, int64_t a_row,
          int64_t weights, int64_t slot) {
  constexpr int kVectors = Cell::kVectors;
  using Multiply = Products<kVectors, 0>;
  const Layout& l = call.l;
  alignas(64) float sums[Multiply::kRows * kVectors * kWidth];
  Product p{};
  p.k = l.H;
  p.a_row = a_row;
  p.out = sums;
  p.out_row = kVectors * kWidth;
  const int64_t columns = l.cell.gates * l.cell.tile_groups * kWidth;
  const int64_t tile_units = l.cell.tile_groups * kWidth;
  const Range tiles = part.share(l.tiles);
  const bool fetch = tiles.size() * columns * l.H * 4 > kStaysBytes;
  for (int64_t tile = tiles.first; tile < tiles.last; ++tile) {
    const int64_t next = tile + 1 < tiles.last ? tile + 1 : tiles.first;
    int64_t fetched = 0;  // cache lines
    p.b = call.w_hh + tile * columns * l.H + weights;
    p.bias = call.bias_h + tile * columns;
    Place at{t, 0, 0, tile * tile_units, l.H - tile * tile_units};
    for_pieces(part.rows.size(), Multiply::kRows, [&](int64_t row, int64_t rows) {
      at.row = part.rows.first + row;
      at.rows = rows;
      float* record =
          call.record(t, at.row) + (tile * l.cell.tile_groups * l.cell.slots + slot) * kWidth;
      p.a = a + at.row * a_row;
      p.ahead = nullptr;
      if (fetch && (fetched + l.H) * kLine <= kVectors * kWidth * l.H) {
        p.ahead = call.w_hh + next * columns * l.H + weights + fetched * kLine;
        fetched += l.H;
      }
      Multiply::multiply(rows, p);
      Cell::apply(call, at, sums, record);
    });
  }
}

template <int64_t kCell>
void recur(const Worker& worker, const Call& call, const Part& part, int64_t t) {
  if constexpr (kCell == FRNN_GRU_RESET_BEFORE) {
    step<ForwardBeforeFirst>(call, part, t, call.state(t), call.state_row(t), 0, 0);
    part.meet(worker);
    step<ForwardBeforeSecond>(call, part, t, call.rh_row(t, 0), call.l.H, 2 * kWidth * call.l.H, 2);
  } else {
    step<Forward<kCell>>(call, part, t, call.state(t), call.state_row(t), 0, 0);
  }
  part.meet(worker);
}

// hT and cT, once all steps are done. hT may be the memory of h0, cT that of c0.
void write_last(const Worker& worker, const Call& call) {
  const Layout& l = call.l;
  const Range rows = split(l.B, worker.count, worker.index);
  for (int64_t row = rows.first; row < rows.last; ++row) {
    if (call.rnn.hT != 0) {
      std::memcpy(reinterpret_cast<float*>(call.rnn.hT) + row * l.H,
                  floats_at(call.rnn.y) + ((l.T - 1) * l.B + row) * l.H,
                  static_cast<size_t>(l.H) * sizeof(float));
    }
    if (call.rnn.cell != FRNN_LSTM || call.rnn.cT == 0) continue;
    float* c = reinterpret_cast<float*>(call.rnn.cT) + row * l.H;
    for (int64_t unit = 0; unit < l.H; unit += kWidth) {
      const float* kept = call.record(l.T - 1, row) + (unit / kWidth * 5 + 4) * kWidth;
      store_first(c + unit, load(kept), l.H - unit);
    }
  }
}

template <int64_t kCell>
void run(const Worker& worker, const Call& call) {
  constexpr int kInputVectors = kCell == FRNN_LSTM                                    ? 4
                                : kCell == FRNN_GRU || kCell == FRNN_GRU_RESET_BEFORE ? 3
                                                                                      : 2;
  const Layout& l = call.l;
  pack_weights(worker, call);
  const Part part = part_of(worker, l.B, l.padded * l.cell.gates * l.H * 4);
  for (int64_t t = 0; t < l.T; t += l.ahead) {
    const int64_t steps = l.T - t < l.ahead ? l.T - t : l.ahead;
    input_steps<kInputVectors>(call, part, t, steps);
    for (int64_t i = 0; i < steps; ++i)
      recur<kCell>(worker, call, part, t + i);
  }
  worker.sync();
  write_last(worker, call);
  worker.sync();
}

}  // namespace

// Called by every member of a team. When it returns, all results are there.
void rnn_forward(const Worker& worker, const frnn_rnn& rnn) {
  const Call call(rnn);
  with_plain_cell(rnn.cell, [&](auto cell) { run<cell>(worker, call); });
}

}  // namespace frnn::cpu::FRNN_CPU_ISA
