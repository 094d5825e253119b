// The backward pass of a sequence, back through time. A step multiplies the gradients of the next
// step's preactivations with the recurrent weights, tile by tile of hidden units, and goes through
// the cell while the tile is in L1. The gradients of a chunk of steps stay in the workspace,
// row-major in the order of the weights' rows, and give dx and their part of the weights' and the
// biases' gradients before the next chunk overwrites them.

#include "cpu/rnn_backward.h"
#include "cells/gru.h"
#include "cells/lstm.h"
#include "cells/rnn.h"
#include "cpu/dispatch.h"
#include "cpu/pack.h"
#include "cpu/product.h"
#include "cpu/vector_math.h"

namespace frnn::cpu::FRNN_CPU_ISA {
namespace backward {
namespace {

// One row of one step and one group of units.
struct Spot {
  int64_t step, t, row;
  int64_t unit;   // first hidden unit
  int64_t lanes;  // units that exist, at most kWidth
};

const float* record_at(const Call& call, const Spot& at) {
  return call.record(at.t, at.row) + at.unit * call.l.cell.slots;
}
float* carry_at(const Call& call, const Spot& at) {
  return call.carry + at.row * call.l.padded + at.unit;
}
Vec state_at(const Call& call, const Spot& at) {
  const int64_t row = call.state_row(at.t);
  return load_first(call.state(at.t) + at.row * row + at.unit, at.lanes);
}
void write_gradient(const Call& call, const Spot& at, int64_t block, Vec value) {
  store_first(call.gradient(at.step, at.row) + block * call.l.H + at.unit, value, at.lanes);
}
// All of dh but what `sums` brings from the next step.
Vec upstream(const Call& call, const Spot& at, Vec sums) {
  if (call.rnn.dy == 0) return sums;
  const float* dy = floats_at(call.rnn.dy) + call.y_at(at.t, at.row) + at.unit;
  return sums + load_first(dy, at.lanes);
}

template <int64_t kCell>
struct Backward;

template <>
struct Backward<FRNN_LSTM> {
  static void apply(const Call& call, const Spot& at, Vec sums) {
    const float* kept = record_at(call, at);
    Vec c_prev(0.0f);
    if (!call.is_first(at.t)) {
      c_prev = load(call.record(call.before(at.t), at.row) + at.unit * 5 + 4 * kWidth);
    } else if (call.rnn.c0 != 0) {
      c_prev = load_first(floats_at(call.rnn.c0) + at.row * call.l.H + at.unit, at.lanes);
    }
    float* carry = carry_at(call, at);  // dc
    const LstmBackward<Vec> out = lstm_backward<Vec>(
        {load(kept), load(kept + kWidth), load(kept + 2 * kWidth), load(kept + 3 * kWidth)}, c_prev,
        load(kept + 4 * kWidth), upstream(call, at, sums), load(carry));
    store(carry, out.dc_prev);
    write_gradient(call, at, 0, out.da.i);
    write_gradient(call, at, 1, out.da.f);
    write_gradient(call, at, 2, out.da.g);
    write_gradient(call, at, 3, out.da.o);
  }
};

template <>
struct Backward<FRNN_GRU> {
  static void apply(const Call& call, const Spot& at, Vec sums) {
    const float* kept = record_at(call, at);
    float* carry = carry_at(call, at);  // the part of dh that flows through z
    const GruBackward<Vec> out = gru_backward<Vec>(
        {load(kept), load(kept + kWidth), load(kept + 2 * kWidth)}, load(kept + 3 * kWidth),
        state_at(call, at), upstream(call, at, sums + load(carry)));
    store(carry, out.dh_prev);
    write_gradient(call, at, 0, out.dax.r);
    write_gradient(call, at, 1, out.dax.z);
    write_gradient(call, at, 2, out.dax.n);
    write_gradient(call, at, 3, out.dah_n);
  }
};

struct BackwardBeforeFirst {
  static void apply(const Call& call, const Spot& at, Vec sums) {
    const float* kept = record_at(call, at);
    float* carry = carry_at(call, at);
    const GruBeforeBackwardFirst<Vec> out =
        gru_before_backward_first<Vec>(load(kept + kWidth), load(kept + 2 * kWidth),
                                       state_at(call, at), upstream(call, at, sums + load(carry)));
    store(carry, out.dh_prev);
    write_gradient(call, at, 1, out.da_z);
    write_gradient(call, at, 2, out.da_n);
  }
};

struct BackwardBeforeSecond {
  static void apply(const Call& call, const Spot& at, Vec sums) {
    float* carry = carry_at(call, at);
    const GruBeforeBackwardSecond<Vec> out = gru_before_backward_second<Vec>(
        load(record_at(call, at)), state_at(call, at), sums, load(carry));
    store(carry, out.dh_prev);
    write_gradient(call, at, 0, out.da_r);
  }
};

template <typename Cell>
struct BackwardPlain {
  static void apply(const Call& call, const Spot& at, Vec sums) {
    const float* y = floats_at(call.rnn.y) + call.y_at(at.t, at.row) + at.unit;
    const Vec h = load_first(y, at.lanes);
    write_gradient(call, at, 0, Cell::backward(h, upstream(call, at, sums)));
  }
};

template <>
struct Backward<FRNN_RNN_TANH> : BackwardPlain<RnnTanh> {};
template <>
struct Backward<FRNN_RNN_RELU> : BackwardPlain<RnnRelu> {};

// dh0: what a last product through the weights brings, and for the GRUs what flowed through z.
struct InitialState {
  static void apply(const Call& call, const Spot& at, Vec sums) {
    const bool gated = call.rnn.cell == FRNN_GRU || call.rnn.cell == FRNN_GRU_RESET_BEFORE;
    const Vec dh = gated ? sums + load(carry_at(call, at)) : sums;
    store_first(writable_at(call.rnn.dh0) + at.row * call.l.H + at.unit, dh, at.lanes);
  }
};

// A range of the gradients' columns and of the weights' rows: a product's inner dimension.
struct Inner {
  int64_t column, row, k;
};

// Fetches what the cells of a tile will read: they come to it backwards in time, which no processor
// foresees, and have a whole product to wait for it.
template <int kGroups>
FRNN_CPU_INLINE void fetch_records(const Call& call, int64_t t, int64_t row, int64_t rows,
                                   int64_t group) {
  const Layout& l = call.l;
  const auto fetch = [](const float* p) { __builtin_prefetch(p, 0, 3); };
  for (int64_t r = row; r < row + rows; ++r) {
    const int64_t unit = group * kWidth, element = call.y_at(t, r) + unit;
    if (call.records != nullptr) {
      const float* kept = call.record(t, r) + unit * l.cell.slots;
      for (int64_t i = 0; i < kGroups * l.cell.slots; ++i)
        fetch(kept + i * kWidth);
    }
    for (int g = 0; g < kGroups; ++g) {
      if (call.rnn.dy != 0) fetch(floats_at(call.rnn.dy) + element + g * kWidth);
      if (call.rnn.cell != FRNN_LSTM) {
        fetch(call.state(t) + r * call.state_row(t) + unit + g * kWidth);
      } else if (!call.is_first(t)) {
        fetch(call.record(call.before(t), r) + (unit + g * kWidth) * l.cell.slots + 4 * kWidth);
      }
    }
  }
}

// Rows whose sums wait in L1 while a panel goes over them part by part.
constexpr int64_t kStripRows = 64;
// Rows of weights in a part: with four vectors 128 KiB, which stay in L2 for all rows of a strip,
// beside the part behind it that is fetched meanwhile.
constexpr int64_t kPartRows = 512;

// What the products of one step have in common.
struct Step {
  int64_t s;     // the step whose dh is summed; -1 stands for the initial state
  int64_t from;  // the step whose gradients are multiplied; where it is T, the sums are dhT
  const Inner* ranges;
  int count;   // of inner ranges, which are added up
  bool fetch;  // the weights do not stay in L2: what is multiplied next is fetched
};

// The sums of a strip of rows and one panel, sums[row][kGroups * kWidth]. `next` is the panel
// behind this one.
template <int kGroups>
void sum_strip(const Call& call, const Step& step, Range rows, int64_t group, const float* next,
               float* sums) {
  constexpr int64_t kPanel = kGroups * kWidth;
  using First = Products<kGroups, 0>;
  using Next = Products<kGroups, kGroups>;
  alignas(64) static const float kZeros[kPanel] = {};
  const float* panel = call.w_hh + group * kWidth * call.l.cell.gates * call.l.H;
  Product p{};
  p.a_row = call.gradient_row;
  p.start_row = p.out_row = kPanel;
  p.bias = kZeros;
  for (int r = 0; r < step.count; ++r) {
    const Inner& range = step.ranges[r];
    for (int64_t k = 0; k < range.k; k += kPartRows) {
      p.k = range.k - k < kPartRows ? range.k - k : kPartRows;
      p.b = panel + (range.row + k) * kPanel;
      const bool last = r + 1 == step.count && k + p.k == range.k;
      const auto* ahead =
          reinterpret_cast<const char*>(last ? next : panel + (range.row + k + p.k) * kPanel);
      int64_t fetched = 0;  // cache lines
      for_pieces(rows.size(), First::kRows, [&](int64_t first, int64_t height) {
        const int64_t row = rows.first + first;
        if (last && step.s >= 0) {
          fetch_records<kGroups>(call, call.time(step.s), row, height, group);
        }
        p.ahead = nullptr;
        if (step.fetch && (fetched + p.k) * kLine <= p.k * kPanel * 4) {
          p.ahead = ahead + fetched * kLine;
          fetched += p.k;
        }
        p.a = call.gradient(step.from, row) + range.column + k;
        p.start = p.out = sums + first * kPanel;
        if (r == 0 && k == 0) {
          First::multiply(height, p);
        } else {
          Next::multiply(height, p);
        }
      });
    }
  }
}

// One tile of units, from its sums through the cell.
template <typename Cell, int kGroups>
void tile_step(const Call& call, const Step& step, Range rows, int64_t group, const float* next) {
  const Layout& l = call.l;
  const int64_t t = call.time(step.s < 0 ? 0 : step.s);
  const bool sums_up = step.from < l.T;
  alignas(64) float sums[kStripRows * kGroups * kWidth];
  for (int64_t first = rows.first; first < rows.last; first += kStripRows) {
    const int64_t last = first + kStripRows < rows.last ? first + kStripRows : rows.last;
    if (sums_up) sum_strip<kGroups>(call, step, {first, last}, group, next, sums);
    for (int64_t row = first; row < last; ++row) {
      for (int g = 0; g < kGroups; ++g) {
        const Spot at{step.s, t, row, (group + g) * kWidth, l.H - (group + g) * kWidth};
        if (at.lanes <= 0) break;
        Vec dh(0.0f);
        if (sums_up) {
          dh = load(sums + ((row - first) * kGroups + g) * kWidth);
        } else if (call.rnn.dhT != 0) {
          dh = load_first(floats_at(call.rnn.dhT) + at.row * l.H + at.unit, at.lanes);
        }
        Cell::apply(call, at, dh);
      }
    }
  }
}

template <typename Cell>
void step(const Worker& worker, const Call& call, const Part& part, int64_t s, int64_t from,
          const Inner* ranges, int count) {
  static_assert(kBackwardGroups == 4, "one case below for each number of groups in a tile");
  const Range tiles = part.share((call.l.groups + kBackwardGroups - 1) / kBackwardGroups);
  const int64_t group_floats = kWidth * call.l.cell.gates * call.l.H;
  const bool fetch = tiles.size() * kBackwardGroups * group_floats * 4 > worker.stays_bytes;
  const Step step{s, from, ranges, count, fetch};
  for (int64_t tile = tiles.first; tile < tiles.last; ++tile) {
    const int64_t group = tile * kBackwardGroups;
    const float* next = call.w_hh + (tile + 1 < tiles.last ? tile + 1 : tiles.first) *
                                        kBackwardGroups * group_floats;
    switch (call.l.groups - group) {
      case 1:
        tile_step<Cell, 1>(call, step, part.rows, group, next);
        break;
      case 2:
        tile_step<Cell, 2>(call, step, part.rows, group, next);
        break;
      case 3:
        tile_step<Cell, 3>(call, step, part.rows, group, next);
        break;
      default:
        tile_step<Cell, 4>(call, step, part.rows, group, next);
    }
  }
}

void pack_weights(const Worker& worker, const Call& call) {
  const Layout& l = call.l;
  const int64_t K = l.cell.gates * l.H;
  const int64_t tiles = (l.groups + kBackwardGroups - 1) / kBackwardGroups;
  const Range mine = split(tiles, worker.count, worker.index);
  for (int64_t tile = mine.first; tile < mine.last; ++tile) {
    const int64_t group = tile * kBackwardGroups;
    const int64_t left = l.groups - group;
    const int64_t width = (left < kBackwardGroups ? left : kBackwardGroups) * kWidth;
    const int64_t unit = group * kWidth;
    const int64_t units = l.H - unit < width ? l.H - unit : width;
    pack_panel(call.w_hh + unit * K, width, units, K, floats_at(call.rnn.w_hh) + unit, 1, l.H);
  }
  if (worker.index == 0) std::memset(call.zeros, 0, static_cast<size_t>(l.H) * sizeof(float));
}

// carry starts as dcT for an LSTM, else as zero.
void start_carry(const Worker& worker, const Call& call) {
  const Layout& l = call.l;
  const bool from_c = call.rnn.cell == FRNN_LSTM && call.rnn.dcT != 0;
  const Range rows = split(l.B, worker.count, worker.index);
  for (int64_t row = rows.first; row < rows.last; ++row) {
    float* carry = call.carry + row * l.padded;
    std::memset(carry, 0, static_cast<size_t>(l.padded) * sizeof(float));
    if (from_c) {
      std::memcpy(carry, floats_at(call.rnn.dcT) + row * l.H,
                  static_cast<size_t>(l.H) * sizeof(float));
    }
  }
}

// One step for a cell with one product per step.
template <int64_t kCell>
void one_step(const Worker& worker, const Call& call, const Part& part, int64_t s,
              const Inner* ranges, int count) {
  if (s < 0) {
    step<InitialState>(worker, call, part, s, 0, ranges, count);
  } else {
    step<Backward<kCell>>(worker, call, part, s, s + 1, ranges, count);
  }
}

// Step s, and where s is -1 dh0.
template <int64_t kCell>
void recur(const Worker& worker, const Call& call, const Part& part, int64_t s) {
  const int64_t H = call.l.H;
  const Inner whole[] = {{0, 0, call.l.cell.gates * H}};
  const Inner gru[] = {{0, 0, 2 * H}, {3 * H, 2 * H, H}};  // skips the input part of n
  const Inner before_rz[] = {{0, 0, 2 * H}};
  const Inner before_n[] = {{2 * H, 2 * H, H}};
  if constexpr (kCell == FRNN_GRU_RESET_BEFORE) {
    if (s < 0) {
      step<InitialState>(worker, call, part, s, 0, before_rz, 1);
    } else {
      step<BackwardBeforeFirst>(worker, call, part, s, s + 1, before_rz, 1);
      part.meet(worker);
      step<BackwardBeforeSecond>(worker, call, part, s, s, before_n, 1);
    }
  } else if constexpr (kCell == FRNN_GRU) {
    one_step<kCell>(worker, call, part, s, gru, 2);
  } else {
    one_step<kCell>(worker, call, part, s, whole, 1);
  }
  part.meet(worker);
}

void write_dc0(const Worker& worker, const Call& call) {
  const Layout& l = call.l;
  if (call.rnn.cell != FRNN_LSTM || call.rnn.dc0 == 0) return;
  const Range rows = split(l.B, worker.count, worker.index);
  for (int64_t row = rows.first; row < rows.last; ++row) {
    std::memcpy(writable_at(call.rnn.dc0) + row * l.H, call.carry + row * l.padded,
                static_cast<size_t>(l.H) * sizeof(float));
  }
}

template <int64_t kCell>
void run(const Worker& worker, Call& call) {
  const Layout& l = call.l;
  const Part part = part_of(worker, l.B, l.padded * l.cell.gates * l.H * 4);
  pack_weights(worker, call);
  pack_input_weights(worker, call);
  start_carry(worker, call);
  worker.sync();
  for (int64_t left = l.T; left > 0; left = call.chunk.first) {
    call.next_chunk();
    for (int64_t s = left - 1; s >= call.chunk.first; --s)
      recur<kCell>(worker, call, part, s);
    if (call.chunk.first == 0 && call.rnn.dh0 != 0) recur<kCell>(worker, call, part, -1);
    worker.sync();
    chunk_gradients(worker, call);
  }
  write_dc0(worker, call);
  worker.sync();
}

}  // namespace
}  // namespace backward

// Called by every member of a team. When it returns, all gradients are there.
void rnn_backward(const Worker& worker, const frnn_rnn& rnn) {
  using namespace backward;
  Call call(rnn);
  with_plain_cell(rnn.cell, [&](auto cell) { run<cell>(worker, call); });
}

}  // namespace frnn::cpu::FRNN_CPU_ISA
