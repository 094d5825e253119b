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
#include "cpu/product.h"
#include "cpu/rnn_rows.h"
#include "cpu/rnn_weights.h"
#include "cpu/vector_math.h"

namespace frnn::cpu::FRNN_CPU_ISA {
namespace {

// One call's tensors, with the layout of what lies between them.
struct Call : RnnRows {
  Layout l;
  RnnWeights weights;
  float* records;
  float* rh;

  explicit Call(const frnn_rnn& r) : RnnRows(r), l(layout_of(r, kWidth)) {
    float* work = line_start(r.workspace);
    weights =
        weights_at(l, r.packed == 0 ? work + l.weights : line_start(r.packed) + kPackedHeader);
    records = work + l.records;
    rh = work + l.rh;
    if (l.ring == l.T && l.reserve_bytes > 0) {
      float* kept = line_start(r.reserve);
      records = kept + l.reserve_records;
      rh = kept + l.reserve_rh;
    }
  }

  // Records of times that follow each other do so in memory, within the steps done at once.
  float* record(int64_t t, int64_t row) const {
    const int64_t place = reverse ? l.ring - 1 - (T - 1 - t) % l.ring : t % l.ring;
    return records + (place * l.B + row) * l.record;
  }
  float* rh_row(int64_t t, int64_t row) const {
    return rh + ((l.reserve_bytes > 0 ? t * l.B : 0) + row) * l.H;
  }
  float* y(int64_t t, int64_t row) const { return writable_at(rnn.y) + y_at(t, row); }
  const float* state(int64_t t) const { return RnnRows::state(t, weights.zeros); }
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
    const float* c_prev = call.weights.zeros;
    int64_t c_row = 0;
    if (!call.is_first(at.t)) {
      c_prev = call.record(call.before(at.t), at.row) + (at.unit / kWidth * 5 + 4) * kWidth;
      c_row = l.record;
    } else if (call.rnn.c0 != 0) {
      c_prev = floats_at(call.rnn.c0) + at.row * l.H + at.unit;
      c_row = l.H;
    }
    float* y = call.y(at.t, at.row) + at.unit;
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
      store_first(y + i * call.y_ld, out.h, at.lanes);
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
    float* y = call.y(at.t, at.row) + at.unit;
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
      store_first(y + i * call.y_ld, out.h, at.lanes);
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
    float* y = call.y(at.t, at.row) + at.unit;
    for (int64_t i = 0; i < at.rows; ++i) {
      float* kept = record + i * l.record;  // points at n
      const GruBeforeSecond<Vec> out =
          gru_before_forward_second<Vec>(load(kept) + load(sums + i * kWidth), load(kept - kWidth),
                                         load_first(h + i * h_row, at.lanes));
      store(kept, out.n);
      store_first(y + i * call.y_ld, out.h, at.lanes);
    }
  }
};

template <typename Cell>
struct ForwardPlain {
  static constexpr int kVectors = 2;  // two groups of units, one gate

  static void apply(const Call& call, const Place& at, const float* sums, float* record) {
    const Layout& l = call.l;
    float* y = call.y(at.t, at.row) + at.unit;
    for (int64_t i = 0; i < at.rows; ++i) {
      for (int v = 0; v < 2 && v * kWidth < at.lanes; ++v) {
        const Vec a = load(record + i * l.record + v * kWidth) + load(sums + (2 * i + v) * kWidth);
        store_first(y + i * call.y_ld + v * kWidth, Cell::forward(a), at.lanes - v * kWidth);
      }
    }
  }
};

template <>
struct Forward<FRNN_RNN_TANH> : ForwardPlain<RnnTanh> {};
template <>
struct Forward<FRNN_RNN_RELU> : ForwardPlain<RnnRelu> {};

// Tiles of a member in the order of one pass over them. Passes alternate in direction, so that each
// begins with the weights that the one before used last and left in the cache.
struct Order {
  Range tiles;
  bool down;

  int64_t size() const { return tiles.size(); }
  // The lowest of `count` tiles, the i-th and those behind it.
  int64_t at(int64_t i, int64_t count = 1) const {
    return down ? tiles.last - i - count : tiles.first + i;
  }
};

// Products of at most kNarrowRows rows with all tiles. product(tile, n) has the operands of a tile
// that is the n-th of a product; those of the next tile follow at distances of `steps`. done(tile,
// n) is told of each.
template <typename Panel, int kVectors, typename ProductOf, typename Done>
FRNN_CPU_INLINE void for_narrow(const Order& order, int64_t rows, const PanelSteps& steps,
                                const ProductOf& product, const Done& done) {
  constexpr int kPanels = narrow_panels(kVectors);
  for (int64_t i = 0; i < order.size(); i += kPanels) {
    const int64_t left = order.size() - i;
    const int64_t count = left < kPanels ? left : kPanels;
    const int64_t tile = order.at(i, count);
    if (count < kPanels) {
      for (int64_t n = 0; n < count; ++n)
        Products<kVectors, 0, Panel>::multiply(rows, product(tile + n, n));
    } else if (rows == 1) {
      multiply_narrow<Panel, 1, kVectors, kPanels>(product(tile, 0), steps);
    } else {
      multiply_narrow<Panel, kNarrowRows, kVectors, kPanels>(product(tile, 0), steps);
    }
    for (int64_t n = 0; n < count; ++n)
      done(tile + n, n);
  }
}

// Input products of rows [first, first + count) counted over all times from t on.
template <typename Panel, int kVectors>
void input_products(const Call& call, const Part& part, int64_t t, int64_t first, int64_t count) {
  const Layout& l = call.l;
  const auto* w = static_cast<const typename Panel::Element*>(call.weights.w_ih);
  const PanelSteps steps = {kVectors * kWidth * l.I, kVectors * kWidth,
                            l.cell.tile_groups * l.cell.slots * kWidth};
  const auto product = [&](int64_t tile, int64_t row) {
    Product p{};
    p.k = l.I;
    p.a = floats_at(call.rnn.x) + call.x_at(t, first + row);
    p.a_row = call.x_ld;
    p.b = w + tile * steps.b;
    p.bias = call.weights.bias_x + tile * steps.bias;
    p.out = call.record(t, first + row) + tile * steps.out;
    p.out_row = l.record;
    return p;
  };
  const Order order{part.share(l.tiles), false};
  if (count <= kNarrowRows) {
    if (count == 0) return;
    for_narrow<Panel, kVectors>(
        order, count, steps, [&](int64_t tile, int64_t) { return product(tile, 0); },
        [](int64_t, int64_t) {});
    return;
  }
  for (int64_t i = 0; i < order.size(); ++i) {
    for_pieces(count, Products<kVectors, 0, Panel>::kRows, [&](int64_t row, int64_t rows) {
      Products<kVectors, 0, Panel>::multiply(rows, product(order.at(i), row));
    });
  }
}

template <typename Panel, int kVectors>
void input_steps(const Call& call, const Part& part, int64_t t, int64_t steps) {
  if (part.rows.size() == call.l.B) {  // then rows follow each other across steps
    input_products<Panel, kVectors>(call, part, t, 0, steps * call.l.B);
    return;
  }
  for (int64_t i = 0; i < steps; ++i) {
    input_products<Panel, kVectors>(call, part, t + i, part.rows.first, part.rows.size());
  }
}

// What one product of a step multiplies: A, and where in the panels and the record of a tile its
// gates begin, in vectors.
struct Operand {
  const float* a;
  int64_t a_row;
  int64_t gate;
};

// One step of the recurrence: A times the packed weights, and the record, into the cell.
template <typename Panel, typename Cell>
void step(const Worker& worker, const Call& call, const Part& part, int64_t t,
          const Operand& from) {
  constexpr int kVectors = Cell::kVectors;
  constexpr int kPanels = narrow_panels(kVectors);
  using Multiply = Products<kVectors, 0, Panel>;
  using Element = typename Panel::Element;
  constexpr int kSums =
      Multiply::kRows > kPanels * kNarrowRows ? Multiply::kRows : kPanels * kNarrowRows;
  alignas(64) float sums[kSums * kVectors * kWidth];
  const Layout& l = call.l;
  const int64_t columns = l.cell.gates * l.cell.tile_groups * kWidth;
  const PanelSteps steps = {columns * l.H, columns, kNarrowRows * kVectors * kWidth};
  const auto* w = static_cast<const Element*>(call.weights.w_hh) + from.gate * kWidth * l.H;
  const auto product = [&](int64_t tile, int64_t row) {
    Product p{};
    p.k = l.H;
    p.a = from.a + row * from.a_row;
    p.a_row = from.a_row;
    p.b = w + tile * steps.b;
    p.bias = call.weights.bias_h + tile * steps.bias;
    p.out = sums;
    p.out_row = kVectors * kWidth;
    return p;
  };
  const auto apply = [&](int64_t tile, int64_t row, int64_t rows, const float* of_tile) {
    const int64_t unit = tile * l.cell.tile_groups * kWidth;
    const int64_t slot = tile * l.cell.tile_groups * l.cell.slots + from.gate;
    Cell::apply(call, {t, row, rows, unit, l.H - unit}, of_tile,
                call.record(t, row) + slot * kWidth);
  };
  const Order order{part.share(l.tiles), t % 2 == 1};
  if (part.rows.size() <= kNarrowRows) {
    if (part.rows.size() == 0) return;
    for_narrow<Panel, kVectors>(
        order, part.rows.size(), steps,
        [&](int64_t tile, int64_t n) {
          Product p = product(tile, part.rows.first);
          p.out += n * steps.out;
          return p;
        },
        [&](int64_t tile, int64_t n) {
          apply(tile, part.rows.first, part.rows.size(), sums + n * steps.out);
        });
    return;
  }
  const int64_t panel_lines =
      kVectors * kWidth * l.H * static_cast<int64_t>(sizeof(Element)) / kLine;
  const bool fetch =
      order.size() * steps.b * static_cast<int64_t>(sizeof(Element)) > worker.stays_bytes;
  for (int64_t i = 0; i < order.size(); ++i) {
    const auto* next =
        reinterpret_cast<const char*>(w + order.at(i + 1 < order.size() ? i + 1 : i) * steps.b);
    int64_t fetched = 0;  // cache lines
    for_pieces(part.rows.size(), Multiply::kRows, [&](int64_t first, int64_t rows) {
      const int64_t row = part.rows.first + first;
      Product p = product(order.at(i), row);
      if (fetch && fetched + l.H <= panel_lines) {
        p.ahead = next + fetched * kLine;
        fetched += l.H;
      }
      Multiply::multiply(rows, p);
      apply(order.at(i), row, rows, sums);
    });
  }
}

template <typename Panel, int64_t kCell>
void recur(const Worker& worker, const Call& call, const Part& part, int64_t t) {
  const Operand state = {call.state(t), call.state_row(t), 0};
  if constexpr (kCell == FRNN_GRU_RESET_BEFORE) {
    step<Panel, ForwardBeforeFirst>(worker, call, part, t, state);
    part.meet(worker);
    step<Panel, ForwardBeforeSecond>(worker, call, part, t, {call.rh_row(t, 0), call.l.H, 2});
  } else {
    step<Panel, Forward<kCell>>(worker, call, part, t, state);
  }
  part.meet(worker);
}

// hT and cT, once all steps are done. hT may be the memory of h0, cT that of c0.
void write_last(const Worker& worker, const Call& call) {
  const Layout& l = call.l;
  const int64_t last = call.time(l.T - 1);
  const Range rows = split(l.B, worker.count, worker.index);
  for (int64_t row = rows.first; row < rows.last; ++row) {
    if (call.rnn.hT != 0) {
      std::memcpy(reinterpret_cast<float*>(call.rnn.hT) + row * l.H, call.y(last, row),
                  static_cast<size_t>(l.H) * sizeof(float));
    }
    if (call.rnn.cell != FRNN_LSTM || call.rnn.cT == 0) continue;
    float* c = reinterpret_cast<float*>(call.rnn.cT) + row * l.H;
    for (int64_t unit = 0; unit < l.H; unit += kWidth) {
      const float* kept = call.record(last, row) + (unit / kWidth * 5 + 4) * kWidth;
      store_first(c + unit, load(kept), l.H - unit);
    }
  }
}

template <typename Panel, int64_t kCell>
void run(const Worker& worker, const Call& call) {
  constexpr int kInputVectors = kCell == FRNN_LSTM                                    ? 4
                                : kCell == FRNN_GRU || kCell == FRNN_GRU_RESET_BEFORE ? 3
                                                                                      : 2;
  const Layout& l = call.l;
  if (call.rnn.packed == 0) pack_weights(worker, call.rnn, l, call.weights);
  const int64_t element = sizeof(typename Panel::Element);
  const Part part = part_of(worker, l.B, l.padded * l.cell.gates * l.H * element);
  const Part everybody = {{0, l.B}, worker.count, worker.index, false};
  for (int64_t s = 0; s < l.T; s += l.ahead) {
    const int64_t steps = l.T - s < l.ahead ? l.T - s : l.ahead;
    input_steps<Panel, kInputVectors>(call, part.alone ? everybody : part,
                                      call.first_time(s, steps), steps);
    if (part.alone) worker.sync();
    for (int64_t i = s; i < s + steps; ++i)
      recur<Panel, kCell>(worker, call, part, call.time(i));
    if (part.alone && s + steps < l.T) worker.sync();
  }
  worker.sync();
  write_last(worker, call);
  worker.sync();
}

}  // namespace

// Called by every member of a team. When it returns, all results are there.
void rnn_forward(const Worker& worker, const frnn_rnn& rnn) {
  const Call call(rnn);
  with_plain_cell(rnn.cell, [&](auto cell) {
    if (narrow_weights(rnn)) {
      run<Bfloat16, cell>(worker, call);
    } else {
      run<Float32, cell>(worker, call);
    }
  });
}

}  // namespace frnn::cpu::FRNN_CPU_ISA
