// Backward through any member of the family. `dh` and `dc` are the gradients of the state after the
// step at hand; a step turns them into those of the state before it:
//
//   projected: dm = (gradient of the new h) w_hr, for the rows and tiles of a member
//   the cell:  gradients of the preactivations, dc, and the part of dh that passes the product by
//   product:   dh += mask * (gradients w_hh)
//
// Gradients of preactivations are kept for all steps, in the order of x and with zeros in the rows
// beyond each length, so that dx and the weights' gradients are products over everything.

#include "cells/gru.h"
#include "cells/rnn.h"
#include "cpu/family.h"

namespace frnn::cpu::FRNN_CPU_ISA {
namespace {

struct Call : FamilyShape {
  const Family& family;
  LstmBlocks blocks;
  Panels w_hh, w_hr;
  int64_t gradient_row;
  const float *gates, *kept_hin, *kept_c, *kept_middle;
  float *gradients, *now, *dh, *dc, *projected, *projected_rows, *mask, *x_copy;

  explicit Call(const Family& f)
      : FamilyShape(f.rnn),
        family(f),
        blocks(lstm_blocks(f.rnn)),
        w_hh{N, G * H, nullptr},
        w_hr{H, N, nullptr},
        gradient_row(l.gradients * H) {
    float* work = line_start(rnn.workspace);
    w_hh.packed = work + l.back_w_hh;
    w_hr.packed = work + l.back_w_hr;
    gradients = work + l.back_gradients;
    now = work + l.back_step;
    dh = work + l.back_dh;
    dc = work + l.back_dc;
    projected = work + l.back_projected;
    projected_rows = work + l.back_projected_rows;
    mask = work + l.back_mask;
    x_copy = work + l.back_x;
    const float* kept = line_start(rnn.reserve);
    gates = kept + l.kept_gates;
    kept_hin = kept + l.kept_hin;
    kept_c = kept + l.kept_c;
    kept_middle = kept + l.kept_middle;
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

Vec load_gate(const Call& call, const Spot& at, int64_t block) {
  return load_first(call.gates + (at.row * call.G + block) * call.H + at.unit, at.lanes);
}
Vec load_kept(const Call& call, const Spot& at, const float* kept) {
  return load_first(kept + at.row * call.H + at.unit, at.lanes);
}
// The gradient of block `block` of the weights' rows on the input's side...
void write_input(const Call& call, const Spot& at, int64_t block, Vec value) {
  store_first(call.gradients + at.row * call.gradient_row + block * call.H + at.unit, value,
              at.lanes);
}
// ... and on the recurrent side, which the step's product reads.
void write_recurrent(const Call& call, const Spot& at, int64_t block, Vec value) {
  store_first(call.now + (at.b * call.G + block) * call.H + at.unit, value, at.lanes);
}
void write_both(const Call& call, const Spot& at, int64_t block, Vec value) {
  write_input(call, at, block, value);
  write_recurrent(call, at, block, value);
}

// h of the step before, unmasked.
Vec state_before(const Call& call, const Spot& at) {
  if (at.s > 0) {
    const int64_t row = call.row_at(call.reverse ? at.t + 1 : at.t - 1, at.b);
    return load_first(floats_at(call.rnn.y) + row * call.y_ld + at.unit, at.lanes);
  }
  if (call.rnn.h0 == 0) return Vec(0.0f);
  return load_first(floats_at(call.rnn.h0) + at.b * call.N + at.unit, at.lanes);
}

// Takes dh of a spot with its part of dy, sets aside what zoneout hands to the old h, and returns
// the gradient of the new h.
Vec take_dh(const Call& call, const Spot& at) {
  float* dh_at = call.dh + at.b * call.N + at.unit;
  Vec dh = load_first(dh_at, at.lanes);
  if (call.rnn.dy != 0) {
    dh += load_first(floats_at(call.rnn.dy) + at.row * call.y_ld + at.unit, at.lanes);
  }
  const Vec zero(0.0f);
  if (call.rnn.zoneout_h == 0) {
    store_first(dh_at, zero, at.lanes);
    return dh;
  }
  const int64_t element = (at.t * call.B + at.b) * call.N + at.unit;
  const Ints dropped = dropped_lanes(call.family.zoneout_h, element, at.lanes);
  store_first(dh_at, select(dropped, dh, zero), at.lanes);
  return select(dropped, zero, dh);
}
void add_dh(const Call& call, const Spot& at, Vec value) {
  float* dh_at = call.dh + at.b * call.N + at.unit;
  store_first(dh_at, load_first(dh_at, at.lanes) + value, at.lanes);
}

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

template <>
struct Apply<FRNN_GRU_RESET_BEFORE> {  // the first half; the second needs da_n of all units
  static void run(const Call& call, const Spot& at, Vec dh) {
    const GruBeforeBackwardFirst<Vec> out = gru_before_backward_first<Vec>(
        load_gate(call, at, 1), load_gate(call, at, 2), state_before(call, at), dh);
    write_both(call, at, 1, out.da_z);
    write_both(call, at, 2, out.da_n);
    add_dh(call, at, out.dh_prev);
  }
};

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

// dh += mask * (gradients of `k` rows of w_hh from `first` on, times those rows), where live.
void add_product(const Call& call, const Part& part, int64_t s, int64_t first, int64_t k) {
  multiply_panels(call.w_hh, part.share(call.w_hh.count()), part.rows, first, k, call.now + first,
                  call.G * call.H, nullptr, [&](int64_t b, int64_t unit, int64_t lanes, Vec sum) {
                    if (s >= call.length(b)) return;
                    const Spot at{s, b, 0, 0, unit, lanes};
                    add_dh(call, at, sum * load_first(call.mask + b * call.N + unit, lanes));
                  });
}

template <int64_t kCell>
void step(const Worker& worker, const Call& call, const Part& part, int64_t s) {
  if (call.rnn.P > 0) {
    projected_step(worker, call, part, s);
  } else {
    for_spots(call, part, s, call.H,
              [&](const Spot& at) { Apply<kCell>::run(call, at, take_dh(call, at)); });
  }
  part.meet(worker);
  int64_t rows = call.G * call.H;
  if (kCell == FRNN_GRU_RESET_BEFORE) {
    rows = 2 * call.H;
    multiply_panels(call.w_hh, part.share(call.w_hh.count()), part.rows, 2 * call.H, call.H,
                    call.now + 2 * call.H, call.G * call.H, nullptr,
                    [&](int64_t b, int64_t unit, int64_t lanes, Vec drh) {
                      if (s >= call.length(b)) return;
                      apply_before_second(call, spot_of(call, s, b, unit, lanes), drh);
                    });
    part.meet(worker);
  }
  add_product(call, part, s, 0, rows);
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
    copy_row(call.now + b * call.G * call.H, nullptr, call.G * call.H);
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
    }
  }
}

// to = or += columns [first, first + columns) of the rows' gradients, transposed, times `other`.
void weight_product(const Worker& worker, const Call& call, const float* a, int64_t a_row,
                    int64_t columns, const float* other, int64_t other_row, int64_t N, float* to) {
  Gemm g{};
  g.M = columns, g.N = N, g.K = call.l.rows;
  g.a = a, g.a_row = 1, g.a_column = a_row;
  g.b = other, g.b_row = other_row, g.b_column = 1;
  g.c = to, g.c_row = N;
  g.alpha = 1.0f;
  g.accumulate = (call.rnn.flags & FRNN_ACCUMULATE) != 0;
  gemm(worker, g);
}

void input_gradients(const Worker& worker, const Call& call) {
  const frnn_rnn& rnn = call.rnn;
  const int64_t GH = call.G * call.H;
  if (rnn.dx != 0) {
    Gemm g{};
    g.M = call.l.rows, g.N = call.I, g.K = GH;
    g.a = call.gradients, g.a_row = call.gradient_row, g.a_column = 1;
    g.b = floats_at(rnn.w_ih), g.b_row = call.I, g.b_column = 1;
    g.c = floats_at(rnn.dx), g.c_row = call.x_ld;
    g.alpha = 1.0f;
    g.accumulate = (rnn.flags & FRNN_ACCUMULATE_DX) != 0;
    gemm(worker, g);
  }
  if (rnn.dw_ih == 0) return;
  const bool copied = rnn.lengths != 0;
  weight_product(worker, call, call.gradients, call.gradient_row, GH,
                 copied ? call.x_copy : floats_at(rnn.x), copied ? call.I : call.x_ld, call.I,
                 floats_at(rnn.dw_ih));
}

void recurrent_gradients(const Worker& worker, const Call& call) {
  const frnn_rnn& rnn = call.rnn;
  const int64_t H = call.H, N = call.N;
  if (rnn.dw_hh != 0) {
    float* dw = floats_at(rnn.dw_hh);
    const int64_t whole = call.G == 3 && rnn.cell != FRNN_LSTM ? 2 * H : call.G * H;
    weight_product(worker, call, call.gradients, call.gradient_row, whole, call.kept_hin, N, N, dw);
    if (rnn.cell == FRNN_GRU) {
      weight_product(worker, call, call.gradients + 3 * H, call.gradient_row, H, call.kept_hin, N,
                     N, dw + 2 * H * N);
    } else if (rnn.cell == FRNN_GRU_RESET_BEFORE) {
      weight_product(worker, call, call.gradients + 2 * H, call.gradient_row, H, call.kept_middle,
                     H, H, dw + 2 * H * N);
    }
  }
  if (rnn.P > 0 && rnn.dw_hr != 0) {
    weight_product(worker, call, call.projected_rows, N, N, call.kept_middle, H, H,
                   floats_at(rnn.dw_hr));
  }
}

void bias_gradients(const Worker& worker, const Call& call) {
  const bool accumulate = (call.rnn.flags & FRNN_ACCUMULATE) != 0;
  const int64_t H = call.H, GH = call.G * H, row = call.gradient_row;
  if (call.rnn.db_ih != 0) {
    column_sums(worker, call.gradients, call.l.rows, row, GH, floats_at(call.rnn.db_ih),
                accumulate);
  }
  if (call.rnn.db_hh == 0) return;
  float* db = floats_at(call.rnn.db_hh);
  const bool gru = call.rnn.cell == FRNN_GRU;
  column_sums(worker, call.gradients, call.l.rows, row, gru ? 2 * H : GH, db, accumulate);
  if (gru) {
    column_sums(worker, call.gradients + 3 * H, call.l.rows, row, H, db + 2 * H, accumulate);
  }
}

// dw_peephole: gradients of the gates times the c that each saw, summed over all live rows in the
// order of x; units are shared out.
void peephole_gradients(const Worker& worker, const Call& call) {
  const LstmBlocks& blocks = call.blocks;
  if (!blocks.variant.peephole || call.rnn.dw_peephole == 0) return;
  const bool accumulate = (call.rnn.flags & FRNN_ACCUMULATE) != 0;
  const Range groups = split(call.l.groups, worker.count, worker.index);
  for (int64_t group = groups.first; group < groups.last; ++group) {
    const int64_t unit = group * kWidth, lanes = call.H - unit;
    Vec sums[3] = {Vec(0.0f), Vec(0.0f), Vec(0.0f)};
    for (int64_t row = 0; row < call.l.rows; ++row) {
      const int64_t b = call.batch_first ? row / call.T : row % call.B;
      const int64_t t = call.batch_first ? row % call.T : row / call.B;
      if (t >= call.length(b)) continue;
      const Spot at{0, b, t, row, unit, lanes};
      const auto gradient = [&](int64_t block) {
        return load_first(call.gradients + row * call.gradient_row + block * call.H + unit, lanes);
      };
      const Vec c_prev = load_kept(call, at, call.kept_c), one(1.0f);
      if (blocks.pi >= 0) sums[blocks.pi] += gradient(blocks.i) * c_prev;
      if (blocks.pf >= 0) sums[blocks.pf] += gradient(blocks.f) * c_prev;
      if (blocks.po < 0) continue;
      const Vec f = blocks.f >= 0 ? load_gate(call, at, blocks.f) : one;
      const Vec i = blocks.variant.coupled ? one - f
                    : blocks.i >= 0        ? load_gate(call, at, blocks.i)
                                           : one;
      Vec c = f * c_prev + i * load_gate(call, at, blocks.g);
      if (blocks.variant.cell_clip > 0) c = clamp(c, Vec(blocks.variant.cell_clip));
      sums[blocks.po] += gradient(blocks.o) * c;
    }
    for (int64_t k = 0; k < peepholes_of(call.rnn.variant); ++k) {
      float* to = floats_at(call.rnn.dw_peephole) + k * call.H + unit;
      store_first(to, accumulate ? load_first(to, lanes) + sums[k] : sums[k], lanes);
    }
  }
  worker.sync();
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
  const Part part = part_of(worker, call.B, call.l.groups * kWidth * call.G * call.N * 4);
  int64_t steps = 0;
  for (int64_t b = 0; b < call.B; ++b)
    steps = call.length(b) > steps ? call.length(b) : steps;
  for (int64_t s = steps - 1; s >= 0; --s)
    step<kCell>(worker, call, part, s);
  worker.sync();
  write_initial(worker, call);
  input_gradients(worker, call);
  recurrent_gradients(worker, call);
  bias_gradients(worker, call);
  peephole_gradients(worker, call);
  worker.sync();
}

}  // namespace

// Called by every member of a team. When it returns, all gradients are there.
void family_backward(const Worker& worker, const Family& family) {
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
