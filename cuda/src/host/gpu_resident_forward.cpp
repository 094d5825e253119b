#include <algorithm>

#include "host/gpu_family.h"
#include "host/gpu_layout.h"
#include "host/gpu_resident.h"
#include "host/gpu_rnn.h"
#include "host/plan.h"
#include "kernels/resident.h"

namespace frnn {
namespace {

template <typename Elem>
class ResidentForwardCall {
 public:
  ResidentForwardCall(const frnn_rnn& rnn, const Queue& queue, BlasSession& blas,
                      const ResidentGeometry& geometry)
      : rnn_(rnn),
        queue_(queue),
        blas_(blas),
        training_((rnn.flags & FRNN_TRAINING) != 0),
        columns_(gates_of(rnn.cell, rnn.variant) * rnn.H),
        launch_({geometry.rounds, geometry.product == ResidentProduct::kTf32, geometry.blocks()}) {
    s_.shape = geometry.shape;
    s_.rows = {static_cast<int>(rnn.T),
               static_cast<int>(rnn.B),
               static_cast<int>(rnn.H),
               0,
               static_cast<int>(rnn.T),
               (rnn.flags & FRNN_REVERSE) != 0,
               (rnn.flags & FRNN_BATCH_FIRST) != 0,
               reinterpret_cast<const int32_t*>(rnn.lengths)};
    s_.variant = lstm_variant_of(rnn);
    s_.blocks = lstm_blocks_of(rnn);
    s_.columns = static_cast<int>(columns_);
    s_.relu = rnn.cell == FRNN_RNN_RELU;
    s_.w_hh = elements_at<Elem>(rnn.w_hh);
    s_.b_ih = elements_at<Elem>(rnn.b_ih), s_.b_hh = elements_at<Elem>(rnn.b_hh);
    s_.peephole = elements_at<Elem>(rnn.w_peephole);
    s_.h0 = elements_at<Elem>(rnn.h0), s_.c0 = elements_at<float>(rnn.c0);
    s_.y = elements_at<Elem>(rnn.y);
    s_.y_ld = static_cast<int>(rnn.y_ld != 0 ? rnn.y_ld : rnn.H);
    s_.h_last = elements_at<Elem>(rnn.hT), s_.c_last = elements_at<float>(rnn.cT);
  }

  Status run() {
    if (is_family(rnn_)) return whole_sequence();
    return in_chunks();
  }

 private:
  Status begin_blas(int64_t offset, int64_t bytes) {
    return blas_.begin({rnn_.stream, rnn_.blas, rnn_.workspace + offset, bytes,
                        (rnn_.flags & FRNN_ALLOW_TF32) != 0});
  }

  // W x of `rows` rows from row `first` on.
  Status input_product(int64_t first, int64_t rows, float* out) {
    const int64_t x_ld = rnn_.x_ld != 0 ? rnn_.x_ld : rnn_.I;
    return blas_.multiply(rows, columns_, rnn_.I, {elements_at<Elem>(rnn_.x) + first * x_ld, x_ld},
                          {elements_at<Elem>(rnn_.w_ih), rnn_.I, true}, 0.0f, out, columns_);
  }

  // The family's layouts: rows in x's order.
  Status whole_sequence() {
    const FamilyReserve reserve = family_reserve(rnn_);
    const FamilyForwardWorkspace work = family_forward_workspace(rnn_);
    float* const gates =
        training_ ? floats_at(rnn_.reserve, reserve.gates) : floats_at(rnn_.workspace, work.gates);
    s_.ax = gates;
    if (training_) {
      s_.gates = gates;
      if (rnn_.cell == FRNN_LSTM) s_.c_before = floats_at(rnn_.reserve, reserve.c_prev);
      if (rnn_.cell == FRNN_GRU) s_.ah_n = floats_at(rnn_.reserve, reserve.ah_n);
    }
    FRNN_TRY(begin_blas(work.blas, work.blas_bytes));
    FRNN_TRY(input_product(0, rnn_.T * rnn_.B, gates));
    FRNN_TRY(blas_.end());
    return launch();
  }

  // The plain layouts: dense, time-first. W x is computed for runs of steps, one launch for each;
  // what a run leaves behind, h in y and c in memory, the next begins with.
  Status in_chunks() {
    const RnnReserve reserve = rnn_reserve(rnn_);
    const RnnForwardWorkspace work = rnn_forward_workspace(rnn_);
    const int64_t state = rnn_.B * rnn_.H;
    const bool lstm = rnn_.cell == FRNN_LSTM, keeps_gates = training_ && columns_ > rnn_.H;
    float* const gates = keeps_gates ? floats_at(rnn_.reserve, reserve.gates)
                                     : floats_at(rnn_.workspace, work.gates);
    if (keeps_gates) s_.gates = gates;
    if (training_ && lstm) s_.c_after = floats_at(rnn_.reserve, reserve.c);
    if (training_ && rnn_.cell == FRNN_GRU) s_.ah_n = floats_at(rnn_.reserve, reserve.ah_n);
    if (training_ && rnn_.cell == FRNN_GRU_RESET_BEFORE) {
      s_.rh = floats_at(rnn_.reserve, reserve.rh);
    }
    for (int64_t begin = 0; begin < rnn_.T; begin += work.chunk_steps) {
      const int64_t end = std::min(begin + work.chunk_steps, rnn_.T);
      FRNN_TRY(begin_blas(work.blas, work.blas_bytes));
      FRNN_TRY(input_product(begin * rnn_.B, (end - begin) * rnn_.B, gates));
      FRNN_TRY(blas_.end());
      s_.rows.first_step = static_cast<int>(begin), s_.rows.end_step = static_cast<int>(end);
      s_.ax = floats_at(reinterpret_cast<int64_t>(gates), -4 * begin * rnn_.B * columns_);
      const bool last = end == rnn_.T;
      if (begin > 0) s_.h0 = s_.y + (begin - 1) * state;
      if (begin > 0 && lstm) s_.c0 = floats_at(rnn_.workspace, work.c);
      s_.h_last = last ? elements_at<Elem>(rnn_.hT) : nullptr;
      s_.c_last = last ? floats_at(rnn_.cT) : lstm ? floats_at(rnn_.workspace, work.c) : nullptr;
      FRNN_TRY(launch());
    }
    return Status::success();
  }

  Status launch() const {
    switch (rnn_.cell) {
      case FRNN_LSTM:
        return resident_forward_lstm(queue_, launch_, s_);
      case FRNN_GRU:
        return resident_forward_gru(queue_, launch_, s_);
      case FRNN_GRU_RESET_BEFORE:
        return resident_forward_gru_before(queue_, launch_, s_);
      default:
        return resident_forward_rnn(queue_, launch_, s_);
    }
  }

  const frnn_rnn& rnn_;
  const Queue& queue_;
  BlasSession& blas_;
  const bool training_;
  const int64_t columns_;  // G * H
  const ResidentLaunch launch_;
  ResidentForward<Elem> s_{};
};

}  // namespace

Status gpu_resident_forward(const Queue& queue, BlasSession& blas, const frnn_rnn& rnn,
                            const ResidentGeometry& geometry) {
  return for_element(rnn.dtype, [&](auto elem) {
    return ResidentForwardCall<decltype(elem)>(rnn, queue, blas, geometry).run();
  });
}

}  // namespace frnn
