#include "host/empty.h"

#include "host/plan.h"

namespace frnn {
namespace {

// target = source, or zero where there is no source. A target of 0 or of no bytes is left out.
Status carry(Device& device, int64_t target, int64_t source, int64_t bytes, int64_t stream) {
  if (target == 0 || target == source || bytes == 0) return Status::success();
  if (source == 0) return device.fill(target, 0, bytes, stream);
  return device.copy(target, source, bytes, FRNN_DEVICE_TO_DEVICE, stream);
}

Status clear(Device& device, int64_t target, int64_t bytes, int64_t flags, int64_t stream) {
  if ((flags & FRNN_ACCUMULATE) != 0) return Status::success();
  return carry(device, target, 0, bytes, stream);
}

}  // namespace

Status empty_rnn_forward(Device& device, const frnn_rnn& rnn) {
  const int64_t h_bytes = rnn.B * width_of(rnn.H, rnn.P) * bytes_of(rnn.dtype);
  const int64_t c_bytes = rnn.B * rnn.H * state_bytes_of(rnn.dtype);
  FRNN_TRY(carry(device, rnn.hT, rnn.h0, h_bytes, rnn.stream));
  return carry(device, rnn.cT, rnn.c0, c_bytes, rnn.stream);
}

Status empty_rnn_backward(Device& device, const frnn_rnn& rnn) {
  const int64_t element = bytes_of(rnn.dtype);
  const int64_t W = width_of(rnn.H, rnn.P);
  const int64_t rows = gates_of(rnn.cell, rnn.variant) * rnn.H;
  const int64_t recurrent_rows = recurrent_gates_of(rnn.cell, rnn.variant) * rnn.H;
  FRNN_TRY(carry(device, rnn.dh0, rnn.dhT, rnn.B * W * element, rnn.stream));
  const int64_t c_bytes = rnn.B * rnn.H * state_bytes_of(rnn.dtype);
  FRNN_TRY(carry(device, rnn.dc0, rnn.dcT, c_bytes, rnn.stream));
  const struct {
    int64_t address, elements;
  } gradients[] = {{rnn.dw_ih, rows * rnn.I}, {rnn.dw_hh, recurrent_rows * W},
                   {rnn.db_ih, rows},         {rnn.db_hh, recurrent_rows},
                   {rnn.dw_hr, W * rnn.H},    {rnn.dw_peephole, peepholes_of(rnn.variant) * rnn.H},
                   {rnn.dnorm_ih, rows},      {rnn.dnorm_hh, rows},
                   {rnn.dnorm_c, rnn.H},      {rnn.dnorm_c_bias, rnn.H}};
  for (const auto& gradient : gradients) {
    FRNN_TRY(clear(device, gradient.address, gradient.elements * element, rnn.flags, rnn.stream));
  }
  return Status::success();
}

Status empty_linear_backward(Device& device, const frnn_linear& linear) {
  const int64_t element = bytes_of(linear.dtype);
  FRNN_TRY(clear(device, linear.dw, linear.O * linear.I * element, linear.flags, linear.stream));
  return clear(device, linear.db, linear.O * element, linear.flags, linear.stream);
}

Status empty_embedding_backward(Device& device, const frnn_embedding& embedding) {
  return clear(device, embedding.dtable, embedding.V * embedding.E * bytes_of(embedding.dtype),
               embedding.flags, embedding.stream);
}

Status empty_loss(Device& device, int64_t result, int64_t stream) {
  return device.fill(result, 0, sizeof(frnn_loss_result), stream);
}

}  // namespace frnn
