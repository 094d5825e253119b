#include "host/gpu_family.h"
#include "host/gpu_layout.h"
#include "host/gpu_rnn.h"
#include "host/plan.h"

namespace frnn {

Sequence sequence_of(const frnn_rnn& rnn, bool training) {
  Sequence s{};
  s.T = static_cast<int>(rnn.T), s.B = static_cast<int>(rnn.B), s.H = static_cast<int>(rnn.H);
  s.W = static_cast<int>(width_of(rnn.H, rnn.P));
  s.reverse = (rnn.flags & FRNN_REVERSE) != 0;
  s.batch_first = (rnn.flags & FRNN_BATCH_FIRST) != 0;
  s.lengths = reinterpret_cast<const int32_t*>(rnn.lengths);
  s.y_ld = rnn.y_ld != 0 ? rnn.y_ld : s.W;
  s.training = training;
  if (!training) {
    s.keep_h = static_cast<float>(rnn.zoneout_h);
    s.keep_c = static_cast<float>(rnn.zoneout_c);
    return s;
  }
  const auto mask = [&](double p, MaskKind kind) {
    return p > 0 ? make_mask(p, mask_source(rnn), kind) : Mask{};
  };
  s.recurrent = mask(rnn.recurrent_dropout, kRecurrentDropout);
  s.zoneout_h = mask(rnn.zoneout_h, kZoneoutH);
  s.zoneout_c = mask(rnn.zoneout_c, kZoneoutC);
  return s;
}

RowsOf rows_of(const frnn_rnn& rnn) {
  return {static_cast<int>(rnn.T), static_cast<int>(rnn.B), (rnn.flags & FRNN_BATCH_FIRST) != 0,
          reinterpret_cast<const int32_t*>(rnn.lengths)};
}

LstmVariant lstm_variant_of(const frnn_rnn& rnn) {
  LstmVariant v;
  v.peephole = (rnn.variant & FRNN_PEEPHOLE) != 0;
  v.coupled = (rnn.variant & FRNN_COUPLED) != 0;
  v.input_gate = (rnn.variant & (FRNN_COUPLED | FRNN_NO_INPUT_GATE)) == 0;
  v.forget_gate = (rnn.variant & FRNN_NO_FORGET_GATE) == 0;
  v.output_gate = (rnn.variant & FRNN_NO_OUTPUT_GATE) == 0;
  v.cell_clip = static_cast<float>(rnn.cell_clip);
  return v;
}

// Blocks that are there, in the order i f g o.
LstmBlocks lstm_blocks_of(const frnn_rnn& rnn) {
  const LstmVariant v = lstm_variant_of(rnn);
  int block = 0, row = 0;
  LstmBlocks at;
  at.i = v.input_gate ? block++ : -1;
  at.f = v.forget_gate ? block++ : -1;
  at.g = block++;
  at.o = v.output_gate ? block++ : -1;
  at.pi = v.peephole && v.input_gate ? row++ : -1;
  at.pf = v.peephole && v.forget_gate ? row++ : -1;
  at.po = v.peephole && v.output_gate ? row++ : -1;
  return at;
}

ResetBeforeKind reset_before_kind_of(const frnn_rnn& rnn) {
  const bool mut1 = rnn.cell == FRNN_MUT1;
  return {rnn.cell != FRNN_GRU_RESET_BEFORE, mut1, mut1, rnn.cell == FRNN_MUT3};
}

namespace {

template <typename Elem>
class FamilyForward {
 public:
  FamilyForward(const frnn_rnn& rnn, const Queue& queue, BlasSession& blas)
      : rnn_(rnn),
        queue_(queue),
        blas_(blas),
        training_((rnn.flags & FRNN_TRAINING) != 0),
        W_(width_of(rnn.H, rnn.P)),
        columns_(gates_of(rnn.cell, rnn.variant) * rnn.H),
        reserve_(family_reserve(rnn)),
        work_(family_forward_workspace(rnn)),
        seq_(sequence_of(rnn, training_)),
        gates_(training_ ? floats_at(rnn.reserve, reserve_.gates)
                         : floats_at(rnn.workspace, work_.gates)),
        ah_(at(work_.ah)),
        b_ih_(elements_at<Elem>(rnn.b_ih)),
        b_hh_(elements_at<Elem>(rnn.b_hh)) {}

  Status run() {
    FRNN_TRY(blas_.begin({rnn_.stream, rnn_.blas, rnn_.workspace + work_.blas, work_.blas_bytes,
                          (rnn_.flags & FRNN_ALLOW_TF32) != 0}));
    const int64_t x_ld = rnn_.x_ld != 0 ? rnn_.x_ld : rnn_.I;
    FRNN_TRY(blas_.multiply(rnn_.T * rnn_.B, columns_, rnn_.I, {elements_at<Elem>(rnn_.x), x_ld},
                            {elements_at<Elem>(rnn_.w_ih), rnn_.I, true}, 0.0f, gates_, columns_));
    FRNN_TRY(normalise_input());
    float* const c = rnn_.cell == FRNN_LSTM ? at(work_.c) : nullptr;
    FRNN_TRY(sequence_begin_forward<Elem>(
        queue_, {seq_, elements_at<Elem>(rnn_.h0), elements_at<float>(rnn_.c0), elem(work_.h),
                 elem(work_.hin), c}));
    for (seq_.step = 0; seq_.step < seq_.T; ++seq_.step)
      FRNN_TRY(step());
    return blas_.end();
  }

 private:
  float* at(int64_t offset) const { return floats_at(rnn_.workspace, offset); }
  Elem* elem(int64_t offset) const { return elements_at<Elem>(rnn_.workspace + offset); }

  float* kept(int64_t offset) const {  // in the reserve, which only training has
    return training_ ? floats_at(rnn_.reserve, offset) : nullptr;
  }

  Status normalise_input() {
    const int columns = static_cast<int>(columns_);
    const float epsilon = static_cast<float>(rnn_.norm_epsilon);
    const Elem* const gain = elements_at<Elem>(rnn_.norm_ih);
    if (rnn_.norm == FRNN_NO_NORM) return Status::success();
    if (rnn_.norm == FRNN_LAYER_NORM) {
      return layer_norm_rows<Elem>(queue_, {rnn_.T * rnn_.B, columns, epsilon, gain, gates_,
                                            kept(reserve_.unit_ih), kept(reserve_.scale_ih)});
    }
    NormColumns<Elem> norm = {rows_of(rnn_), columns,
                              epsilon,       floats_at(rnn_.running_mean),
                              nullptr,       floats_at(rnn_.running_var),
                              gain,          gates_,
                              nullptr};
    if (training_) {
      const float momentum = static_cast<float>(rnn_.norm_momentum);
      norm.mean = at(work_.mean), norm.scale = kept(reserve_.scale_ih), norm.variance = nullptr;
      norm.unit = kept(reserve_.unit_ih);
      FRNN_TRY(column_statistics(
          queue_, {norm.rows, columns, epsilon, momentum, gates_, at(work_.mean),
                   kept(reserve_.scale_ih), kept(reserve_.count),
                   elements_at<float>(rnn_.running_mean), elements_at<float>(rnn_.running_var)}));
    }
    return norm_columns(queue_, norm);
  }

  // out[b, :] = W_hh[first_gate : first_gate + gates] v[b], rows of `out` `stride` apart.
  Status product(const Elem* v, int64_t first_gate, int64_t gates, float* out, int64_t stride) {
    const Elem* const w = elements_at<Elem>(rnn_.w_hh) + first_gate * rnn_.H * W_;
    return blas_.multiply(rnn_.B, gates * rnn_.H, W_, {v, W_}, {w, W_, true}, 0.0f, out, stride);
  }

  bool last_step() const { return seq_.step == seq_.T - 1; }
  ForwardState<Elem> state() const {
    return {elements_at<Elem>(rnn_.y), elem(work_.h), elem(work_.hin),
            last_step() ? elements_at<Elem>(rnn_.hT) : nullptr};
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

  Status lstm_step() {
    FRNN_TRY(product(elem(work_.hin), 0, columns_ / rnn_.H, ah_, columns_));
    const bool projects = rnn_.P > 0;
    LstmSequenceForward<Elem> s{};
    s.seq = seq_;
    s.variant = lstm_variant_of(rnn_);
    s.blocks = lstm_blocks_of(rnn_);
    s.G = static_cast<int>(columns_ / rnn_.H);
    s.gates = gates_, s.ah = ah_, s.b_ih = b_ih_, s.b_hh = b_hh_;
    s.peephole = elements_at<Elem>(rnn_.w_peephole);
    s.c = at(work_.c);
    s.c_prev = training_ ? floats_at(rnn_.reserve, reserve_.c_prev) : nullptr;
    s.c_last = last_step() ? elements_at<float>(rnn_.cT) : nullptr;
    s.m = projects ? elem(work_.m) : nullptr;
    s.state = state();
    if (rnn_.norm == FRNN_LAYER_NORM) {
      return lstm_norm_forward<Elem>(
          queue_, {s, static_cast<float>(rnn_.norm_epsilon), elements_at<Elem>(rnn_.norm_hh),
                   elements_at<Elem>(rnn_.norm_c), elements_at<Elem>(rnn_.norm_c_bias),
                   at(work_.fresh_c), kept(reserve_.unit_hh), kept(reserve_.scale_hh)});
    }
    FRNN_TRY(lstm_sequence_forward(queue_, s));
    if (!projects) return Status::success();
    FRNN_TRY(blas_.multiply(rnn_.B, W_, rnn_.H, {elem(work_.m), rnn_.H},
                            {elements_at<Elem>(rnn_.w_hr), rnn_.H, true}, 0.0f, at(work_.projected),
                            W_));
    return sequence_project_forward<Elem>(queue_, {seq_, at(work_.projected), state()});
  }

  Status gru_step() {
    FRNN_TRY(product(elem(work_.hin), 0, 3, ah_, columns_));
    float* const ah_n = training_ ? floats_at(rnn_.reserve, reserve_.ah_n) : nullptr;
    return gru_sequence_forward<Elem>(queue_, {seq_, gates_, ah_, b_ih_, b_hh_, ah_n, state()});
  }

  // r and z; the product with rh; n and h.
  Status reset_before_step() {
    const ResetBeforeKind kind = reset_before_kind_of(rnn_);
    const int64_t n_block = kind.bare_z ? 1 : 2, ah_stride = 2 * rnn_.H;
    const bool together = !kind.bare_z && !kind.tanh_state;  // r and z see the same vector
    FRNN_TRY(product(elem(work_.hin), 0, together ? 2 : 1, ah_, ah_stride));
    if (kind.tanh_state) {
      FRNN_TRY(sequence_tanh_state<Elem>(queue_, {seq_, elem(work_.hin), elem(work_.tanh_h)}));
      FRNN_TRY(product(elem(work_.tanh_h), 1, 1, ah_ + rnn_.H, ah_stride));
    }
    float* const input_n =
        training_ && kind.tanh_input ? floats_at(rnn_.reserve, reserve_.ah_n) : nullptr;
    const ResetBeforeForward<Elem> s = {seq_,  kind,  gates_,         ah_,     at(work_.un),
                                        b_ih_, b_hh_, elem(work_.rh), input_n, state()};
    FRNN_TRY(reset_before_forward_first(queue_, s));
    FRNN_TRY(product(elem(work_.rh), n_block, 1, at(work_.un), rnn_.H));
    return reset_before_forward_second(queue_, s);
  }

  Status rnn_step() {
    FRNN_TRY(product(elem(work_.hin), 0, 1, ah_, columns_));
    const RnnSequenceForward<Elem> s = {seq_, gates_, ah_, b_ih_, b_hh_, state()};
    return rnn_.cell == FRNN_RNN_TANH ? rnn_tanh_sequence_forward(queue_, s)
                                      : rnn_relu_sequence_forward(queue_, s);
  }

  const frnn_rnn& rnn_;
  const Queue& queue_;
  BlasSession& blas_;
  const bool training_;
  const int64_t W_;        // width of h
  const int64_t columns_;  // G * H
  const FamilyReserve reserve_;
  const FamilyForwardWorkspace work_;
  Sequence seq_;
  float* const gates_;  // rows
  float* const ah_;     // [B, G*H]
  const Elem* const b_ih_;
  const Elem* const b_hh_;
};

}  // namespace

Status gpu_family_forward(const Queue& queue, BlasSession& blas, const frnn_rnn& rnn) {
  return for_element(
      rnn.dtype, [&](auto elem) { return FamilyForward<decltype(elem)>(rnn, queue, blas).run(); });
}

}  // namespace frnn
