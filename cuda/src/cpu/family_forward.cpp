// Forward through any member of the family: variants of the LSTM, projection, rows of different
// lengths, reverse, strides, batch-first, masks. As in rnn_forward.cpp the recurrent product of a
// group of units goes straight into the cell; but preactivations and what backward needs lie in
// row-major matrices in the order of x, and every row has a time of its own.
//
// At step s, row b is live while s < length(b). h and c are the state; `hin` is h as it enters the
// recurrent product, which recurrent dropout may have masked; it has two places, for the step that
// reads and the step that is prepared.

#include "cells/gru.h"
#include "cells/rnn.h"
#include "cpu/family.h"

namespace frnn::cpu::FRNN_CPU_ISA {
namespace {

struct Call : FamilyShape {
  const Family& family;
  LstmBlocks blocks;
  Panels w_ih, w_hr;
  float *w_hh, *bias_x, *bias_h, *gates, *h, *hin, *c, *middle, *mask;
  float *kept_hin, *kept_c, *kept_middle;  // null without training

  explicit Call(const Family& f)
      : FamilyShape(f.rnn),
        family(f),
        blocks(lstm_blocks(f.rnn)),
        w_ih{G * H, I, nullptr},
        w_hr{N, H, nullptr} {
    float* work = line_start(rnn.workspace);
    w_hh = work + l.w_hh;
    w_ih.packed = work + l.w_ih;
    w_hr.packed = work + l.w_hr;
    bias_x = work + l.bias_x;
    bias_h = work + l.bias_h;
    gates = work + l.gates;
    h = work + l.h;
    hin = work + l.hin;
    c = work + l.c;
    middle = work + l.middle;
    mask = work + l.mask;
    kept_hin = kept_c = kept_middle = nullptr;
    if (!training) return;
    float* kept = line_start(rnn.reserve);
    gates = kept + l.kept_gates;
    kept_hin = kept + l.kept_hin;
    kept_c = kept + l.kept_c;
    kept_middle = kept + l.kept_middle;
  }

  float* hin_of(int64_t s) const { return hin + (s & 1) * B * N; }

  // State h of row b goes into the recurrent product of step s.
  void enter(int64_t s, int64_t b, int64_t unit, int64_t lanes, Vec value) const {
    const Vec masked = value * load_first(mask + b * N + unit, lanes);
    store_first(hin_of(s) + b * N + unit, masked, lanes);
    if (training && s < length(b)) {
      store_first(kept_hin + row_at(time_of(s, b), b) * N + unit, masked, lanes);
    }
  }
  // A unit that zoneout drops keeps its old value; without training, the expectation.
  Vec zoneout(const Mask& drop, double p, int64_t element, int64_t lanes, Vec old, Vec now) const {
    if (p == 0) return now;
    if (training) return select(dropped_lanes(drop, element, lanes), old, now);
    return Vec(static_cast<float>(p)) * old + Vec(static_cast<float>(1.0 - p)) * now;
  }
};

// One live row of one step and one group of units.
struct Spot {
  int64_t s, b;
  int64_t t, row;
  int64_t unit, lanes;
};

Spot spot_of(const Call& call, int64_t s, int64_t b, int64_t unit, int64_t lanes) {
  const int64_t t = call.time_of(s, b);
  return {s, b, t, call.row_at(t, b), unit, lanes};
}

float* gate_at(const Call& call, const Spot& at, int64_t block) {
  return call.gates + (at.row * call.G + block) * call.H + at.unit;
}
Vec load_gate(const Call& call, const Spot& at, int64_t block) {
  return load_first(gate_at(call, at, block), at.lanes);
}
void store_gate(const Call& call, const Spot& at, int64_t block, Vec value) {
  store_first(gate_at(call, at, block), value, at.lanes);
}
// Keeps a vector of width H for backward.
void keep(const Call& call, const Spot& at, float* kept, Vec value) {
  if (call.training) store_first(kept + at.row * call.H + at.unit, value, at.lanes);
}
Vec state_at(const Call& call, const Spot& at) {
  return load_first(call.h + at.b * call.N + at.unit, at.lanes);
}

// The new h of a spot: zoneout, state, output, and what the next step multiplies.
void finish(const Call& call, const Spot& at, Vec now) {
  const Vec old = state_at(call, at);
  const int64_t element = (at.t * call.B + at.b) * call.N + at.unit;
  const Vec h =
      call.zoneout(call.family.zoneout_h, call.rnn.zoneout_h, element, at.lanes, old, now);
  store_first(call.h + at.b * call.N + at.unit, h, at.lanes);
  store_first(floats_at(call.rnn.y) + at.row * call.y_ld + at.unit, h, at.lanes);
  call.enter(at.s + 1, at.b, at.unit, at.lanes, h);
}

template <int64_t kCell>
struct Apply;  // the recurrent sums of one spot, kWidth floats for each gate, into the cell

template <>
struct Apply<FRNN_LSTM> {
  static void run(const Call& call, const Spot& at, const float* sums) {
    const LstmBlocks& blocks = call.blocks;
    const auto sum = [&](int64_t block) {
      return block < 0 ? Vec(0.0f) : load_gate(call, at, block) + load(sums + block * kWidth);
    };
    const auto peephole = [&](int64_t row) {
      if (row < 0) return Vec(0.0f);
      return load_first(floats_at(call.rnn.w_peephole) + row * call.H + at.unit, at.lanes);
    };
    const auto store_if = [&](int64_t block, Vec value) {
      if (block >= 0) store_gate(call, at, block, value);
    };
    float* c_at = call.c + at.b * call.H + at.unit;
    const Vec c_prev = load_first(c_at, at.lanes);
    const LstmVariantForward<Vec> out = lstm_variant_forward<Vec>(
        blocks.variant, {sum(blocks.i), sum(blocks.f), sum(blocks.g), sum(blocks.o)},
        {peephole(blocks.pi), peephole(blocks.pf), peephole(blocks.po)}, c_prev);
    const int64_t element = (at.t * call.B + at.b) * call.H + at.unit;
    store_first(
        c_at,
        call.zoneout(call.family.zoneout_c, call.rnn.zoneout_c, element, at.lanes, c_prev, out.c),
        at.lanes);
    if (call.training) {
      store_if(blocks.i, out.gates.i);
      store_if(blocks.f, out.gates.f);
      store_if(blocks.g, out.gates.g);
      store_if(blocks.o, out.gates.o);
      keep(call, at, call.kept_c, c_prev);
    }
    if (call.rnn.P == 0) return finish(call, at, out.m);
    store_first(call.middle + at.b * call.H + at.unit, out.m, at.lanes);
    keep(call, at, call.kept_middle, out.m);
  }
};

template <>
struct Apply<FRNN_GRU> {
  static void run(const Call& call, const Spot& at, const float* sums) {
    const Vec zero(0.0f), recurrent_n = load(sums + 2 * kWidth);
    const GruForward<Vec> out =
        gru_forward<Vec>({load_gate(call, at, 0) + load(sums),
                          load_gate(call, at, 1) + load(sums + kWidth), load_gate(call, at, 2)},
                         {zero, zero, recurrent_n}, state_at(call, at));
    if (call.training) {
      store_gate(call, at, 0, out.gates.r);
      store_gate(call, at, 1, out.gates.z);
      store_gate(call, at, 2, out.gates.n);
      keep(call, at, call.kept_middle, recurrent_n);
    }
    finish(call, at, out.h);
  }
};

struct ApplyBeforeFirst {
  static void run(const Call& call, const Spot& at, const float* sums) {
    const Vec entered = load_first(call.hin_of(at.s) + at.b * call.N + at.unit, at.lanes);
    const GruBeforeFirst<Vec> out = gru_before_forward_first<Vec>(
        load_gate(call, at, 0) + load(sums), load_gate(call, at, 1) + load(sums + kWidth), entered);
    store_gate(call, at, 0, out.r);
    store_gate(call, at, 1, out.z);
    store_first(call.middle + at.b * call.H + at.unit, out.rh, at.lanes);
    keep(call, at, call.kept_middle, out.rh);
  }
};

struct ApplyBeforeSecond {
  static void run(const Call& call, const Spot& at, const float* sums) {
    const GruBeforeSecond<Vec> out = gru_before_forward_second<Vec>(
        load_gate(call, at, 2) + load(sums), load_gate(call, at, 1), state_at(call, at));
    store_gate(call, at, 2, out.n);
    finish(call, at, out.h);
  }
};

template <typename Cell>
struct ApplyPlain {
  static void run(const Call& call, const Spot& at, const float* sums) {
    const Vec h = Cell::forward(load_gate(call, at, 0) + load(sums));
    if (call.training) store_gate(call, at, 0, h);
    finish(call, at, h);
  }
};
template <>
struct Apply<FRNN_RNN_TANH> : ApplyPlain<RnnTanh> {};
template <>
struct Apply<FRNN_RNN_RELU> : ApplyPlain<RnnRelu> {};

// Gates [first, last) of a group of units, as one panel.
void pack_gates(const Call& call, float* panel, int64_t group, int64_t first, int64_t last) {
  const int64_t unit = group * kWidth, width = (last - first) * kWidth;
  const int64_t units = call.H - unit < kWidth ? call.H - unit : kWidth;
  for (int64_t gate = first; gate < last; ++gate) {
    float* lanes = panel + (gate - first) * kWidth;
    pack_across(lanes, width, units, call.N,
                floats_at(call.rnn.w_hh) + (gate * call.H + unit) * call.N, call.N);
    pack_zeros(lanes, width, units, kWidth, call.N);
  }
}

void pack_weights(const Worker& worker, const Call& call) {
  const bool before = call.rnn.cell == FRNN_GRU_RESET_BEFORE, gru = call.rnn.cell == FRNN_GRU;
  const Range mine = split(call.l.groups, worker.count, worker.index);
  for (int64_t group = mine.first; group < mine.last; ++group) {
    float* panel = call.w_hh + group * call.G * kWidth * call.N;
    pack_gates(call, panel, group, 0, before ? 2 : call.G);
    if (before) pack_gates(call, panel + 2 * kWidth * call.N, group, 2, 3);
    for (int64_t j = 0; j < call.G * kWidth; ++j) {
      const int64_t unit = group * kWidth + j % kWidth;
      const bool apart = gru && j >= 2 * kWidth && unit < call.H && call.rnn.b_hh != 0;
      call.bias_h[group * call.G * kWidth + j] =
          apart ? floats_at(call.rnn.b_hh)[2 * call.H + unit] : 0.0f;
    }
  }
  const Range rows = split(call.w_ih.groups() * kWidth, worker.count, worker.index);
  for (int64_t i = rows.first; i < rows.last; ++i) {
    const bool apart = gru && i >= 2 * call.H, there = i < call.G * call.H;
    const float x = there && call.rnn.b_ih != 0 ? floats_at(call.rnn.b_ih)[i] : 0.0f;
    const float h = there && call.rnn.b_hh != 0 && !apart ? floats_at(call.rnn.b_hh)[i] : 0.0f;
    call.bias_x[i] = x + h;
  }
  pack_panels(worker, call.w_ih, floats_at(call.rnn.w_ih), call.I, 1);
  if (call.rnn.P > 0) pack_panels(worker, call.w_hr, floats_at(call.rnn.w_hr), call.H, 1);
}

// A row of width n, or zeros.
void copy_row(float* to, const float* from, int64_t n) {
  if (from == nullptr) {
    std::memset(to, 0, static_cast<size_t>(n) * sizeof(float));
  } else {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
  }
}

// The initial state, and zeros in the rows beyond each length that are read as matrices.
void start(const Worker& worker, const Call& call) {
  draw_recurrent_mask(worker, call, call.family.recurrent, call.mask);
  const Range rows = split(call.B, worker.count, worker.index);
  for (int64_t b = rows.first; b < rows.last; ++b) {
    const float* h0 = call.rnn.h0 == 0 ? nullptr : floats_at(call.rnn.h0) + b * call.N;
    copy_row(call.h + b * call.N, h0, call.N);
    for (int64_t unit = 0; unit < call.N; unit += kWidth) {
      const int64_t lanes = call.N - unit;
      call.enter(0, b, unit, lanes, load_first(call.h + b * call.N + unit, lanes));
    }
    if (call.rnn.cell == FRNN_LSTM) {
      const float* c0 = call.rnn.c0 == 0 ? nullptr : floats_at(call.rnn.c0) + b * call.H;
      copy_row(call.c + b * call.H, c0, call.H);
    }
    for (int64_t t = call.length(b); t < call.T; ++t) {
      const int64_t row = call.row_at(t, b);
      copy_row(floats_at(call.rnn.y) + row * call.y_ld, nullptr, call.N);
      if (!call.training) continue;
      copy_row(call.kept_hin + row * call.N, nullptr, call.N);
      if (call.rnn.P > 0 || call.rnn.cell == FRNN_GRU_RESET_BEFORE) {
        copy_row(call.kept_middle + row * call.H, nullptr, call.H);
      }
    }
  }
}

// The input's part of all preactivations, summed in the same order as on the fast path, so that a
// row's bits do not depend on which of the two serves it.
void input_product(const Worker& worker, const Call& call) {
  const Range tiles = split(call.w_ih.count(), worker.count, worker.index);
  const int64_t GH = call.G * call.H;
  multiply_panels(call.w_ih, tiles, {0, call.l.rows}, 0, call.I, floats_at(call.rnn.x), call.x_ld,
                  call.bias_x, [&](int64_t row, int64_t column, int64_t columns, Vec sum) {
                    store_first(call.gates + row * GH + column, sum, columns);
                  });
  worker.sync();
}

// The recurrent product of gates that lie `offset` groups of lanes into a group's panels, into
// Cell.
template <typename Cell, int kVectors>
void product_step(const Call& call, const Part& part, int64_t s, const float* a, int64_t offset) {
  const Range groups = part.share(call.l.groups);
  for (int64_t group = groups.first; group < groups.last; ++group) {
    const int64_t unit = group * kWidth, first = group * call.G * kWidth + offset * kWidth;
    const float* panel = call.w_hh + (group * call.G + offset) * kWidth * call.N;
    multiply_rows<kVectors>(part.rows, call.N, a, call.N, panel, call.bias_h + first,
                            [&](int64_t b, const float* sums) {
                              if (s >= call.length(b)) return;
                              Cell::run(call, spot_of(call, s, b, unit, call.H - unit), sums);
                            });
  }
}

template <int64_t kCell>
void step(const Worker& worker, const Call& call, const Part& part, int64_t s) {
  const float* hin = call.hin_of(s);
  if constexpr (kCell == FRNN_GRU_RESET_BEFORE) {
    product_step<ApplyBeforeFirst, 2>(call, part, s, hin, 0);
    part.meet(worker);
    product_step<ApplyBeforeSecond, 1>(call, part, s, call.middle, 2);
  } else if constexpr (kCell == FRNN_GRU) {
    product_step<Apply<kCell>, 3>(call, part, s, hin, 0);
  } else if constexpr (kCell == FRNN_LSTM) {
    if (call.G == 1) product_step<Apply<kCell>, 1>(call, part, s, hin, 0);
    if (call.G == 2) product_step<Apply<kCell>, 2>(call, part, s, hin, 0);
    if (call.G == 3) product_step<Apply<kCell>, 3>(call, part, s, hin, 0);
    if (call.G == 4) product_step<Apply<kCell>, 4>(call, part, s, hin, 0);
  } else {
    product_step<Apply<kCell>, 1>(call, part, s, hin, 0);
  }
  part.meet(worker);
  if (call.rnn.P == 0) return;
  multiply_panels(call.w_hr, part.share(call.w_hr.count()), part.rows, 0, call.H, call.middle,
                  call.H, nullptr, [&](int64_t b, int64_t unit, int64_t lanes, Vec h) {
                    if (s < call.length(b)) finish(call, spot_of(call, s, b, unit, lanes), h);
                  });
  part.meet(worker);
}

template <int64_t kCell>
void run(const Worker& worker, const Call& call) {
  pack_weights(worker, call);
  worker.sync();
  start(worker, call);
  worker.sync();
  input_product(worker, call);
  const Part part = part_of(worker, call.B, call.l.groups * kWidth * call.G * call.N * 4);
  int64_t steps = 0;
  for (int64_t b = 0; b < call.B; ++b)
    steps = call.length(b) > steps ? call.length(b) : steps;
  for (int64_t s = 0; s < steps; ++s)
    step<kCell>(worker, call, part, s);
  worker.sync();
  const Range rows = split(call.B, worker.count, worker.index);
  for (int64_t b = rows.first; b < rows.last; ++b) {
    const bool lstm = call.rnn.cell == FRNN_LSTM;
    if (call.rnn.hT != 0) {
      copy_row(floats_at(call.rnn.hT) + b * call.N, call.h + b * call.N, call.N);
    }
    if (lstm && call.rnn.cT != 0) {
      copy_row(floats_at(call.rnn.cT) + b * call.H, call.c + b * call.H, call.H);
    }
  }
  worker.sync();
}

}  // namespace

// Called by every member of a team. When it returns, all results are there.
void family_forward(const Worker& worker, const Family& family) {
  const Call call(family);
  switch (family.rnn.cell) {
    case FRNN_LSTM:
      return run<FRNN_LSTM>(worker, call);
    case FRNN_GRU:
      return run<FRNN_GRU>(worker, call);
    case FRNN_GRU_RESET_BEFORE:
      return run<FRNN_GRU_RESET_BEFORE>(worker, call);
    case FRNN_RNN_TANH:
      return run<FRNN_RNN_TANH>(worker, call);
    default:
      return run<FRNN_RNN_RELU>(worker, call);
  }
}

}  // namespace frnn::cpu::FRNN_CPU_ISA
