// The gradients that are sums over all steps and rows: products and column sums of the matrices
// that the steps of backward leave behind.

#include "cpu/family_backward.h"

namespace frnn::cpu::FRNN_CPU_ISA::backward {
namespace {

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

// Which block of a row of gradients belongs to block `gate` of w_hh and b_hh, and what that block
// multiplied.
struct Recurrent {
  int64_t block;
  const float* multiplied;
};

Recurrent recurrent_of(const Call& call, int64_t gate) {
  const int64_t cell = call.rnn.cell;
  const bool n = gate == call.R - 1;
  if (cell == FRNN_GRU && n) return {3, call.kept_hin};
  if (cell == FRNN_MUT1 && n) return {3, call.kept_middle};
  if (resets_before(cell) && n) return {2, call.kept_middle};
  if (cell == FRNN_MUT3 && gate == 1) return {1, call.kept_inner};
  return {gate, call.kept_hin};
}

// f(first block of w_hh, blocks, its Recurrent) for runs of blocks whose gradients lie beside each
// other and which multiplied the same.
template <typename F>
void for_recurrent_runs(const Call& call, const F& f) {
  int64_t first = 0;
  for (int64_t gate = 1; gate <= call.R; ++gate) {
    const Recurrent start = recurrent_of(call, first);
    if (gate < call.R) {
      const Recurrent next = recurrent_of(call, gate);
      if (next.block == start.block + gate - first && next.multiplied == start.multiplied) continue;
    }
    f(first, gate - first, start);
    first = gate;
  }
}

void recurrent_gradients(const Worker& worker, const Call& call) {
  const frnn_rnn& rnn = call.rnn;
  const int64_t H = call.H, N = call.N;
  if (rnn.dw_hh != 0 && rnn.norm == FRNN_LAYER_NORM) {
    weight_product(worker, call, call.recurrent, 4 * H, 4 * H, call.kept_hin, N, N,
                   floats_at(rnn.dw_hh));
  } else if (rnn.dw_hh != 0) {
    for_recurrent_runs(call, [&](int64_t gate, int64_t gates, const Recurrent& run) {
      weight_product(worker, call, call.gradients + run.block * H, call.gradient_row, gates * H,
                     run.multiplied, N, N, floats_at(rnn.dw_hh) + gate * H * N);
    });
  }
  if (rnn.P > 0 && rnn.dw_hr != 0) {
    weight_product(worker, call, call.projected_rows, N, N, call.kept_middle, H, H,
                   floats_at(rnn.dw_hr));
  }
}

void bias_gradients(const Worker& worker, const Call& call) {
  const bool accumulate = (call.rnn.flags & FRNN_ACCUMULATE) != 0;
  const int64_t H = call.H, row = call.gradient_row;
  if (call.rnn.db_ih != 0) {
    column_sums(worker, call.gradients, call.l.rows, row, call.G * H, floats_at(call.rnn.db_ih),
                accumulate);
  }
  if (call.rnn.db_hh == 0) return;
  for_recurrent_runs(call, [&](int64_t gate, int64_t gates, const Recurrent& run) {
    column_sums(worker, call.gradients + run.block * H, call.l.rows, row, gates * H,
                floats_at(call.rnn.db_hh) + gate * H, accumulate);
  });
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

}  // namespace

void parameter_gradients(const Worker& worker, const Call& call) {
  recurrent_gradients(worker, call);
  bias_gradients(worker, call);
  peephole_gradients(worker, call);
  if (call.rnn.norm == FRNN_LAYER_NORM) layer_norm_gains(worker, call);
  if (call.rnn.norm != FRNN_NO_NORM) denormalise_inputs(worker, call);
  input_gradients(worker, call);
  worker.sync();
}

}  // namespace frnn::cpu::FRNN_CPU_ISA::backward
