#include "host/gpu_family.h"
#include "host/gpu_layout.h"
#include "host/gpu_resident_backward.h"
#include "host/gpu_rnn.h"
#include "host/plan.h"
#include "host/resident_backward_geometry.h"
#include "kernels/column_sums.h"
#include "kernels/steps.h"

namespace frnn {
namespace {

frnn_rnn as_trained(const frnn_rnn& rnn) {
  frnn_rnn trained = rnn;
  trained.flags |= FRNN_TRAINING;
  return trained;
}

class Backward {
 public:
  Backward(const frnn_rnn& rnn, const Queue& queue, BlasSession& blas,
           const ResidentBackwardShape* resident)
      : rnn_(rnn),
        resident_(resident),
        queue_(queue),
        blas_(blas),
        B_(static_cast<int>(rnn.B)),
        H_(static_cast<int>(rnn.H)),
        G_(gates_of(rnn.cell)),
        state_(rnn.B * rnn.H),
        columns_(G_ * rnn.H),
        reserve_(rnn_reserve(as_trained(rnn))),
        work_(rnn_backward_workspace(rnn)),
        da_(floats_at(rnn.workspace, work_.da)),
        dah_(rnn.cell == FRNN_GRU ? floats_at(rnn.workspace, work_.dah) : da_),
        y_(floats_at(rnn.y)),
        zeros_(floats_at(rnn.workspace, work_.zeros)) {}

  Status run() {
    FRNN_TRY(blas_.begin({rnn_.stream, rnn_.blas, rnn_.workspace + work_.blas, work_.blas_bytes,
                          (rnn_.flags & FRNN_ALLOW_TF32) != 0}));
    const bool lstm = rnn_.cell == FRNN_LSTM;
    if (rnn_.h0 == 0 || rnn_.dhT == 0 || (lstm && (rnn_.c0 == 0 || rnn_.dcT == 0))) {
      FRNN_TRY(queue_.context.fill(rnn_.workspace + work_.zeros, 0, 4 * state_, rnn_.stream));
    }
    if (resident_ != nullptr) {
      FRNN_TRY(resident_loop());
    } else {
      for (int64_t t = rnn_.T - 1; t >= 0; --t)
        FRNN_TRY(step(t));
    }
    FRNN_TRY(input_weight_gradient());
    FRNN_TRY(recurrent_weight_gradient());
    FRNN_TRY(bias_gradients());
    FRNN_TRY(input_gradient());  // last: it may have to wait for the other direction's
    return blas_.end();
  }

 private:
  // ---- Tensors of step t ----

  const float* gates_at(int64_t t) const {
    return floats_at(rnn_.reserve, reserve_.gates) + t * G_ * state_;
  }
  const float* dy_at(int64_t t) const { return optional_at(rnn_.dy, t * state_); }
  float* da_at(int64_t t) const { return da_ + t * G_ * state_; }
  float* dah_at(int64_t t) const { return dah_ + t * G_ * state_; }
  const float* h_before(int64_t t) const {
    return t > 0 ? y_ + (t - 1) * state_ : or_zeros(rnn_.h0);
  }
  const float* c_before(int64_t t) const {
    return t > 0 ? floats_at(rnn_.reserve, reserve_.c) + (t - 1) * state_ : or_zeros(rnn_.c0);
  }
  const float* or_zeros(int64_t tensor) const { return tensor != 0 ? floats_at(tensor) : zeros_; }

  // The gradient of h_t that comes from the next step, and where that of h_{t-1} goes.
  const float* dh_in(int64_t t) const {
    return t == rnn_.T - 1 ? or_zeros(rnn_.dhT) : floats_at(rnn_.workspace, work_.dh);
  }
  float* dh_out(int64_t t) const {
    return t == 0 && rnn_.dh0 != 0 ? floats_at(rnn_.dh0) : floats_at(rnn_.workspace, work_.dh);
  }
  const float* dc_in(int64_t t) const {
    return t == rnn_.T - 1 ? or_zeros(rnn_.dcT) : floats_at(rnn_.workspace, work_.dc);
  }
  float* dc_out(int64_t t) const {
    return t == 0 && rnn_.dc0 != 0 ? floats_at(rnn_.dc0) : floats_at(rnn_.workspace, work_.dc);
  }

  // ---- The loop ----

  Status resident_loop() {
    ResidentBackward<float> args = resident_backward_args<float>(rnn_, *resident_);
    const bool has_gates = rnn_.cell != FRNN_RNN_TANH && rnn_.cell != FRNN_RNN_RELU;
    args.gates = has_gates ? gates_at(0) : y_;
    args.c_prev = floats_at(rnn_.reserve, reserve_.c), args.c_before = true;
    args.c0 = floats_at(rnn_.c0);
    args.ah_n = floats_at(rnn_.reserve, reserve_.ah_n);
    args.da = da_, args.dah = dah_;
    return gpu_resident_backward(queue_, rnn_, args);
  }

  Status step(int64_t t) {
    switch (rnn_.cell) {
      case FRNN_LSTM:
        return lstm_step(t);
      case FRNN_GRU:
        return gru_step(t);
      case FRNN_GRU_RESET_BEFORE:
        return gru_before_step(t);
      default:
        return rnn_step(t);
    }
  }

  // out = beta out + da[:, first : first + gates] W_hh[first : first + gates], the way back to h.
  Status back_product(const float* da, int64_t first, int64_t gates, float beta, float* out) {
    const float* const w = floats_at(rnn_.w_hh) + first * rnn_.H * rnn_.H;
    return blas_.multiply(rnn_.B, rnn_.H, gates * rnn_.H, {da + first * rnn_.H, columns_},
                          {w, rnn_.H}, beta, out, rnn_.H);
  }

  // Nobody reads the gradient of h0 where dh0 is absent.
  bool wants_dh(int64_t t) const { return t > 0 || rnn_.dh0 != 0; }

  Status lstm_step(int64_t t) {
    const float* const c = floats_at(rnn_.reserve, reserve_.c) + t * state_;
    FRNN_TRY(lstm_backward_step(queue_, {B_, H_, gates_at(t), c_before(t), c, dy_at(t), dh_in(t),
                                         dc_in(t), da_at(t), dc_out(t)}));
    return wants_dh(t) ? back_product(da_at(t), 0, 4, 0.0f, dh_out(t)) : Status::success();
  }

  Status gru_step(int64_t t) {
    const float* const ah_n = floats_at(rnn_.reserve, reserve_.ah_n) + t * state_;
    FRNN_TRY(gru_backward_step(queue_, {B_, H_, gates_at(t), ah_n, h_before(t), dy_at(t), dh_in(t),
                                        da_at(t), dah_at(t), dh_out(t)}));
    return wants_dh(t) ? back_product(dah_at(t), 0, 3, 1.0f, dh_out(t)) : Status::success();
  }

  Status gru_before_step(int64_t t) {
    float* const drh = floats_at(rnn_.workspace, work_.drh);
    FRNN_TRY(gru_before_backward_first_step(
        queue_, {B_, H_, gates_at(t), h_before(t), dy_at(t), dh_in(t), da_at(t), dh_out(t)}));
    FRNN_TRY(back_product(da_at(t), 2, 1, 0.0f, drh));
    FRNN_TRY(gru_before_backward_second_step(
        queue_, {B_, H_, gates_at(t), h_before(t), drh, da_at(t), dh_out(t)}));
    return wants_dh(t) ? back_product(da_at(t), 0, 2, 1.0f, dh_out(t)) : Status::success();
  }

  Status rnn_step(int64_t t) {
    const RnnBackwardStep step = {B_, H_, y_ + t * state_, dy_at(t), dh_in(t), da_at(t)};
    FRNN_TRY(rnn_.cell == FRNN_RNN_TANH ? rnn_tanh_backward_step(queue_, step)
                                        : rnn_relu_backward_step(queue_, step));
    return wants_dh(t) ? back_product(da_at(t), 0, 1, 0.0f, dh_out(t)) : Status::success();
  }

  // ---- After the loop ----

  Status input_gradient() {
    if (rnn_.dx == 0) return Status::success();
    FRNN_TRY(queue_.wait_before_dx());
    return blas_.multiply(
        rnn_.T * rnn_.B, rnn_.I, columns_, {da_, columns_}, {floats_at(rnn_.w_ih), rnn_.I},
        (rnn_.flags & FRNN_ACCUMULATE_DX) != 0 ? 1.0f : 0.0f, floats_at(rnn_.dx), x_ld());
  }

  int64_t x_ld() const { return rnn_.x_ld != 0 ? rnn_.x_ld : rnn_.I; }
  float beta() const { return (rnn_.flags & FRNN_ACCUMULATE) != 0 ? 1.0f : 0.0f; }

  Status input_weight_gradient() {
    if (rnn_.dw_ih == 0) return Status::success();
    return blas_.multiply(columns_, rnn_.I, rnn_.T * rnn_.B, {da_, columns_, true},
                          {floats_at(rnn_.x), x_ld()}, beta(), floats_at(rnn_.dw_ih), rnn_.I);
  }

  // dw_hh[first : first + gates] = or += sum over t of dah_t^T h_{t-1}: the first step, whose state
  // is h0, and all others, whose states are y.
  Status recurrent_rows(int64_t first, int64_t gates) {
    float* const out = floats_at(rnn_.dw_hh) + first * rnn_.H * rnn_.H;
    const float* const dah = dah_ + first * rnn_.H;
    FRNN_TRY(blas_.multiply(gates * rnn_.H, rnn_.H, rnn_.B, {dah, columns_, true},
                            {h_before(0), rnn_.H}, beta(), out, rnn_.H));
    if (rnn_.T == 1) return Status::success();
    return blas_.multiply(gates * rnn_.H, rnn_.H, (rnn_.T - 1) * rnn_.B,
                          {dah + G_ * state_, columns_, true}, {y_, rnn_.H}, 1.0f, out, rnn_.H);
  }

  Status recurrent_weight_gradient() {
    if (rnn_.dw_hh == 0) return Status::success();
    if (rnn_.cell != FRNN_GRU_RESET_BEFORE) return recurrent_rows(0, G_);
    FRNN_TRY(recurrent_rows(0, 2));
    const float* const rh = floats_at(rnn_.reserve, reserve_.rh);  // what U_n was multiplied with
    return blas_.multiply(rnn_.H, rnn_.H, rnn_.T * rnn_.B, {da_ + 2 * rnn_.H, columns_, true},
                          {rh, rnn_.H}, beta(), floats_at(rnn_.dw_hh) + 2 * rnn_.H * rnn_.H,
                          rnn_.H);
  }

  Status bias_gradients() {
    float* const db_ih = optional_at(rnn_.db_ih, 0);
    float* const db_hh = optional_at(rnn_.db_hh, 0);
    float* const partials = floats_at(rnn_.workspace, work_.partials);
    const int64_t rows = rnn_.T * rnn_.B;
    const bool accumulate = (rnn_.flags & FRNN_ACCUMULATE) != 0;
    if (rnn_.cell != FRNN_GRU) {  // both biases meet the same sum, so their gradients are the same
      return column_sums<float, float>(
          queue_, {rows, columns_, da_, partials, db_ih, db_hh, accumulate, nullptr});
    }
    FRNN_TRY(column_sums<float, float>(
        queue_, {rows, columns_, da_, partials, db_ih, nullptr, accumulate}));
    return column_sums<float, float>(
        queue_, {rows, columns_, dah_, partials, db_hh, nullptr, accumulate, nullptr});
  }

  const frnn_rnn& rnn_;
  const ResidentBackwardShape* const resident_;  // null: a kernel and a product per step
  const Queue& queue_;
  BlasSession& blas_;
  const int B_;
  const int H_;
  const int64_t G_;
  const int64_t state_;    // B * H
  const int64_t columns_;  // G * H
  const RnnReserve reserve_;
  const RnnBackwardWorkspace work_;
  float* const da_;   // [T, B, G*H] gradients of W x
  float* const dah_;  // [T, B, G*H] gradients of R h; the same tensor but for GRU
  float* const y_;
  const float* const zeros_;  // [B, H]
};

}  // namespace

Status gpu_rnn_backward(const Queue& queue, GpuBlas& blas, Planner& planner, const frnn_rnn& rnn) {
  FRNN_TRY(gpu_rnn_fits(rnn));
  RnnChoice choice;
  FRNN_TRY(planner.choose(rnn, Pass::kBackward, &choice));
  BlasSession session(blas, queue.context);
  ResidentBackwardShape shape;
  const ResidentBackwardShape* resident = nullptr;
  if (choice.kernel != FRNN_KERNEL_STEP) {
    FRNN_TRY(resident_backward_geometry(rnn, planner.device(), choice.cluster, &shape));
    resident = &shape;
  }
  return is_family(as_trained(rnn)) ? gpu_family_backward(queue, session, rnn, resident)
                                    : Backward(rnn, queue, session, resident).run();
}

}  // namespace frnn
