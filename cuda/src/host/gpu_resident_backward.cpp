#include "host/gpu_resident_backward.h"

#include "host/gpu_family.h"
#include "host/gpu_rnn.h"

namespace frnn {

template <typename Elem>
ResidentBackward<Elem> resident_backward_args(const frnn_rnn& rnn,
                                              const ResidentBackwardShape& shape) {
  const bool lstm = rnn.cell == FRNN_LSTM;
  ResidentBackward<Elem> s{};
  s.shape = shape;
  s.T = static_cast<int>(rnn.T), s.B = static_cast<int>(rnn.B), s.H = static_cast<int>(rnn.H);
  s.reverse = (rnn.flags & FRNN_REVERSE) != 0;
  s.batch_first = (rnn.flags & FRNN_BATCH_FIRST) != 0;
  s.lengths = reinterpret_cast<const int32_t*>(rnn.lengths);
  s.y_ld = rnn.y_ld != 0 ? rnn.y_ld : rnn.H;
  s.w_hh = elements_at<Elem>(rnn.w_hh);
  s.y = elements_at<Elem>(rnn.y), s.h0 = elements_at<Elem>(rnn.h0);
  s.dy = elements_at<Elem>(rnn.dy), s.dhT = elements_at<Elem>(rnn.dhT);
  s.dh0 = elements_at<Elem>(rnn.dh0);
  if (lstm) {
    s.dcT = elements_at<float>(rnn.dcT), s.dc0 = elements_at<float>(rnn.dc0);
    s.variant = lstm_variant_of(rnn), s.blocks = lstm_blocks_of(rnn);
    s.peephole = elements_at<Elem>(rnn.w_peephole);
  }
  s.relu = rnn.cell == FRNN_RNN_RELU;
  return s;
}

template <typename Elem>
Status gpu_resident_backward(const Queue& queue, const frnn_rnn& rnn,
                             const ResidentBackward<Elem>& args) {
  const bool tf32 = (rnn.flags & FRNN_ALLOW_TF32) != 0;
  switch (rnn.cell) {
    case FRNN_LSTM:
      return resident_lstm_backward(queue, args, tf32);
    case FRNN_GRU:
      return resident_gru_backward(queue, args, tf32);
    case FRNN_GRU_RESET_BEFORE:
      return resident_gru_before_backward(queue, args, tf32);
    default:
      return resident_rnn_backward(queue, args, tf32);
  }
}

#define FRNN_INSTANTIATE(Elem)                                                                \
  template ResidentBackward<Elem> resident_backward_args<Elem>(const frnn_rnn&,               \
                                                               const ResidentBackwardShape&); \
  template Status gpu_resident_backward(const Queue&, const frnn_rnn&,                        \
                                        const ResidentBackward<Elem>&)
FRNN_INSTANTIATE(float);
FRNN_INSTANTIATE(machine::Bf16);
FRNN_INSTANTIATE(machine::F16);
#undef FRNN_INSTANTIATE

}  // namespace frnn
