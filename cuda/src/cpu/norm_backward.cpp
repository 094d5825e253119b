// Backward through layer and batch norm; norm_forward.cpp has the equations. With u the normalised
// value of v and s = 1 / sqrt(variance + epsilon), both give
//
//   dv = s (du - mean(du) - u mean(du u))
//
// over a row for layer norm, over the live rows of a column for batch norm.

#include "cpu/family_backward.h"
#include "cpu/norm.h"

namespace frnn::cpu::FRNN_CPU_ISA::backward {
namespace {

enum RowScale { kScaleX = 0, kScaleH = 1, kMeanC = 2, kScaleC = 3 };

LstmGates<Vec> gates_of(const Call& call, const Spot& at) {
  return {load_gate(call, at, 0), load_gate(call, at, 1), load_gate(call, at, 2),
          load_gate(call, at, 3)};
}

// dh into the gradient of o and that of the normalised c.
void through_output(const Call& call, const Spot& at) {
  const LstmGates<Vec> gates = gates_of(call, at);
  const float* scale = call.kept_scale + at.row * 4;
  Vec c = gates.f * load_kept(call, at, call.kept_c) + gates.i * gates.g;
  if (call.blocks.variant.cell_clip > 0) c = clamp(c, Vec(call.blocks.variant.cell_clip));
  const Vec u = (c - Vec(scale[kMeanC])) * Vec(scale[kScaleC]);
  const Vec gain = load_first(floats_at(call.rnn.norm_c) + at.unit, at.lanes);
  const Vec t = tanh(fma(u, gain, load_first(floats_at(call.rnn.norm_c_bias) + at.unit, at.lanes)));
  const Vec dh = take_dh(call, at);
  const Vec inner = dh * gates.o * tanh_slope(t);
  const int64_t row_at = at.row * call.H + at.unit;
  store_first(call.inner + row_at, inner, at.lanes);
  store_first(call.normal_c + row_at, u, at.lanes);
  store_first(call.row_c + at.b * call.H + at.unit, inner * gain, at.lanes);
  write_input(call, at, 3, dh * t * sigmoid_slope(gates.o));
}

// The cell, from the whole gradient of c.
void through_cell(const Call& call, const Spot& at, const RowSums& sums) {
  const Vec zero(0.0f);
  const Vec du = load_first(call.row_c + at.b * call.H + at.unit, at.lanes);
  const Vec u = load_kept(call, at, call.normal_c);
  const Vec scale(call.kept_scale[at.row * 4 + kScaleC]);
  float* dc_at = call.dc + at.b * call.H + at.unit;
  Vec dc = load_first(dc_at, at.lanes), dc_old = zero;
  if (call.rnn.zoneout_c > 0) {
    const int64_t element = (at.t * call.B + at.b) * call.H + at.unit;
    const Ints dropped = dropped_lanes(call.family.zoneout_c, element, at.lanes);
    dc_old = select(dropped, dc, zero);
    dc = select(dropped, zero, dc);
  }
  dc += scale * (du - sums.mean - u * sums.share);
  const LstmVariantBackward<Vec> out =
      lstm_variant_backward<Vec>(call.blocks.variant, gates_of(call, at), {zero, zero, zero},
                                 load_kept(call, at, call.kept_c), zero, dc);
  store_first(dc_at, out.dc_prev + dc_old, at.lanes);
  write_input(call, at, 0, out.da.i);
  write_input(call, at, 1, out.da.f);
  write_input(call, at, 2, out.da.g);
  for (int64_t gate = 0; gate < 4; ++gate) {
    const int64_t column = gate * call.H + at.unit;
    const Vec da = load_first(call.gradients + at.row * call.gradient_row + column, at.lanes);
    const Vec gain = load_first(floats_at(call.rnn.norm_hh) + column, at.lanes);
    store_first(call.row + at.b * 4 * call.H + column, da * gain, at.lanes);
  }
}

// The gradient of R h through its norm.
void through_recurrent(const Call& call, const Spot& at, const RowSums& sums) {
  const Vec scale(call.kept_scale[at.row * 4 + kScaleH]);
  for (int64_t gate = 0; gate < 4; ++gate) {
    const int64_t column = gate * call.H + at.unit, row_at = at.row * 4 * call.H + column;
    const Vec du = load_first(call.row + at.b * 4 * call.H + column, at.lanes);
    const Vec u = load_first(call.kept_recurrent + row_at, at.lanes);
    const Vec dv = scale * (du - sums.mean - u * sums.share);
    write_recurrent(call, at, gate, dv);
    store_first(call.recurrent + row_at, dv, at.lanes);
  }
}

// f(spot) for the live rows and the groups of this member; `prepare(row of x, batch row)` comes
// before each row.
template <typename Prepare, typename F>
void for_rows(const Call& call, const Part& part, int64_t s, const Prepare& prepare, const F& f) {
  const Range groups = part.share(call.l.groups);
  for (int64_t b = part.rows.first; b < part.rows.last; ++b) {
    if (s >= call.length(b)) continue;
    const RowSums sums = prepare(spot_of(call, s, b, 0, 1).row, b);
    for (int64_t group = groups.first; group < groups.last; ++group) {
      f(spot_of(call, s, b, group * kWidth, call.H - group * kWidth), sums);
    }
  }
}

// to[j] = or += the sum over live rows of a[row][j] * b[row][j]; b may be null: of a alone.
void column_products(const Worker& worker, const Call& call, const float* a, int64_t a_row,
                     const float* b, int64_t b_row, int64_t columns, int64_t to) {
  if (to == 0) return;
  const bool accumulate = (call.rnn.flags & FRNN_ACCUMULATE) != 0;
  const Range groups = split((columns + kWidth - 1) / kWidth, worker.count, worker.index);
  for (int64_t group = groups.first; group < groups.last; ++group) {
    const int64_t column = group * kWidth, lanes = columns - column;
    const Vec total = sum_live_rows(call, [&](int64_t row) {
      const Vec x = load_first(a + row * a_row + column, lanes);
      return b == nullptr ? x : x * load_first(b + row * b_row + column, lanes);
    });
    float* at = floats_at(to) + column;
    store_first(at, accumulate ? load_first(at, lanes) + total : total, lanes);
  }
}

// One group of columns of batch norm, in place.
void denormalise_columns(const Call& call, int64_t column, int64_t lanes) {
  const int64_t n = call.G * call.H, live = count_live_rows(call);
  const auto du_at = [&](int64_t row) { return call.gradients + row * call.gradient_row + column; };
  const auto u_of = [&](int64_t row) {
    return load_first(call.kept_normal + row * n + column, lanes);
  };
  const Vec over(1.0f / static_cast<float>(live > 0 ? live : 1));
  const Vec mean =
      over * sum_live_rows(call, [&](int64_t row) { return load_first(du_at(row), lanes); });
  const Vec share = over * sum_live_rows(call, [&](int64_t row) {
                      return load_first(du_at(row), lanes) * u_of(row);
                    });
  const Vec factor = load_first(call.kept_scale + column, lanes) *
                     load_first(floats_at(call.rnn.norm_ih) + column, lanes);
  for_live_rows(call, [&](int64_t row) {
    const Vec off = load_first(du_at(row), lanes) - mean - u_of(row) * share;
    store_first(du_at(row), factor * off, lanes);
  });
}

}  // namespace

void layer_norm_step(const Worker& worker, const Call& call, const Part& part, int64_t s) {
  const int64_t H = call.H;
  for_rows(
      call, part, s,
      [](int64_t, int64_t) {
        return RowSums{Vec(0.0f), Vec(0.0f)};
      },
      [&](const Spot& at, const RowSums&) { through_output(call, at); });
  part.meet(worker);
  for_rows(
      call, part, s,
      [&](int64_t row, int64_t b) {
        return row_sums(call.row_c + b * H, call.normal_c + row * H, H);
      },
      [&](const Spot& at, const RowSums& sums) { through_cell(call, at, sums); });
  part.meet(worker);
  for_rows(
      call, part, s,
      [&](int64_t row, int64_t b) {
        return row_sums(call.row + b * 4 * H, call.kept_recurrent + row * 4 * H, 4 * H);
      },
      [&](const Spot& at, const RowSums& sums) { through_recurrent(call, at, sums); });
}

void layer_norm_gains(const Worker& worker, const Call& call) {
  const int64_t H = call.H;
  column_products(worker, call, call.gradients, call.gradient_row, call.kept_recurrent, 4 * H,
                  4 * H, call.rnn.dnorm_hh);
  column_products(worker, call, call.inner, H, call.normal_c, H, H, call.rnn.dnorm_c);
  column_products(worker, call, call.inner, H, nullptr, 0, H, call.rnn.dnorm_c_bias);
}

void denormalise_inputs(const Worker& worker, const Call& call) {
  const int64_t n = call.G * call.H;
  column_products(worker, call, call.gradients, call.gradient_row, call.kept_normal, n, n,
                  call.rnn.dnorm_ih);
  worker.sync();
  if (call.rnn.norm == FRNN_BATCH_NORM) {
    const Range groups = split((n + kWidth - 1) / kWidth, worker.count, worker.index);
    for (int64_t group = groups.first; group < groups.last; ++group) {
      denormalise_columns(call, group * kWidth, n - group * kWidth);
    }
  } else {
    const Range rows = split(call.l.rows, worker.count, worker.index);
    for_live_rows(call, [&](int64_t row) {
      if (row < rows.first || row >= rows.last) return;
      float* da = call.gradients + row * call.gradient_row;
      for_groups(n, [&](int64_t i, int64_t lanes) {
        const Vec gain = load_first(floats_at(call.rnn.norm_ih) + i, lanes);
        store_first(da + i, load_first(da + i, lanes) * gain, lanes);
      });
      const float* u = call.kept_normal + row * n;
      const RowSums sums = row_sums(da, u, n);
      const Vec scale(call.kept_scale[row * 4 + kScaleX]);
      for_groups(n, [&](int64_t i, int64_t lanes) {
        const Vec off =
            load_first(da + i, lanes) - sums.mean - load_first(u + i, lanes) * sums.share;
        store_first(da + i, scale * off, lanes);
      });
    });
  }
  worker.sync();
}

}  // namespace frnn::cpu::FRNN_CPU_ISA::backward
