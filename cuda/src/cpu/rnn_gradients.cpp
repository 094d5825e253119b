// What a chunk of the preactivations' gradients gives, while it is in the cache: dx, and sums over
// its rows that add to the gradients of weights and biases. The first chunk, which is that of the
// last steps, overwrites where the caller does not accumulate.

#include "cpu/panels.h"
#include "cpu/product.h"
#include "cpu/rnn_backward.h"

namespace frnn::cpu::FRNN_CPU_ISA::backward {
namespace {

// Sums of more than so many products start anew, and are added up.
constexpr int64_t kBlock = 256;

Panels input_weights(const Call& call) {
  return {call.l.I, call.l.cell.gates * call.l.H, call.w_ih};
}

// dx of some rows of the chunk, counted from its first, for one panel of columns.
template <int kVectors>
void dx_panel(const Call& call, Range rows, int64_t group) {
  using Multiply = Products<kVectors, 0>;
  alignas(64) float sums[Multiply::kRows * kVectors * kWidth];
  alignas(64) static const float kZeros[kVectors * kWidth] = {};
  const int64_t GH = call.l.cell.gates * call.l.H, I = call.l.I;
  const bool accumulate = (call.rnn.flags & FRNN_ACCUMULATE_DX) != 0;
  float* dx = writable_at(call.rnn.dx) + call.x_at(call.chunk_time(), 0) + group * kWidth;
  Product p{};
  p.a_row = call.gradient_row;
  p.bias = kZeros;
  p.out = sums;
  p.out_row = kVectors * kWidth;
  for_pieces(rows.size(), Multiply::kRows, [&](int64_t first, int64_t height) {
    const int64_t row = rows.first + first;
    for (int64_t k = 0; k < GH; k += kBlock) {
      p.k = GH - k < kBlock ? GH - k : kBlock;
      p.a = call.chunk_gradients(row) + k;
      p.b = call.w_ih + (group * GH + k * kVectors) * kWidth;
      Multiply::multiply(height, p);
      for (int64_t i = 0; i < height; ++i) {
        for (int v = 0; v < kVectors; ++v) {
          float* to = dx + (row + i) * call.x_ld + v * kWidth;
          const int64_t lanes = I - (group + v) * kWidth;
          const Vec old = accumulate || k > 0 ? load_first(to, lanes) : Vec(0.0f);
          store_first(to, load(sums + (i * kVectors + v) * kWidth) + old, lanes);
        }
      }
    }
  });
}

// Members share the rows; where there are too few, the panels.
void input_gradient(const Worker& worker, const Call& call) {
  static_assert(kBackwardGroups == 4, "one case below for each number of groups in a panel");
  if (call.rnn.dx == 0) return;
  const int64_t rows = call.chunk.steps * call.l.B;
  const Panels panels = input_weights(call);
  const bool by_rows = rows >= 16 * worker.count;
  const Range mine = by_rows ? split(rows, worker.count, worker.index) : Range{0, rows};
  const Range share =
      by_rows ? Range{0, panels.count()} : split(panels.count(), worker.count, worker.index);
  for (int64_t panel = share.first; panel < share.last; ++panel) {
    const int64_t group = panel * kBackwardGroups;
    switch (panels.vectors(panel)) {
      case 1:
        dx_panel<1>(call, mine, group);
        break;
      case 2:
        dx_panel<2>(call, mine, group);
        break;
      case 3:
        dx_panel<3>(call, mine, group);
        break;
      default:
        dx_panel<4>(call, mine, group);
    }
  }
}

// Columns [column, column + rows) of the gradients belong to rows from `row` on of the weights.
struct Block {
  int64_t column, row, rows;
};

// A^T B over times [t, t + steps) of the chunk, where A is a block of the gradients and B has N
// columns, into its rows of dw.
Gemm weight_product(const Call& call, const Block& block, int64_t t, int64_t steps,
                    const float* other, int64_t other_row, int64_t N, int64_t dw, bool accumulate) {
  Gemm g{};
  g.M = block.rows;
  g.N = N;
  g.K = steps * call.l.B;
  g.a = call.chunk_gradients((t - call.chunk_time()) * call.l.B) + block.column;
  g.a_row = 1;
  g.a_column = call.gradient_row;
  g.b = other;
  g.b_row = other_row;
  g.b_column = 1;
  g.c = writable_at(dw) + block.row * N;
  g.c_row = N;
  g.accumulate = accumulate;
  return g;
}

// Both weights' products of one block over times that have their states in one matrix. Where one
// of the two is not wanted, the other is done alone.
void both_products(const Worker& worker, const Call& call, const Block& block, int64_t t,
                   int64_t steps, bool input, bool recurrent, bool accumulate) {
  if (steps == 0) return;
  const frnn_rnn& rnn = call.rnn;
  const int64_t I = call.l.I, H = call.l.H;
  input = input && rnn.dw_ih != 0;
  recurrent = recurrent && rnn.dw_hh != 0;
  Gemm x{}, h{};
  if (input) {
    x = weight_product(call, block, t, steps, floats_at(rnn.x) + call.x_at(t, 0), call.x_ld, I,
                       rnn.dw_ih, accumulate);
  }
  if (recurrent) {
    h = weight_product(call, block, t, steps, call.state(t), call.state_row(t), H, rnn.dw_hh,
                       accumulate);
  }
  if (input && recurrent) x.with = &h;
  if (input) {
    gemm(worker, x);
  } else if (recurrent) {
    gemm(worker, h);
  }
}

// The state before the first step, which a reverse call takes last, lies apart from the others.
void block_products(const Worker& worker, const Call& call, const Block& block, bool input,
                    bool recurrent, bool accumulate) {
  const int64_t steps = call.chunk.steps, t = call.chunk_time();
  if (!recurrent || call.chunk.first > 0) {
    both_products(worker, call, block, t, steps, input, recurrent, accumulate);
    return;
  }
  const int64_t others = call.reverse ? t : t + 1;
  both_products(worker, call, block, others, steps - 1, input, recurrent, accumulate);
  both_products(worker, call, block, call.time(0), 1, input, recurrent, accumulate || steps > 1);
}

void weight_gradients(const Worker& worker, const Call& call, bool accumulate) {
  const int64_t H = call.l.H, t = call.chunk_time();
  switch (call.rnn.cell) {
    case FRNN_GRU:  // the input's and the recurrent part of n have gradients of their own
      block_products(worker, call, {0, 0, 2 * H}, true, true, accumulate);
      block_products(worker, call, {2 * H, 2 * H, H}, true, false, accumulate);
      block_products(worker, call, {3 * H, 2 * H, H}, false, true, accumulate);
      break;
    case FRNN_GRU_RESET_BEFORE:
      block_products(worker, call, {0, 0, 2 * H}, true, true, accumulate);
      block_products(worker, call, {2 * H, 2 * H, H}, true, false, accumulate);
      if (call.rnn.dw_hh == 0) break;
      gemm(worker, weight_product(call, {2 * H, 2 * H, H}, t, call.chunk.steps,
                                  call.rh + t * call.l.B * H, H, H, call.rnn.dw_hh, accumulate));
      break;
    default:
      block_products(worker, call, {0, 0, call.l.cell.gates * H}, true, true, accumulate);
  }
}

void bias_gradients(const Worker& worker, const Call& call, bool accumulate) {
  const Layout& l = call.l;
  const int64_t H = l.H, GH = l.cell.gates * H, rows = call.chunk.steps * l.B;
  const float* gradients = call.chunk_gradients(0);
  if (call.rnn.db_ih != 0) {
    column_sums(worker, gradients, rows, call.gradient_row, GH, writable_at(call.rnn.db_ih),
                accumulate);
  }
  if (call.rnn.db_hh == 0) return;
  float* db = writable_at(call.rnn.db_hh);
  if (call.rnn.cell == FRNN_GRU) {
    column_sums(worker, gradients, rows, call.gradient_row, 2 * H, db, accumulate);
    column_sums(worker, gradients + 3 * H, rows, call.gradient_row, H, db + 2 * H, accumulate);
  } else {
    column_sums(worker, gradients, rows, call.gradient_row, GH, db, accumulate);
  }
}

}  // namespace

void pack_input_weights(const Worker& worker, const Call& call) {
  if (call.rnn.dx == 0) return;
  pack_panels(worker, input_weights(call), floats_at(call.rnn.w_ih), 1, call.l.I);
}

void chunk_gradients(const Worker& worker, const Call& call) {
  const bool first = call.chunk.first + call.chunk.steps == call.l.T;
  const bool accumulate = !first || (call.rnn.flags & FRNN_ACCUMULATE) != 0;
  input_gradient(worker, call);
  weight_gradients(worker, call, accumulate);
  bias_gradients(worker, call, accumulate);
  worker.sync();
}

}  // namespace frnn::cpu::FRNN_CPU_ISA::backward
