#include "host/gpu_family.h"
#include "host/gpu_layout.h"
#include "host/gpu_rnn.h"
#include "host/plan.h"
#include "kernels/column_sums.h"

namespace frnn {
namespace {

class FamilyBackward {
 public:
  // `rnn` has FRNN_TRAINING set.
  FamilyBackward(const frnn_rnn& rnn, const Queue& queue, BlasSession& blas)
      : rnn_(rnn),
        queue_(queue),
        blas_(blas),
        W_(width_of(rnn.H, rnn.P)),
        columns_(gates_of(rnn.cell, rnn.variant) * rnn.H),
        rows_(rnn.T * rnn.B),
        lengths_(rnn.lengths != 0),
        projects_(rnn.P > 0),
        reserve_(family_reserve(rnn)),
        work_(family_backward_workspace(rnn)),
        seq_(sequence_of(rnn, true)),
        gates_(floats_at(rnn.reserve, reserve_.gates)),
        da_(at(work_.da)),
        dah_(rnn.cell == FRNN_GRU ? at(work_.dah) : da_),
        beta_((rnn.flags & FRNN_ACCUMULATE) != 0 ? 1.0f : 0.0f) {}

  Status run() {
    FRNN_TRY(blas_.begin({rnn_.stream, rnn_.blas, rnn_.workspace + work_.blas, work_.blas_bytes,
                          (rnn_.flags & FRNN_ALLOW_TF32) != 0}));
    for (seq_.step = seq_.T - 1; seq_.step >= 0; --seq_.step)
      FRNN_TRY(step());
    seq_.step = 0;
    if (rnn_.dh0 != 0) {
      FRNN_TRY(
          sequence_end_backward(queue_, {seq_, at(work_.dh), at(work_.dhin), floats_at(rnn_.dh0)}));
    }
    FRNN_TRY(input_gradients());
    FRNN_TRY(recurrent_weight_gradient());
    FRNN_TRY(other_weight_gradients());
    FRNN_TRY(bias_gradients());
    return blas_.end();
  }

 private:
  float* at(int64_t offset) const { return floats_at(rnn_.workspace, offset); }
  bool last_step() const { return seq_.step == seq_.T - 1; }
  bool wants_dhin() const { return seq_.step > 0 || rnn_.dh0 != 0; }

  // This step's [B, columns] of a rows tensor: the step's own tensor where rows have lengths of
  // their own, else in place.
  Operand of_step(float* rows, float* step, int64_t columns) const {
    if (lengths_) return {step, columns};
    const int64_t t = seq_.reverse ? seq_.T - 1 - seq_.step : seq_.step;
    if (seq_.batch_first) return {rows + t * columns, rnn_.T * columns};
    return {rows + t * rnn_.B * columns, columns};
  }
  float* step_or_null(int64_t offset) const { return lengths_ ? at(offset) : nullptr; }

  BackwardState state() const {
    BackwardState s{};
    s.y = floats_at(rnn_.y), s.h0 = optional_at(rnn_.h0, 0), s.dy = optional_at(rnn_.dy, 0);
    s.dh_next = last_step() ? optional_at(rnn_.dhT, 0) : at(work_.dh);
    s.dhin = last_step() ? nullptr : at(work_.dhin);
    s.dh = at(work_.dh);
    s.hin = at(work_.hin);
    return s;
  }

  // out = da[:, first : first + gates] W_hh[first : first + gates].
  Status back_product(int64_t first, int64_t gates, int64_t width, float* out) {
    Operand da = of_step(dah_, at(work_.da_step), columns_);
    da.data += first * rnn_.H;
    const float* const w = floats_at(rnn_.w_hh) + first * rnn_.H * W_;
    return blas_.multiply(rnn_.B, width, gates * rnn_.H, da, {w, W_}, 0.0f, out, width);
  }

  Status step() {
    switch (rnn_.cell) {
      case FRNN_LSTM:
        return lstm_step();
      case FRNN_GRU:
        FRNN_TRY(gru_sequence_backward(queue_, gru()));
        return wants_dhin() ? back_product(0, 3, W_, at(work_.dhin)) : Status::success();
      case FRNN_GRU_RESET_BEFORE:
        FRNN_TRY(gru_before_sequence_backward_first(queue_, gru()));
        FRNN_TRY(back_product(2, 1, rnn_.H, at(work_.drh)));
        FRNN_TRY(gru_before_sequence_backward_second(queue_, gru()));
        return wants_dhin() ? back_product(0, 2, W_, at(work_.dhin)) : Status::success();
      default:
        return rnn_step();
    }
  }

  Status projection_step() {
    FRNN_TRY(sequence_project_backward(
        queue_, {seq_, at(work_.dprojected), step_or_null(work_.dprojected_step), state()}));
    return blas_.multiply(rnn_.B, rnn_.H, W_,
                          of_step(at(work_.dprojected), at(work_.dprojected_step), W_),
                          {floats_at(rnn_.w_hr), rnn_.H}, 0.0f, at(work_.dm), rnn_.H);
  }

  Status lstm_step() {
    if (projects_) FRNN_TRY(projection_step());
    LstmSequenceBackward s{};
    s.seq = seq_;
    s.variant = lstm_variant_of(rnn_);
    s.blocks = lstm_blocks_of(rnn_);
    s.G = static_cast<int>(columns_ / rnn_.H);
    s.gates = gates_;
    s.c_prev = floats_at(rnn_.reserve, reserve_.c_prev);
    s.peephole = optional_at(rnn_.w_peephole, 0);
    s.dm = projects_ ? at(work_.dm) : nullptr;
    s.dc_next = last_step() ? optional_at(rnn_.dcT, 0) : at(work_.dc);
    s.dc = seq_.step == 0 && rnn_.dc0 != 0 ? floats_at(rnn_.dc0) : at(work_.dc);
    s.da = da_, s.da_step = step_or_null(work_.da_step);
    s.m = projects_ ? at(work_.m) : nullptr;
    s.dp = (rnn_.variant & FRNN_PEEPHOLE) != 0 ? at(work_.dp) : nullptr;
    s.state = state();
    FRNN_TRY(lstm_sequence_backward(queue_, s));
    if (!wants_dhin()) return Status::success();
    return back_product(0, columns_ / rnn_.H, W_, at(work_.dhin));
  }

  GruSequenceBackward gru() const {
    const bool before = rnn_.cell == FRNN_GRU_RESET_BEFORE;
    GruSequenceBackward s{};
    s.seq = seq_;
    s.gates = gates_;
    s.ah_n = before ? nullptr : floats_at(rnn_.reserve, reserve_.ah_n);
    s.da = da_, s.dah = dah_, s.da_step = step_or_null(work_.da_step);
    s.drh = before ? at(work_.drh) : nullptr;
    s.rh = before ? at(work_.rh) : nullptr;
    s.state = state();
    return s;
  }

  Status rnn_step() {
    const RnnSequenceBackward s = {seq_, gates_, da_, step_or_null(work_.da_step), state()};
    FRNN_TRY(rnn_.cell == FRNN_RNN_TANH ? rnn_tanh_sequence_backward(queue_, s)
                                        : rnn_relu_sequence_backward(queue_, s));
    return wants_dhin() ? back_product(0, 1, W_, at(work_.dhin)) : Status::success();
  }

  // ---- After the loop ----

  Status input_gradients() {
    const int64_t x_ld = rnn_.x_ld != 0 ? rnn_.x_ld : rnn_.I;
    if (rnn_.dx != 0) {
      const float beta = (rnn_.flags & FRNN_ACCUMULATE_DX) != 0 ? 1.0f : 0.0f;
      FRNN_TRY(blas_.multiply(rows_, rnn_.I, columns_, {da_, columns_},
                              {floats_at(rnn_.w_ih), rnn_.I}, beta, floats_at(rnn_.dx), x_ld));
    }
    if (rnn_.dw_ih == 0) return Status::success();
    Operand x = {floats_at(rnn_.x), x_ld};
    if (lengths_) {  // what lies beyond a row's length may be anything, NaN too
      FRNN_TRY(
          sequence_live_rows(queue_, {seq_.T, seq_.B, static_cast<int>(rnn_.I), seq_.batch_first,
                                      seq_.lengths, x_ld, floats_at(rnn_.x), at(work_.x)}));
      x = {at(work_.x), rnn_.I};
    }
    return blas_.multiply(columns_, rnn_.I, rows_, {da_, columns_, true}, x, beta_,
                          floats_at(rnn_.dw_ih), rnn_.I);
  }

  // dw_hh[first : first + gates] = or += sum over rows of dah^T v.
  Status recurrent_rows(int64_t first, int64_t gates, const float* v) {
    return blas_.multiply(gates * rnn_.H, W_, rows_, {dah_ + first * rnn_.H, columns_, true},
                          {v, W_}, beta_, floats_at(rnn_.dw_hh) + first * rnn_.H * W_, W_);
  }

  Status recurrent_weight_gradient() {
    if (rnn_.dw_hh == 0) return Status::success();
    const float* const hin = at(work_.hin);
    if (rnn_.cell != FRNN_GRU_RESET_BEFORE) return recurrent_rows(0, columns_ / rnn_.H, hin);
    FRNN_TRY(recurrent_rows(0, 2, hin));
    return recurrent_rows(2, 1, at(work_.rh));
  }

  Status other_weight_gradients() {
    if (rnn_.dw_hr != 0) {
      FRNN_TRY(blas_.multiply(W_, rnn_.H, rows_, {at(work_.dprojected), W_, true},
                              {at(work_.m), rnn_.H}, beta_, floats_at(rnn_.dw_hr), rnn_.H));
    }
    if (rnn_.dw_peephole == 0) return Status::success();
    return column_sums(
        queue_, {rows_, peepholes_of(rnn_.variant) * rnn_.H, at(work_.dp), at(work_.partials),
                 floats_at(rnn_.dw_peephole), nullptr, beta_ != 0.0f});
  }

  Status bias_gradients() {
    float* const db_ih = optional_at(rnn_.db_ih, 0);
    float* const db_hh = optional_at(rnn_.db_hh, 0);
    float* const partials = at(work_.partials);
    const bool accumulate = beta_ != 0.0f;
    if (rnn_.cell != FRNN_GRU) {
      return column_sums(queue_, {rows_, columns_, da_, partials, db_ih, db_hh, accumulate});
    }
    FRNN_TRY(column_sums(queue_, {rows_, columns_, da_, partials, db_ih, nullptr, accumulate}));
    return column_sums(queue_, {rows_, columns_, dah_, partials, db_hh, nullptr, accumulate});
  }

  const frnn_rnn& rnn_;
  const Queue& queue_;
  BlasSession& blas_;
  const int64_t W_;        // width of h
  const int64_t columns_;  // G * H
  const int64_t rows_;     // T * B
  const bool lengths_;
  const bool projects_;
  const FamilyReserve reserve_;
  const FamilyBackwardWorkspace work_;
  Sequence seq_;
  const float* const gates_;  // rows
  float* const da_;           // rows, gradients of W x
  float* const dah_;          // rows, gradients of R h; the same tensor but for GRU
  const float beta_;          // of weight gradients
};

}  // namespace

Status gpu_family_backward(const Queue& queue, BlasSession& blas, const frnn_rnn& rnn) {
  frnn_rnn trained = rnn;
  trained.flags |= FRNN_TRAINING;
  return FamilyBackward(trained, queue, blas).run();
}

}  // namespace frnn
