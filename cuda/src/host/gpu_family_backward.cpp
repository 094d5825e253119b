#include "host/gpu_family.h"
#include "host/gpu_layout.h"
#include "host/gpu_resident_backward.h"
#include "host/gpu_rnn.h"
#include "host/plan.h"
#include "kernels/column_sums.h"

namespace frnn {
namespace {

template <typename Elem>
class FamilyBackward {
 public:
  // `rnn` has FRNN_TRAINING set.
  FamilyBackward(const frnn_rnn& rnn, const Queue& queue, BlasSession& blas,
                 const ResidentBackwardShape* resident)
      : rnn_(rnn),
        resident_(resident),
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
        recurrent_(recurrent_gates_of(rnn.cell, rnn.variant) * rnn.H),
        da_(elem(work_.da)),
        dah_(elem(work_.dah)),
        beta_((rnn.flags & FRNN_ACCUMULATE) != 0 ? 1.0f : 0.0f) {}

  Status run() {
    FRNN_TRY(blas_.begin({rnn_.stream, rnn_.blas, rnn_.workspace + work_.blas, work_.blas_bytes,
                          (rnn_.flags & FRNN_ALLOW_TF32) != 0}));
    FRNN_TRY(resident_ != nullptr ? resident_loop() : step_loop());
    FRNN_TRY(norm_gradients());
    FRNN_TRY(input_weight_gradient());
    FRNN_TRY(recurrent_weight_gradient());
    FRNN_TRY(other_weight_gradients());
    FRNN_TRY(bias_gradients());
    FRNN_TRY(input_gradient());  // last: it may have to wait for the other direction's
    return blas_.end();
  }

 private:
  float* at(int64_t offset) const { return floats_at(rnn_.workspace, offset); }
  Elem* elem(int64_t offset) const { return elements_at<Elem>(rnn_.workspace + offset); }
  const float* kept(int64_t offset) const { return floats_at(rnn_.reserve, offset); }
  bool last_step() const { return seq_.step == seq_.T - 1; }

  // This step's [B, columns] of a rows tensor: the step's own tensor where rows have lengths of
  // their own, else in place.
  Operand of_step(const Elem* rows, const Elem* step, int64_t first, int64_t columns) const {
    if (lengths_) return {step + first, columns};
    const int64_t t = seq_.reverse ? seq_.T - 1 - seq_.step : seq_.step;
    if (seq_.batch_first) return {rows + first + t * columns, rnn_.T * columns};
    return {rows + first + t * rnn_.B * columns, columns};
  }
  Elem* step_or_null(int64_t offset) const { return lengths_ ? elem(offset) : nullptr; }

  BackwardState<Elem> state() const {
    BackwardState<Elem> s{};
    s.y = elements_at<Elem>(rnn_.y), s.h0 = elements_at<Elem>(rnn_.h0);
    s.dy = elements_at<Elem>(rnn_.dy);
    s.dhT = last_step() ? elements_at<Elem>(rnn_.dhT) : nullptr;
    s.dh_next = last_step() ? nullptr : at(work_.dh);
    s.dhin = last_step() ? nullptr : at(work_.dhin);
    s.dh = at(work_.dh);
    s.hin = elem(work_.hin);
    return s;
  }

  // out = da[:, first : first + gates] W_hh[first : first + gates].
  Status back_product(int64_t first, int64_t gates, int64_t width, float* out) {
    const Elem* const w = elements_at<Elem>(rnn_.w_hh) + first * rnn_.H * W_;
    return blas_.multiply(rnn_.B, width, gates * rnn_.H,
                          of_step(dah_, elem(work_.da_step), first * rnn_.H, recurrent_), {w, W_},
                          0.0f, out, width);
  }
  // All gates back to the state, unless nobody reads it.
  Status back_to_state(int64_t gates) {
    if (seq_.step == 0 && rnn_.dh0 == 0) return Status::success();
    return back_product(0, gates, W_, at(work_.dhin));
  }

  Status step_loop() {
    for (seq_.step = seq_.T - 1; seq_.step >= 0; --seq_.step)
      FRNN_TRY(step());
    seq_.step = 0;
    if (rnn_.dh0 == 0) return Status::success();
    return sequence_end_backward<Elem>(
        queue_, {seq_, at(work_.dh), at(work_.dhin), elements_at<Elem>(rnn_.dh0)});
  }

  Status resident_loop() {
    ResidentBackward<Elem> args = resident_backward_args<Elem>(rnn_, *resident_);
    args.gates = gates_;
    args.c_prev = floats_at(rnn_.reserve, reserve_.c_prev);
    args.ah_n = floats_at(rnn_.reserve, reserve_.ah_n);
    args.da = da_, args.dah = dah_;
    args.dp = (rnn_.variant & FRNN_PEEPHOLE) != 0 ? at(work_.dp) : nullptr;
    FRNN_TRY(gpu_resident_backward(queue_, rnn_, args));
    const bool reset_before = rnn_.cell == FRNN_GRU_RESET_BEFORE;
    return previous_states<Elem>(
        queue_, {args.T, args.B, args.H, args.reverse, args.batch_first, args.lengths, args.y_ld,
                 args.y, args.h0, reset_before ? gates_ : nullptr, elem(work_.hin),
                 reset_before ? elem(work_.rh) : nullptr});
  }

  Status step() {
    switch (rnn_.cell) {
      case FRNN_LSTM:
        return lstm_step();
      case FRNN_GRU:
        return gru_step();
      case FRNN_RNN_TANH:
      case FRNN_RNN_RELU:
        return rnn_step();
      default:
        return reset_before_step();
    }
  }

  Status projection_step() {
    FRNN_TRY(sequence_project_backward<Elem>(
        queue_, {seq_, elem(work_.dprojected), step_or_null(work_.dprojected_step), state()}));
    return blas_.multiply(rnn_.B, rnn_.H, W_,
                          of_step(elem(work_.dprojected), elem(work_.dprojected_step), 0, W_),
                          {elements_at<Elem>(rnn_.w_hr), rnn_.H}, 0.0f, at(work_.dm), rnn_.H);
  }

  Status lstm_step() {
    if (projects_) FRNN_TRY(projection_step());
    LstmSequenceBackward<Elem> s{};
    s.seq = seq_;
    s.variant = lstm_variant_of(rnn_);
    s.blocks = lstm_blocks_of(rnn_);
    s.G = static_cast<int>(columns_ / rnn_.H);
    s.gates = gates_;
    s.c_prev = floats_at(rnn_.reserve, reserve_.c_prev);
    s.peephole = elements_at<Elem>(rnn_.w_peephole);
    s.dm = projects_ ? at(work_.dm) : nullptr;
    s.dc_next = last_step() ? elements_at<float>(rnn_.dcT) : at(work_.dc);
    s.dc = seq_.step == 0 && rnn_.dc0 != 0 ? floats_at(rnn_.dc0) : at(work_.dc);
    s.da = da_, s.da_step = step_or_null(work_.da_step);
    s.m = projects_ ? elem(work_.m) : nullptr;
    s.dp = (rnn_.variant & FRNN_PEEPHOLE) != 0 ? at(work_.dp) : nullptr;
    s.state = state();
    FRNN_TRY(rnn_.norm == FRNN_LAYER_NORM ? lstm_norm_backward(queue_, with_norm(s))
                                          : lstm_sequence_backward(queue_, s));
    return back_to_state(columns_ / rnn_.H);
  }

  LstmNormBackward<Elem> with_norm(const LstmSequenceBackward<Elem>& lstm) const {
    return {lstm,
            static_cast<float>(rnn_.norm_epsilon),
            elements_at<Elem>(rnn_.norm_hh),
            elements_at<Elem>(rnn_.norm_c),
            elements_at<Elem>(rnn_.norm_c_bias),
            kept(reserve_.unit_hh),
            kept(reserve_.scale_hh),
            dah_,
            at(work_.fresh_c),
            at(work_.fresh_da),
            at(work_.bias_terms),
            at(work_.gain_terms)};
  }

  Status gru_step() {
    FRNN_TRY(
        gru_sequence_backward<Elem>(queue_, {seq_, gates_, floats_at(rnn_.reserve, reserve_.ah_n),
                                             da_, dah_, step_or_null(work_.da_step), state()}));
    return back_to_state(3);
  }

  // n and z; the product of dn; r.
  Status reset_before_step() {
    const ResetBeforeKind kind = reset_before_kind_of(rnn_);
    ResetBeforeBackward<Elem> s{};
    s.seq = seq_, s.kind = kind, s.gates = gates_;
    s.input_n = kind.tanh_input ? floats_at(rnn_.reserve, reserve_.ah_n) : nullptr;
    s.da = da_, s.dah = dah_, s.da_step = step_or_null(work_.da_step);
    s.drh = at(work_.drh), s.rh = elem(work_.rh);
    s.dtanh = kind.tanh_state ? at(work_.dtanh) : nullptr;
    s.tanh_h = kind.tanh_state ? elem(work_.tanh_h) : nullptr;
    s.state = state();
    FRNN_TRY(reset_before_backward_first(queue_, s));
    FRNN_TRY(back_product(kind.bare_z ? 1 : 2, 1, rnn_.H, at(work_.drh)));
    if (kind.tanh_state) FRNN_TRY(back_product(1, 1, rnn_.H, at(work_.dtanh)));
    FRNN_TRY(reset_before_backward_second(queue_, s));
    return back_to_state(kind.bare_z || kind.tanh_state ? 1 : 2);
  }

  Status rnn_step() {
    const RnnSequenceBackward<Elem> s = {seq_, gates_, da_, step_or_null(work_.da_step), state()};
    FRNN_TRY(rnn_.cell == FRNN_RNN_TANH ? rnn_tanh_sequence_backward(queue_, s)
                                        : rnn_relu_sequence_backward(queue_, s));
    return back_to_state(1);
  }

  // ---- After the loop ----

  // Sums over all rows of a matrix, times `factor` where it is there, to a gradient.
  template <typename In>
  Status sum_columns(const In* matrix, int64_t columns, const float* factor, int64_t gradient) {
    Elem* const none = nullptr;
    return column_sums<In, Elem>(
        queue_, {rows_, columns, matrix, at(work_.partials), elements_at<Elem>(gradient), none,
                 beta_ != 0.0f, factor});
  }

  // From da, of the normalised W x, to dax, of W x itself; and the gradients of gains.
  Status norm_gradients() {
    const int columns = static_cast<int>(columns_);
    const Elem* const gain = elements_at<Elem>(rnn_.norm_ih);
    const float* const unit = kept(reserve_.unit_ih);
    const float* const scale = kept(reserve_.scale_ih);
    if (rnn_.norm == FRNN_NO_NORM) return Status::success();
    FRNN_TRY(sum_columns(da_, columns_, unit, rnn_.dnorm_ih));
    if (rnn_.norm == FRNN_LAYER_NORM) {
      FRNN_TRY(sum_columns(da_, columns_, kept(reserve_.unit_hh), rnn_.dnorm_hh));
      FRNN_TRY(sum_columns<float>(at(work_.gain_terms), rnn_.H, nullptr, rnn_.dnorm_c));
      FRNN_TRY(sum_columns<float>(at(work_.bias_terms), rnn_.H, nullptr, rnn_.dnorm_c_bias));
      return layer_norm_rows_backward<Elem>(
          queue_, {rows_, columns, gain, unit, scale, da_, elem(work_.dax)});
    }
    float* const none = nullptr;
    float* const partials = at(work_.partials);
    FRNN_TRY(column_sums<Elem, float>(
        queue_, {rows_, columns_, da_, partials, at(work_.sums), none, false, nullptr}));
    FRNN_TRY(column_sums<Elem, float>(
        queue_, {rows_, columns_, da_, partials, at(work_.weighted), none, false, unit}));
    return norm_columns_backward<Elem>(
        queue_, {rows_of(rnn_), columns, scale, kept(reserve_.count), at(work_.sums),
                 at(work_.weighted), gain, unit, da_, elem(work_.dax)});
  }

  // Gradients of W x itself.
  const Elem* dax() const { return rnn_.norm == FRNN_NO_NORM ? da_ : elem(work_.dax); }
  int64_t x_ld() const { return rnn_.x_ld != 0 ? rnn_.x_ld : rnn_.I; }

  Status input_gradient() {
    if (rnn_.dx == 0) return Status::success();
    FRNN_TRY(queue_.wait_before_dx());
    const float beta = (rnn_.flags & FRNN_ACCUMULATE_DX) != 0 ? 1.0f : 0.0f;
    return blas_.multiply(rows_, rnn_.I, columns_, {dax(), columns_},
                          {elements_at<Elem>(rnn_.w_ih), rnn_.I}, beta, elements_at<Elem>(rnn_.dx),
                          x_ld());
  }

  Status input_weight_gradient() {
    if (rnn_.dw_ih == 0) return Status::success();
    Operand x = {elements_at<Elem>(rnn_.x), x_ld()};
    if (lengths_) {  // what lies beyond a row's length may be anything, NaN too
      FRNN_TRY(sequence_live_rows<Elem>(
          queue_, {seq_.T, seq_.B, static_cast<int>(rnn_.I), seq_.batch_first, seq_.lengths, x_ld(),
                   elements_at<Elem>(rnn_.x), elem(work_.x)}));
      x = {elem(work_.x), rnn_.I};
    }
    return blas_.multiply(columns_, rnn_.I, rows_, {dax(), columns_, true}, x, beta_,
                          elements_at<Elem>(rnn_.dw_ih), rnn_.I);
  }

  // dw_hh[first : first + gates] = or += sum over rows of dah^T v.
  Status recurrent_rows(int64_t first, int64_t gates, const Elem* v) {
    return blas_.multiply(gates * rnn_.H, W_, rows_, {dah_ + first * rnn_.H, recurrent_, true},
                          {v, W_}, beta_, elements_at<Elem>(rnn_.dw_hh) + first * rnn_.H * W_, W_);
  }

  Status recurrent_weight_gradient() {
    if (rnn_.dw_hh == 0) return Status::success();
    const Elem* const hin = elem(work_.hin);
    const bool plain = rnn_.cell == FRNN_LSTM || rnn_.cell == FRNN_GRU ||
                       rnn_.cell == FRNN_RNN_TANH || rnn_.cell == FRNN_RNN_RELU;
    if (plain) return recurrent_rows(0, recurrent_ / rnn_.H, hin);
    const ResetBeforeKind kind = reset_before_kind_of(rnn_);
    FRNN_TRY(recurrent_rows(0, kind.bare_z || kind.tanh_state ? 1 : 2, hin));
    if (kind.tanh_state) FRNN_TRY(recurrent_rows(1, 1, elem(work_.tanh_h)));
    return recurrent_rows(kind.bare_z ? 1 : 2, 1, elem(work_.rh));
  }

  Status other_weight_gradients() {
    if (rnn_.dw_hr != 0) {
      FRNN_TRY(blas_.multiply(W_, rnn_.H, rows_, {elem(work_.dprojected), W_, true},
                              {elem(work_.m), rnn_.H}, beta_, elements_at<Elem>(rnn_.dw_hr),
                              rnn_.H));
    }
    if (rnn_.dw_peephole == 0) return Status::success();
    return sum_columns<float>(at(work_.dp), peepholes_of(rnn_.variant) * rnn_.H, nullptr,
                              rnn_.dw_peephole);
  }

  Status bias_gradients() {
    Elem* const db_ih = elements_at<Elem>(rnn_.db_ih);
    Elem* const db_hh = elements_at<Elem>(rnn_.db_hh);
    Elem* const none = nullptr;
    const auto sums = [&](const Elem* rows, int64_t columns, Elem* first, Elem* second) {
      return column_sums<Elem, Elem>(
          queue_, {rows_, columns, rows, at(work_.partials), first, second, beta_ != 0.0f});
    };
    // Where both biases stand behind the norms or there are none, they meet the same sum.
    if (dah_ == da_ || rnn_.norm == FRNN_LAYER_NORM) return sums(da_, columns_, db_ih, db_hh);
    FRNN_TRY(sums(da_, columns_, db_ih, none));
    return sums(dah_, recurrent_, db_hh, none);
  }

  const frnn_rnn& rnn_;
  const ResidentBackwardShape* const resident_;  // null: a kernel and a product per step
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
  const int64_t recurrent_;   // columns of R h: blocks of w_hh times H
  Elem* const da_;            // rows, gradients of W x
  Elem* const dah_;           // rows, gradients of R h; the same tensor but for GRU and MUT1
  const float beta_;          // of weight gradients
};

}  // namespace

Status gpu_family_backward(const Queue& queue, BlasSession& blas, const frnn_rnn& rnn,
                           const ResidentBackwardShape* resident) {
  frnn_rnn trained = rnn;
  trained.flags |= FRNN_TRAINING;
  return for_element(rnn.dtype, [&](auto elem) {
    return FamilyBackward<decltype(elem)>(trained, queue, blas, resident).run();
  });
}

}  // namespace frnn
