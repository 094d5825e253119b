// Backward through any member of the family. `dh` and `dc` are the gradients of the state after the
// step at hand; a step turns them into those of the state before it:
//
//   projected: dm = (gradient of the new h) w_hr, for the rows and tiles of a member
//   the cell:  gradients of the preactivations, dc, and the part of dh that passes the product by
//   product:   dh += mask * (gradients w_hh)
//
// Gradients of preactivations are kept for all steps, in the order of x and with zeros in the rows
// beyond each length, so that dx and the weights' gradients are products over everything.

#include "cpu/family_backward.h"
#include "cells/rnn.h"
#include "cpu/dispatch.h"

namespace frnn::cpu::FRNN_CPU_ISA {
namespace backward {
namespace {

template <int64_t kCell>
struct Apply;  // the gradient of what the cell put out, into those of its preactivations

template <>
struct Apply<FRNN_LSTM> {
  static void run(const Call& call, const Spot& at, Vec dm) {
    const LstmBlocks& blocks = call.blocks;
    const auto peephole = [&](int64_t row) {
      if (row < 0) return Vec(0.0f);
      return load_first(floats_at(call.rnn.w_peephole) + row * call.H + at.unit, at.lanes);
    };
    const auto write_if = [&](int64_t block, Vec value) {
      if (block >= 0) write_both(call, at, block, value);
    };
    const Vec one(1.0f), zero(0.0f);
    LstmGates<Vec> gates = {one, one, load_gate(call, at, blocks.g), one};
    if (blocks.f >= 0) gates.f = load_gate(call, at, blocks.f);
    if (blocks.o >= 0) gates.o = load_gate(call, at, blocks.o);
    if (blocks.i >= 0) gates.i = load_gate(call, at, blocks.i);
    if (blocks.variant.coupled) gates.i = one - gates.f;
    float* dc_at = call.dc + at.b * call.H + at.unit;
    Vec dc = load_first(dc_at, at.lanes), dc_old = zero;
    if (call.rnn.zoneout_c > 0) {
      const int64_t element = (at.t * call.B + at.b) * call.H + at.unit;
      const Ints dropped = dropped_lanes(call.family.zoneout_c, element, at.lanes);
      dc_old = select(dropped, dc, zero);
      dc = select(dropped, zero, dc);
    }
    const LstmVariantBackward<Vec> out = lstm_variant_backward<Vec>(
        blocks.variant, gates, {peephole(blocks.pi), peephole(blocks.pf), peephole(blocks.po)},
        load_kept(call, at, call.kept_c), dm, dc);
    store_first(dc_at, out.dc_prev + dc_old, at.lanes);
    write_if(blocks.i, out.da.i);
    write_if(blocks.f, out.da.f);
    write_if(blocks.g, out.da.g);
    write_if(blocks.o, out.da.o);
  }
};

template <>
struct Apply<FRNN_GRU> {
  static void run(const Call& call, const Spot& at, Vec dh) {
    const GruBackward<Vec> out =
        gru_backward<Vec>({load_gate(call, at, 0), load_gate(call, at, 1), load_gate(call, at, 2)},
                          load_kept(call, at, call.kept_middle), state_before(call, at), dh);
    write_both(call, at, 0, out.dax.r);
    write_both(call, at, 1, out.dax.z);
    write_input(call, at, 2, out.dax.n);
    write_input(call, at, 3, out.dah_n);
    write_recurrent(call, at, 2, out.dah_n);
    add_dh(call, at, out.dh_prev);
  }
};

// Cells that reset before the product; their second half needs da_n of all units.
void apply_before_first(const Call& call, const Spot& at, Vec dh) {
  const int64_t cell = call.rnn.cell;
  const Vec z = load_gate(call, at, 1), n = load_gate(call, at, 2), h = state_before(call, at);
  const GruBeforeBackwardFirst<Vec> out = cell == FRNN_GRU_RESET_BEFORE
                                              ? gru_before_backward_first<Vec>(z, n, h, dh)
                                              : mut_backward_first<Vec>(z, n, h, dh);
  add_dh(call, at, out.dh_prev);
  if (cell == FRNN_MUT1) {  // z has no recurrent part, n a tanh around that of the input
    write_input(call, at, 1, out.da_z);
    write_input(call, at, 2, out.da_n * tanh_slope(load_kept(call, at, call.kept_inner)));
    write_input(call, at, 3, out.da_n);
    write_recurrent(call, at, 1, out.da_n);
    return;
  }
  write_both(call, at, 1, out.da_z);
  write_both(call, at, 2, out.da_n);
}

// The second half: drh is the gradient of r * h as it entered the product.
void apply_before_second(const Call& call, const Spot& at, Vec drh) {
  const Vec entered = load_first(call.kept_hin + at.row * call.N + at.unit, at.lanes);
  float* dh_at = call.dh + at.b * call.N + at.unit;
  Vec dh = load_first(dh_at, at.lanes);
  const bool masked = call.family.recurrent.threshold != 0;
  const GruBeforeBackwardSecond<Vec> out = gru_before_backward_second<Vec>(
      load_gate(call, at, 0), entered, drh, masked ? Vec(0.0f) : dh);
  if (masked) {
    dh += out.dh_prev * load_first(call.mask + at.b * call.N + at.unit, at.lanes);
  } else {
    dh = out.dh_prev;
  }
  store_first(dh_at, dh, at.lanes);
  write_both(call, at, 0, out.da_r);
}

template <typename Cell>
struct ApplyPlain {
  static void run(const Call& call, const Spot& at, Vec dh) {
    write_both(call, at, 0, Cell::backward(load_gate(call, at, 0), dh));
  }
};
template <>
struct Apply<FRNN_RNN_TANH> : ApplyPlain<RnnTanh> {};
template <>
struct Apply<FRNN_RNN_RELU> : ApplyPlain<RnnRelu> {};

// f(spot) for the live rows of a step and the units of the tiles of this member.
template <typename F>
void for_spots(const Call& call, const Part& part, int64_t s, int64_t units, const F& f) {
  const int64_t groups = (units + kWidth - 1) / kWidth;
  const Range mine = part.share(groups);
  for (int64_t b = part.rows.first; b < part.rows.last; ++b) {
    if (s >= call.length(b)) continue;
    for (int64_t group = mine.first; group < mine.last; ++group) {
      f(spot_of(call, s, b, group * kWidth, units - group * kWidth));
    }
  }
}

// dm = (gradient of the new h) w_hr, into the cell.
void projected_step(const Worker& worker, const Call& call, const Part& part, int64_t s) {
  for_spots(call, part, s, call.N, [&](const Spot& at) {
    const Vec dh = take_dh(call, at);
    store_first(call.projected + at.b * call.N + at.unit, dh, at.lanes);
    store_first(call.projected_rows + at.row * call.N + at.unit, dh, at.lanes);
  });
  part.meet(worker);
  multiply_panels(call.w_hr, part.share(call.w_hr.count()), part.rows, 0, call.N, call.projected,
                  call.N, nullptr, [&](int64_t b, int64_t unit, int64_t lanes, Vec dm) {
                    if (s >= call.length(b)) return;
                    Apply<FRNN_LSTM>::run(call, spot_of(call, s, b, unit, lanes), dm);
                  });
}

// dh += mask * f(gradients of `k` rows of w_hh from `first` on, times those rows), where live.
template <typename F>
void add_product(const Call& call, const Part& part, int64_t s, int64_t first, int64_t k,
                 const F& f) {
  multiply_panels(call.w_hh, part.share(call.w_hh.count()), part.rows, first, k, call.now + first,
                  call.R * call.H, nullptr, [&](int64_t b, int64_t unit, int64_t lanes, Vec sum) {
                    if (s >= call.length(b)) return;
                    const Spot at = spot_of(call, s, b, unit, lanes);
                    add_dh(call, at, f(at, sum) * load_first(call.mask + b * call.N + unit, lanes));
                  });
}

template <int64_t kCell>
void step(const Worker& worker, const Call& call, const Part& part, int64_t s) {
  constexpr bool kBefore = kCell == FRNN_GRU_RESET_BEFORE || kCell >= FRNN_MUT1;
  if (call.rnn.norm == FRNN_LAYER_NORM) {
    layer_norm_step(worker, call, part, s);
  } else if (call.rnn.P > 0) {
    projected_step(worker, call, part, s);
  } else {
    for_spots(call, part, s, call.H, [&](const Spot& at) {
      if constexpr (kBefore) {
        apply_before_first(call, at, take_dh(call, at));
      } else {
        Apply<kCell>::run(call, at, take_dh(call, at));
      }
    });
  }
  part.meet(worker);
  int64_t rows = call.R * call.H;
  if (kBefore) {
    const int64_t n = (call.R - 1) * call.H;  // n is the last block
    multiply_panels(call.w_hh, part.share(call.w_hh.count()), part.rows, n, call.H, call.now + n,
                    call.R * call.H, nullptr, [&](int64_t b, int64_t unit, int64_t lanes, Vec drh) {
                      if (s >= call.length(b)) return;
                      apply_before_second(call, spot_of(call, s, b, unit, lanes), drh);
                    });
    part.meet(worker);
    rows = kCell == FRNN_MUT3 ? call.H : n;
  }
  add_product(call, part, s, 0, rows, [](const Spot&, Vec sum) { return sum; });
  if (kCell == FRNN_MUT3) {  // z saw tanh(h)
    add_product(call, part, s, call.H, call.H, [&](const Spot& at, Vec sum) {
      return sum * tanh_slope(load_kept(call, at, call.kept_inner));
    });
  }
  part.meet(worker);
}

void copy_row(float* to, const float* from, int64_t n) {
  if (from == nullptr) {
    std::memset(to, 0, static_cast<size_t>(n) * sizeof(float));
  } else {
    std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
  }
}

// Upstream gradients of the last state, and zeros in the rows beyond each length.
void start(const Worker& worker, const Call& call) {
  draw_recurrent_mask(worker, call, call.family.recurrent, call.mask);
  const Range rows = split(call.B, worker.count, worker.index);
  for (int64_t b = rows.first; b < rows.last; ++b) {
    copy_row(call.dh + b * call.N,
             call.rnn.dhT == 0 ? nullptr : floats_at(call.rnn.dhT) + b * call.N, call.N);
    // A product reads the rows of all of a batch, those that are not live yet included.
    copy_row(call.now + b * call.R * call.H, nullptr, call.R * call.H);
    if (call.rnn.P > 0) copy_row(call.projected + b * call.N, nullptr, call.N);
    if (call.rnn.cell == FRNN_LSTM) {
      copy_row(call.dc + b * call.H,
               call.rnn.dcT == 0 ? nullptr : floats_at(call.rnn.dcT) + b * call.H, call.H);
    }
    for (int64_t t = 0; t < call.T; ++t) {
      const int64_t row = call.row_at(t, b);
      const bool live = t < call.length(b);
      if (call.rnn.lengths != 0) {
        copy_row(call.x_copy + row * call.I,
                 live ? floats_at(call.rnn.x) + row * call.x_ld : nullptr, call.I);
      }
      if (live) continue;
      copy_row(call.gradients + row * call.gradient_row, nullptr, call.gradient_row);
      if (call.rnn.P > 0) copy_row(call.projected_rows + row * call.N, nullptr, call.N);
      if (call.rnn.norm == FRNN_LAYER_NORM) {
        copy_row(call.recurrent + row * 4 * call.H, nullptr, 4 * call.H);
      }
    }
  }
}

void write_initial(const Worker& worker, const Call& call) {
  const Range rows = split(call.B, worker.count, worker.index);
  for (int64_t b = rows.first; b < rows.last; ++b) {
    if (call.rnn.dh0 != 0) {
      copy_row(floats_at(call.rnn.dh0) + b * call.N, call.dh + b * call.N, call.N);
    }
    if (call.rnn.cell == FRNN_LSTM && call.rnn.dc0 != 0) {
      copy_row(floats_at(call.rnn.dc0) + b * call.H, call.dc + b * call.H, call.H);
    }
  }
}

template <int64_t kCell>
void run(const Worker& worker, const Call& call) {
  pack_panels(worker, call.w_hh, floats_at(call.rnn.w_hh), 1, call.N);
  if (call.rnn.P > 0) pack_panels(worker, call.w_hr, floats_at(call.rnn.w_hr), 1, call.H);
  start(worker, call);
  worker.sync();
  const Part part = part_of(worker, call.B, call.l.groups * kWidth * call.R * call.N * 4);
  int64_t steps = 0;
  for (int64_t b = 0; b < call.B; ++b)
    steps = call.length(b) > steps ? call.length(b) : steps;
  for (int64_t s = steps - 1; s >= 0; --s)
    step<kCell>(worker, call, part, s);
  worker.sync();
  write_initial(worker, call);
  parameter_gradients(worker, call);
}

}  // namespace
}  // namespace backward

// Called by every member of a team. When it returns, all gradients are there.
void family_backward(const Worker& worker, const Family& family) {
  using namespace backward;
  const Call call(family);
  with_cell(family.rnn.cell, [&](auto cell) { run<cell>(worker, call); });
}

}  // namespace frnn::cpu::FRNN_CPU_ISA
