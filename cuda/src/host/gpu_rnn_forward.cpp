#include <algorithm>

#include "host/gpu_family.h"
#include "host/gpu_layout.h"
#include "host/gpu_resident.h"
#include "host/gpu_rnn.h"
#include "host/plan.h"
#include "kernels/steps.h"

namespace frnn {
namespace {

class Forward {
 public:
  Forward(const frnn_rnn& rnn, const Queue& queue, BlasSession& blas)
      : rnn_(rnn),
        queue_(queue),
        blas_(blas),
        B_(static_cast<int>(rnn.B)),
        H_(static_cast<int>(rnn.H)),
        G_(gates_of(rnn.cell)),
        state_(rnn.B * rnn.H),
        training_((rnn.flags & FRNN_TRAINING) != 0),
        reserve_(rnn_reserve(rnn)),
        work_(rnn_forward_workspace(rnn)),
        w_hh_(floats_at(rnn.w_hh)),
        b_ih_(optional_at(rnn.b_ih, 0)),
        b_hh_(optional_at(rnn.b_hh, 0)),
        y_(floats_at(rnn.y)),
        zeros_(floats_at(rnn.workspace, work_.zeros)) {}

  Status run() {
    FRNN_TRY(blas_.begin({rnn_.stream, rnn_.blas, rnn_.workspace + work_.blas, work_.blas_bytes,
                          (rnn_.flags & FRNN_ALLOW_TF32) != 0}));
    if (rnn_.h0 == 0 || (rnn_.cell == FRNN_LSTM && rnn_.c0 == 0)) {
      FRNN_TRY(queue_.context.fill(rnn_.workspace + work_.zeros, 0, 4 * state_, rnn_.stream));
    }
    for (int64_t begin = 0; begin < rnn_.T; begin += work_.chunk_steps) {
      const int64_t end = std::min(begin + work_.chunk_steps, rnn_.T);
      float* gates = gates_of_chunk(begin);
      FRNN_TRY(input_product(begin, end, gates));
      for (int64_t t = begin; t < end; ++t, gates += G_ * state_)
        FRNN_TRY(step(t, gates));
    }
    return blas_.end();
  }

 private:
  float* gates_of_chunk(int64_t begin) const {
    const bool in_reserve = training_ && G_ > 1;
    return in_reserve ? floats_at(rnn_.reserve, reserve_.gates) + begin * G_ * state_
                      : floats_at(rnn_.workspace, work_.gates);
  }

  // gates[t, b, :] = W_ih x[t, b] for all steps of the chunk at once.
  Status input_product(int64_t begin, int64_t end, float* gates) {
    const int64_t x_ld = rnn_.x_ld != 0 ? rnn_.x_ld : rnn_.I;
    const float* const x = floats_at(rnn_.x) + begin * rnn_.B * x_ld;
    const float* const w_ih = floats_at(rnn_.w_ih);
    return blas_.multiply((end - begin) * rnn_.B, G_ * rnn_.H, rnn_.I, {x, x_ld},
                          {w_ih, rnn_.I, true}, 0.0f, gates, G_ * rnn_.H);
  }

  // out[b, :] = beta out + W_hh[first_gate : first_gate + gates] h[b].
  Status recurrent_product(const float* h, int64_t first_gate, int64_t gates, float beta,
                           float* out) {
    const float* const w = w_hh_ + first_gate * rnn_.H * rnn_.H;
    return blas_.multiply(rnn_.B, gates * rnn_.H, rnn_.H, {h, rnn_.H}, {w, rnn_.H, true}, beta, out,
                          G_ * rnn_.H);
  }

  const float* h_before(int64_t t) const {
    if (t > 0) return y_ + (t - 1) * state_;
    return rnn_.h0 != 0 ? floats_at(rnn_.h0) : zeros_;
  }
  float* h_at(int64_t t) const { return y_ + t * state_; }
  // A final state, in the last step alone.
  float* last(int64_t t, int64_t tensor) const {
    return t == rnn_.T - 1 ? optional_at(tensor, 0) : nullptr;
  }

  Status step(int64_t t, float* gates) {
    switch (rnn_.cell) {
      case FRNN_LSTM:
        return lstm_step(t, gates);
      case FRNN_GRU:
        return gru_step(t, gates);
      case FRNN_GRU_RESET_BEFORE:
        return gru_before_step(t, gates);
      default:
        return rnn_step(t, gates);
    }
  }

  Status lstm_step(int64_t t, float* gates) {
    FRNN_TRY(recurrent_product(h_before(t), 0, 4, 1.0f, gates));
    const float* c_prev = rnn_.c0 != 0 ? floats_at(rnn_.c0) : zeros_;
    float* c = floats_at(rnn_.workspace, work_.c);  // without training one c, updated in place
    if (t > 0) c_prev = c;
    if (training_) {
      c = floats_at(rnn_.reserve, reserve_.c) + t * state_;
      if (t > 0) c_prev = c - state_;
    }
    return lstm_forward_step(queue_, {B_, H_, gates, b_ih_, b_hh_, c_prev, c, h_at(t),
                                      last(t, rnn_.hT), last(t, rnn_.cT), training_});
  }

  Status gru_step(int64_t t, float* gates) {
    float* const ah = floats_at(rnn_.workspace, work_.ah);
    FRNN_TRY(recurrent_product(h_before(t), 0, 3, 0.0f, ah));
    float* const ah_n = training_ ? floats_at(rnn_.reserve, reserve_.ah_n) + t * state_ : nullptr;
    return gru_forward_step(
        queue_, {B_, H_, gates, ah, b_ih_, b_hh_, h_before(t), h_at(t), last(t, rnn_.hT), ah_n});
  }

  Status gru_before_step(int64_t t, float* gates) {
    float* const rh = training_ ? floats_at(rnn_.reserve, reserve_.rh) + t * state_
                                : floats_at(rnn_.workspace, work_.rh);
    FRNN_TRY(recurrent_product(h_before(t), 0, 2, 1.0f, gates));
    FRNN_TRY(gru_before_forward_first_step(queue_, {B_, H_, gates, b_ih_, b_hh_, h_before(t), rh}));
    FRNN_TRY(recurrent_product(rh, 2, 1, 1.0f, gates + 2 * rnn_.H));
    return gru_before_forward_second_step(
        queue_, {B_, H_, gates, b_ih_, b_hh_, h_before(t), h_at(t), last(t, rnn_.hT)});
  }

  Status rnn_step(int64_t t, float* a) {
    FRNN_TRY(recurrent_product(h_before(t), 0, 1, 1.0f, a));
    const RnnForwardStep step = {B_, H_, a, b_ih_, b_hh_, h_at(t), last(t, rnn_.hT)};
    return rnn_.cell == FRNN_RNN_TANH ? rnn_tanh_forward_step(queue_, step)
                                      : rnn_relu_forward_step(queue_, step);
  }

  const frnn_rnn& rnn_;
  const Queue& queue_;
  BlasSession& blas_;
  const int B_;
  const int H_;
  const int64_t G_;
  const int64_t state_;  // B * H
  const bool training_;
  const RnnReserve reserve_;
  const RnnForwardWorkspace work_;
  const float* const w_hh_;
  const float* const b_ih_;
  const float* const b_hh_;
  float* const y_;
  const float* const zeros_;  // [B, H]
};

}  // namespace

Status gpu_rnn_fits(const frnn_rnn& rnn) {
  const int64_t limit = int64_t{1} << 31;
  const int64_t columns = gates_of(rnn.cell) * rnn.H;
  if (rnn.T * rnn.B < limit && rnn.B * rnn.H < limit && columns < limit && rnn.I < limit &&
      rnn.T * columns < limit && rnn.x_ld < limit && rnn.y_ld < limit) {
    return Status::success();
  }
  return Status::fail(FRNN_UNSUPPORTED,
                      format("rnn: T * B, B * H, T * G * H, I, x_ld and y_ld must each be below "
                             "2^31 on a gpu, got T=%lld B=%lld "
                             "I=%lld H=%lld: cut the sequence or the batch",
                             static_cast<long long>(rnn.T), static_cast<long long>(rnn.B),
                             static_cast<long long>(rnn.I), static_cast<long long>(rnn.H)));
}

Status gpu_rnn_forward(const Queue& queue, GpuBlas& blas, Planner& planner, const frnn_rnn& rnn) {
  FRNN_TRY(gpu_rnn_fits(rnn));
  RnnChoice choice;
  FRNN_TRY(planner.choose(rnn, Pass::kForward, &choice));
  BlasSession session(blas, queue.context);
  if (choice.kernel != FRNN_KERNEL_STEP) {
    ResidentGeometry geometry{};
    const std::string refusal = resident_geometry(rnn, planner.device(), choice.cluster, &geometry);
    if (!refusal.empty()) return Status::fail(FRNN_INTERNAL, "plan: " + refusal);
    return gpu_resident_forward(queue, session, rnn, geometry);
  }
  return is_family(rnn) ? gpu_family_forward(queue, session, rnn)
                        : Forward(rnn, queue, session).run();
}

}  // namespace frnn
