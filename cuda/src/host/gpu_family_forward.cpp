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
    return p > 0 ? make_mask(p, rnn.seed, rnn.offset, rnn.mask_stream, kind) : Mask{};
  };
  s.recurrent = mask(rnn.recurrent_dropout, kRecurrentDropout);
  s.zoneout_h = mask(rnn.zoneout_h, kZoneoutH);
  s.zoneout_c = mask(rnn.zoneout_c, kZoneoutC);
  return s;
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

namespace {

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
        b_ih_(optional_at(rnn.b_ih, 0)),
        b_hh_(optional_at(rnn.b_hh, 0)) {}

  Status run() {
    FRNN_TRY(blas_.begin({rnn_.stream, rnn_.blas, rnn_.workspace + work_.blas, work_.blas_bytes,
                          (rnn_.flags & FRNN_ALLOW_TF32) != 0}));
    const int64_t x_ld = rnn_.x_ld != 0 ? rnn_.x_ld : rnn_.I;
    FRNN_TRY(blas_.multiply(rnn_.T * rnn_.B, columns_, rnn_.I, {floats_at(rnn_.x), x_ld},
                            {floats_at(rnn_.w_ih), rnn_.I, true}, 0.0f, gates_, columns_));
    float* const c = rnn_.cell == FRNN_LSTM ? at(work_.c) : nullptr;
    FRNN_TRY(sequence_begin_forward(queue_, {seq_, optional_at(rnn_.h0, 0), optional_at(rnn_.c0, 0),
                                             at(work_.h), at(work_.hin), c}));
    for (seq_.step = 0; seq_.step < seq_.T; ++seq_.step)
      FRNN_TRY(step());
    return blas_.end();
  }

 private:
  float* at(int64_t offset) const { return floats_at(rnn_.workspace, offset); }

  // out[b, :] = W_hh[first_gate : first_gate + gates] v[b], rows of `out` `stride` apart.
  Status product(const float* v, int64_t first_gate, int64_t gates, float* out, int64_t stride) {
    const float* const w = floats_at(rnn_.w_hh) + first_gate * rnn_.H * W_;
    return blas_.multiply(rnn_.B, gates * rnn_.H, W_, {v, W_}, {w, W_, true}, 0.0f, out, stride);
  }

  float* last(int64_t tensor) const {
    return seq_.step == seq_.T - 1 ? optional_at(tensor, 0) : nullptr;
  }
  ForwardState state() const {
    return {floats_at(rnn_.y), at(work_.h), at(work_.hin), last(rnn_.hT)};
  }

  Status step() {
    switch (rnn_.cell) {
      case FRNN_LSTM:
        return lstm_step();
      case FRNN_GRU:
        FRNN_TRY(product(at(work_.hin), 0, 3, ah_, columns_));
        return gru_sequence_forward(queue_, gru());
      case FRNN_GRU_RESET_BEFORE:
        FRNN_TRY(product(at(work_.hin), 0, 2, ah_, columns_));
        FRNN_TRY(gru_before_sequence_forward_first(queue_, gru()));
        FRNN_TRY(product(at(work_.rh), 2, 1, at(work_.un), rnn_.H));
        return gru_before_sequence_forward_second(queue_, gru());
      default:
        return rnn_step();
    }
  }

  Status lstm_step() {
    FRNN_TRY(product(at(work_.hin), 0, columns_ / rnn_.H, ah_, columns_));
    const bool projects = rnn_.P > 0;
    LstmSequenceForward s{};
    s.seq = seq_;
    s.variant = lstm_variant_of(rnn_);
    s.blocks = lstm_blocks_of(rnn_);
    s.G = static_cast<int>(columns_ / rnn_.H);
    s.gates = gates_, s.ah = ah_, s.b_ih = b_ih_, s.b_hh = b_hh_;
    s.peephole = optional_at(rnn_.w_peephole, 0);
    s.c = at(work_.c);
    s.c_prev = training_ ? floats_at(rnn_.reserve, reserve_.c_prev) : nullptr;
    s.c_last = last(rnn_.cT);
    s.m = projects ? at(work_.m) : nullptr;
    s.state = state();
    FRNN_TRY(lstm_sequence_forward(queue_, s));
    if (!projects) return Status::success();
    FRNN_TRY(blas_.multiply(rnn_.B, W_, rnn_.H, {at(work_.m), rnn_.H},
                            {floats_at(rnn_.w_hr), rnn_.H, true}, 0.0f, at(work_.projected), W_));
    return sequence_project_forward(queue_, {seq_, at(work_.projected), state()});
  }

  GruSequenceForward gru() const {
    const bool before = rnn_.cell == FRNN_GRU_RESET_BEFORE;
    GruSequenceForward s{};
    s.seq = seq_;
    s.gates = gates_, s.ah = ah_, s.b_ih = b_ih_, s.b_hh = b_hh_;
    s.ah_n = training_ && !before ? floats_at(rnn_.reserve, reserve_.ah_n) : nullptr;
    s.rh = before ? at(work_.rh) : nullptr;
    s.un = before ? at(work_.un) : nullptr;
    s.state = state();
    return s;
  }

  Status rnn_step() {
    FRNN_TRY(product(at(work_.hin), 0, 1, ah_, columns_));
    const RnnSequenceForward s = {seq_, gates_, ah_, b_ih_, b_hh_, state()};
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
  const float* const b_ih_;
  const float* const b_hh_;
};

}  // namespace

Status gpu_family_forward(const Queue& queue, BlasSession& blas, const frnn_rnn& rnn) {
  return FamilyForward(rnn, queue, blas).run();
}

}  // namespace frnn
