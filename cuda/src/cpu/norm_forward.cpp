// Layer norm (Ba, Kiros and Hinton 2016) of an LSTM:
//
//   a = LN(W x) norm_ih + b_ih + LN(R h) norm_hh + b_hh, each over all 4H of a row together
//   h = o tanh(LN(c) norm_c + norm_c_bias)
//
// and batch norm (Laurent et al. 2016) of any cell: each column of W x over all live rows.

#include "cpu/family_forward.h"
#include "cpu/norm.h"

namespace frnn::cpu::FRNN_CPU_ISA::forward {
namespace {

// kept_scale holds four numbers for each row under layer norm.
enum RowScale { kScaleX = 0, kScaleH = 1, kMeanC = 2, kScaleC = 3 };

void normalise_row(const Call& call, int64_t row) {
  const int64_t n = call.G * call.H;
  float* gates = call.gates + row * n;
  const RowStatistics statistics = row_statistics(gates, n, call.rnn.norm_epsilon);
  for_groups(n, [&](int64_t i, int64_t lanes) {
    const Vec u = (load_first(gates + i, lanes) - Vec(statistics.mean)) * Vec(statistics.scale);
    const Vec gain = load_first(floats_at(call.rnn.norm_ih) + i, lanes);
    store_first(gates + i, fma(u, gain, load_first(call.bias_x + i, lanes)), lanes);
    if (call.training) store_first(call.kept_normal + row * n + i, u, lanes);
  });
  if (call.training) call.kept_scale[row * 4 + kScaleX] = statistics.scale;
}

// The mean and 1 / sqrt(variance + epsilon) of one group of columns: of the live rows in training,
// which also move the running statistics; else the running ones.
struct Columns {
  Vec mean, scale;
};

Columns column_statistics(const Call& call, int64_t column, int64_t lanes) {
  const frnn_rnn& rnn = call.rnn;
  const int64_t n = call.G * call.H, live = count_live_rows(call);
  float *mean_at = floats_at(rnn.running_mean) + column,
        *var_at = floats_at(rnn.running_var) + column;
  Vec mean, variance;
  if (call.training) {
    const Vec over(1.0f / static_cast<float>(live > 0 ? live : 1));
    mean = over * sum_live_rows(call, [&](int64_t row) {
             return load_first(call.gates + row * n + column, lanes);
           });
    variance = over * sum_live_rows(call, [&](int64_t row) {
                 const Vec off = load_first(call.gates + row * n + column, lanes) - mean;
                 return off * off;
               });
    if (rnn.running_mean != 0 && live > 0) {
      const Vec now(static_cast<float>(rnn.norm_momentum));
      const Vec old(static_cast<float>(1.0 - rnn.norm_momentum));
      const double unbiased =
          live > 1 ? static_cast<double>(live) / static_cast<double>(live - 1) : 1.0;
      store_first(mean_at, old * load_first(mean_at, lanes) + now * mean, lanes);
      const Vec spread = variance * Vec(static_cast<float>(unbiased));
      store_first(var_at, old * load_first(var_at, lanes) + now * spread, lanes);
    }
  } else {
    mean = load_first(mean_at, lanes);
    variance = load_first(var_at, lanes);
  }
  Vec scale(0.0f);
  for (int64_t i = 0; i < lanes && i < kWidth; ++i) {
    scale.v[i] = inverse_root(static_cast<double>(variance.v[i]), rnn.norm_epsilon);
  }
  return {mean, scale};
}

void normalise_columns(const Call& call, int64_t column, int64_t lanes) {
  const int64_t n = call.G * call.H;
  const Columns statistics = column_statistics(call, column, lanes);
  const Vec gain = load_first(floats_at(call.rnn.norm_ih) + column, lanes);
  const Vec bias = load_first(call.bias_x + column, lanes);
  for_live_rows(call, [&](int64_t row) {
    float* at = call.gates + row * n + column;
    const Vec u = (load_first(at, lanes) - statistics.mean) * statistics.scale;
    store_first(at, fma(u, gain, bias), lanes);
    if (call.training) store_first(call.kept_normal + row * n + column, u, lanes);
  });
  if (call.training) store_first(call.kept_scale + column, statistics.scale, lanes);
}

// R h of a tile of units, for the statistics of whole rows.
void recurrent_product(const Call& call, const Part& part, int64_t s) {
  const Range groups = part.share(call.l.groups);
  for (int64_t group = groups.first; group < groups.last; ++group) {
    const int64_t unit = group * kWidth, first = group * 4 * kWidth;
    multiply_rows<4>(part.rows, call.N, call.hin_of(s), call.N, call.w_hh + first * call.N,
                     call.bias_h + first, [&](int64_t b, const float* sums) {
                       for (int64_t gate = 0; gate < 4; ++gate) {
                         store_first(call.raw + (b * 4 + gate) * call.H + unit,
                                     load(sums + gate * kWidth), call.H - unit);
                       }
                     });
  }
}

// The cell up to c, with R h normalised.
void apply(const Call& call, const Spot& at, const RowStatistics& statistics) {
  Vec a[4];
  for (int64_t gate = 0; gate < 4; ++gate) {
    const int64_t column = gate * call.H + at.unit;
    const Vec value = load_first(call.raw + at.b * 4 * call.H + column, at.lanes);
    const Vec u = (value - Vec(statistics.mean)) * Vec(statistics.scale);
    const Vec gain = load_first(floats_at(call.rnn.norm_hh) + column, at.lanes);
    a[gate] = fma(u, gain, load_gate(call, at, gate));
    if (call.training) {
      store_first(call.kept_recurrent + at.row * 4 * call.H + column, u, at.lanes);
    }
  }
  float* c_at = call.c + at.b * call.H + at.unit;
  const Vec c_prev = load_first(c_at, at.lanes), zero(0.0f);
  const LstmVariantForward<Vec> out = lstm_variant_forward<Vec>(
      call.blocks.variant, {a[0], a[1], a[2], a[3]}, {zero, zero, zero}, c_prev);
  store_gate(call, at, 0, out.gates.i);
  store_gate(call, at, 1, out.gates.f);
  store_gate(call, at, 2, out.gates.g);
  store_gate(call, at, 3, out.gates.o);
  store_first(call.middle + at.b * call.H + at.unit, out.c, at.lanes);
  keep(call, at, call.kept_c, c_prev);
  const int64_t element = (at.t * call.B + at.b) * call.H + at.unit;
  store_first(
      c_at,
      call.zoneout(call.family.zoneout_c, call.rnn.zoneout_c, element, at.lanes, c_prev, out.c),
      at.lanes);
}

// h from the normalised c.
void put_out(const Call& call, const Spot& at, const RowStatistics& statistics) {
  const Vec c = load_first(call.middle + at.b * call.H + at.unit, at.lanes);
  const Vec u = (c - Vec(statistics.mean)) * Vec(statistics.scale);
  const Vec gain = load_first(floats_at(call.rnn.norm_c) + at.unit, at.lanes);
  const Vec bias = load_first(floats_at(call.rnn.norm_c_bias) + at.unit, at.lanes);
  finish(call, at, load_gate(call, at, 3) * tanh(fma(u, gain, bias)));
}

// f(spot, statistics of the row) for the live rows and the groups of this member. Members that have
// the same rows each work out their statistics, from the same numbers in the same order.
template <typename F>
void for_normal_rows(const Call& call, const Part& part, int64_t s, const float* rows, int64_t n,
                     int mean_at, int scale_at, const F& f) {
  const Range groups = part.share(call.l.groups);
  for (int64_t b = part.rows.first; b < part.rows.last; ++b) {
    if (s >= call.length(b)) continue;
    const RowStatistics statistics = row_statistics(rows + b * n, n, call.rnn.norm_epsilon);
    for (int64_t group = groups.first; group < groups.last; ++group) {
      f(spot_of(call, s, b, group * kWidth, call.H - group * kWidth), statistics);
    }
    if (!call.training || part.index != 0) continue;
    float* kept = call.kept_scale + spot_of(call, s, b, 0, 1).row * 4;
    if (mean_at >= 0) kept[mean_at] = statistics.mean;
    kept[scale_at] = statistics.scale;
  }
}

}  // namespace

void layer_norm_step(const Worker& worker, const Call& call, const Part& part, int64_t s) {
  recurrent_product(call, part, s);
  part.meet(worker);
  for_normal_rows(call, part, s, call.raw, 4 * call.H, -1, kScaleH,
                  [&](const Spot& at, const RowStatistics& r) { apply(call, at, r); });
  part.meet(worker);
  for_normal_rows(call, part, s, call.middle, call.H, kMeanC, kScaleC,
                  [&](const Spot& at, const RowStatistics& r) { put_out(call, at, r); });
}

void normalise_inputs(const Worker& worker, const Call& call) {
  const int64_t n = call.G * call.H;
  if (call.rnn.norm == FRNN_LAYER_NORM) {
    const Range rows = split(call.l.rows, worker.count, worker.index);
    for_live_rows(call, [&](int64_t row) {
      if (row >= rows.first && row < rows.last) normalise_row(call, row);
    });
  } else if (call.rnn.norm == FRNN_BATCH_NORM) {
    const Range groups = split((n + kWidth - 1) / kWidth, worker.count, worker.index);
    for (int64_t group = groups.first; group < groups.last; ++group) {
      normalise_columns(call, group * kWidth, n - group * kWidth);
    }
  }
  worker.sync();
}

}  // namespace frnn::cpu::FRNN_CPU_ISA::forward
