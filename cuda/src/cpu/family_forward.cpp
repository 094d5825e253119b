// Forward through any member of the family: variants of the LSTM, projection, rows of different
// lengths, reverse, strides, batch-first, masks. As in rnn_forward.cpp the recurrent product of a
// group of units goes straight into the cell; but preactivations and what backward needs lie in
// row-major matrices in the order of x, and every row has a time of its own.
//
// At step s, row b is live while s < length(b). h and c are the state; `hin` is h as it enters the
// recurrent product, which recurrent dropout may have masked; it has two places, for the step that
// reads and the step that is prepared.

#include "cpu/family_forward.h"
#include "cells/rnn.h"
#include "cpu/dispatch.h"

namespace frnn::cpu::FRNN_CPU_ISA {
namespace forward {
namespace {

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

// Cells that reset before the product: r and r * h from the recurrent sum of r, and z from `a_z`.
void reset(const Call& call, const Spot& at, Vec sum_r, Vec a_z) {
  const Vec entered = load_first(call.hin_of(at.s) + at.b * call.N + at.unit, at.lanes);
  const GruBeforeFirst<Vec> out =
      gru_before_forward_first<Vec>(load_gate(call, at, 0) + sum_r, a_z, entered);
  store_gate(call, at, 0, out.r);
  store_gate(call, at, 1, out.z);
  store_first(call.middle + at.b * call.H + at.unit, out.rh, at.lanes);
  keep(call, at, call.kept_middle, out.rh);
}

struct ApplyReset {  // both gates from the product with h
  static void run(const Call& call, const Spot& at, const float* sums) {
    reset(call, at, load(sums), load_gate(call, at, 1) + load(sums + kWidth));
  }
};

struct ApplyResetAlone {  // the preactivation of z is complete
  static void run(const Call& call, const Spot& at, const float* sums) {
    reset(call, at, load(sums), load_gate(call, at, 1));
  }
};

struct AddToUpdate {  // completes the preactivation of z
  static void run(const Call& call, const Spot& at, const float* sums) {
    store_gate(call, at, 1, load_gate(call, at, 1) + load(sums));
  }
};

struct ApplyCandidate {  // n and the new h
  static void run(const Call& call, const Spot& at, const float* sums) {
    const int64_t cell = call.rnn.cell;
    Vec a_n = load_gate(call, at, 2);
    if (cell == FRNN_MUT1) {
      a_n = tanh(a_n);
      keep(call, at, call.kept_inner, a_n);
    }
    a_n += load(sums);
    const Vec z = load_gate(call, at, 1), h_prev = state_at(call, at);
    const GruBeforeSecond<Vec> out = cell == FRNN_GRU_RESET_BEFORE
                                         ? gru_before_forward_second<Vec>(a_n, z, h_prev)
                                         : mut_forward_second<Vec>(a_n, z, h_prev);
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

// How many gates lie beside each other in the first panel of a group, whose others have one gate
// each: panels are multiplied with different vectors, or at different times.
int64_t first_panel(const Call& call) {
  switch (call.rnn.cell) {
    case FRNN_GRU_RESET_BEFORE:
    case FRNN_MUT2:
      return 2;
    case FRNN_MUT1:
    case FRNN_MUT3:
      return 1;
    default:
      return call.R;
  }
}

// The recurrent bias of a row of w_hh that is added to the recurrent sum, not to the input's part:
// that of n where n does more than add the two. -1: none.
int64_t apart_gate(const Call& call) {
  return call.rnn.cell == FRNN_GRU ? 2 : call.rnn.cell == FRNN_MUT1 ? 1 : -1;
}

void pack_biases(const Worker& worker, const Call& call) {
  const int64_t H = call.H, apart = apart_gate(call);
  const float* b_ih = call.rnn.b_ih == 0 ? nullptr : floats_at(call.rnn.b_ih);
  const float* b_hh = call.rnn.b_hh == 0 ? nullptr : floats_at(call.rnn.b_hh);
  const Range packed = split(call.l.groups * call.R * kWidth, worker.count, worker.index);
  for (int64_t i = packed.first; i < packed.last; ++i) {
    const int64_t gate = i / kWidth % call.R, unit = i / (call.R * kWidth) * kWidth + i % kWidth;
    const bool there = b_hh != nullptr && gate == apart && unit < H;
    call.bias_h[i] = there ? b_hh[gate * H + unit] : 0.0f;
  }
  const Range rows = split(call.w_ih.groups() * kWidth, worker.count, worker.index);
  for (int64_t i = rows.first; i < rows.last; ++i) {
    const bool there = i < call.G * H;
    const bool recurrent = i < call.R * H && i / H != apart;  // MUT1: r is block 0 of both
    const float x = there && b_ih != nullptr ? b_ih[i] : 0.0f;
    call.bias_x[i] = x + (there && recurrent && b_hh != nullptr ? b_hh[i] : 0.0f);
  }
}

void pack_weights(const Worker& worker, const Call& call) {
  const Range mine = split(call.l.groups, worker.count, worker.index);
  for (int64_t group = mine.first; group < mine.last; ++group) {
    float* panel = call.w_hh + group * call.R * kWidth * call.N;
    int64_t first = 0, last = first_panel(call);
    for (; first < call.R; first = last, last = first + 1) {
      pack_gates(call, panel + first * kWidth * call.N, group, first, last);
    }
  }
  pack_biases(worker, call);
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
      if (call.rnn.P > 0 || resets_before(call.rnn.cell)) {
        copy_row(call.kept_middle + row * call.H, nullptr, call.H);
      }
      if (call.rnn.cell == FRNN_MUT3) copy_row(call.kept_inner + row * call.H, nullptr, call.H);
    }
  }
}

// The input's part of all preactivations, summed in the same order as on the fast path, so that a
// row's bits do not depend on which of the two serves it.
void input_product(const Worker& worker, const Call& call) {
  const Range tiles = split(call.w_ih.count(), worker.count, worker.index);
  const int64_t GH = call.G * call.H;
  multiply_panels(call.w_ih, tiles, {0, call.l.rows}, 0, call.I, floats_at(call.rnn.x), call.x_ld,
                  call.rnn.norm == FRNN_NO_NORM ? call.bias_x : nullptr,
                  [&](int64_t row, int64_t column, int64_t columns, Vec sum) {
                    store_first(call.gates + row * GH + column, sum, columns);
                  });
  worker.sync();
}

// The recurrent product of kVectors gates of w_hh from block `gate` on, into Cell.
template <typename Cell, int kVectors>
void product_step(const Call& call, const Part& part, int64_t s, const float* a, int64_t gate) {
  const Range groups = part.share(call.l.groups);
  for (int64_t group = groups.first; group < groups.last; ++group) {
    const int64_t unit = group * kWidth, first = (group * call.R + gate) * kWidth;
    multiply_rows<kVectors>(part.rows, call.N, a, call.N, call.w_hh + first * call.N,
                            call.bias_h + first, [&](int64_t b, const float* sums) {
                              if (s >= call.length(b)) return;
                              Cell::run(call, spot_of(call, s, b, unit, call.H - unit), sums);
                            });
  }
}

template <int64_t kCell>
void step(const Worker& worker, const Call& call, const Part& part, int64_t s) {
  const float* hin = call.hin_of(s);
  if constexpr (kCell == FRNN_GRU_RESET_BEFORE || kCell == FRNN_MUT2) {
    product_step<ApplyReset, 2>(call, part, s, hin, 0);
    part.meet(worker);
    product_step<ApplyCandidate, 1>(call, part, s, call.middle, 2);
  } else if constexpr (kCell == FRNN_MUT1) {
    product_step<ApplyResetAlone, 1>(call, part, s, hin, 0);
    part.meet(worker);
    product_step<ApplyCandidate, 1>(call, part, s, call.middle, 1);
  } else if constexpr (kCell == FRNN_MUT3) {
    product_step<AddToUpdate, 1>(call, part, s, call.inner_of(s), 1);
    product_step<ApplyResetAlone, 1>(call, part, s, hin, 0);
    part.meet(worker);
    product_step<ApplyCandidate, 1>(call, part, s, call.middle, 2);
  } else if constexpr (kCell == FRNN_GRU) {
    product_step<Apply<kCell>, 3>(call, part, s, hin, 0);
  } else if constexpr (kCell == FRNN_LSTM) {
    if (call.rnn.norm == FRNN_LAYER_NORM) {
      layer_norm_step(worker, call, part, s);
      return part.meet(worker);
    }
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
  if (call.rnn.norm != FRNN_NO_NORM) normalise_inputs(worker, call);
  const Part part = part_of(worker, call.B, call.l.groups * kWidth * call.R * call.N * 4);
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
}  // namespace forward

// Called by every member of a team. When it returns, all results are there.
void family_forward(const Worker& worker, const Family& family) {
  using namespace forward;
  const Call call(family);
  with_cell(family.rnn.cell, [&](auto cell) { run<cell>(worker, call); });
}

}  // namespace frnn::cpu::FRNN_CPU_ISA
