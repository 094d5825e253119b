// What stands around a recurrent net on a gpu: arguments of the door to launches and products.

#include "host/gpu_device.h"
#include "host/gpu_layout.h"
#include "host/gpu_limits.h"
#include "host/gpu_rnn.h"
#include "kernels/column_sums.h"
#include "kernels/rows.h"

namespace frnn {
namespace {

Status linear_fits(const frnn_linear& linear) {
  FRNN_TRY(below_2_31("linear.N", linear.N));
  FRNN_TRY(below_2_31("linear.I", linear.I));
  return below_2_31("linear.O", linear.O);
}

BlasSetup blas_setup(const frnn_linear& linear, const LinearWorkspace& work) {
  return {linear.stream, linear.blas, linear.workspace + work.blas, work.blas_bytes,
          (linear.flags & FRNN_ALLOW_TF32) != 0};
}

const int32_t* ids_at(int64_t address) {
  return reinterpret_cast<const int32_t*>(address);
}

}  // namespace

Status GpuDevice::linear_forward(const frnn_linear& linear) {
  FRNN_TRY(linear_fits(linear));
  BlasSession session(blas_, *context_);
  FRNN_TRY(session.begin(blas_setup(linear, linear_workspace(linear))));
  FRNN_TRY(session.multiply(linear.N, linear.O, linear.I, {floats_at(linear.x), linear.I},
                            {floats_at(linear.w), linear.I, true}, 0.0f, floats_at(linear.y),
                            linear.O));
  FRNN_TRY(session.end());
  if (linear.b == 0) return Status::success();
  return add_bias_rows({*context_, linear.stream},
                       {linear.N, linear.O, floats_at(linear.b), floats_at(linear.y)});
}

Status GpuDevice::linear_backward(const frnn_linear& linear) {
  FRNN_TRY(linear_fits(linear));
  const LinearWorkspace work = linear_workspace(linear);
  const bool accumulate = (linear.flags & FRNN_ACCUMULATE) != 0;
  const float* const dy = floats_at(linear.dy);
  BlasSession session(blas_, *context_);
  FRNN_TRY(session.begin(blas_setup(linear, work)));
  if (linear.dx != 0) {
    FRNN_TRY(session.multiply(linear.N, linear.I, linear.O, {dy, linear.O},
                              {floats_at(linear.w), linear.I}, 0.0f, floats_at(linear.dx),
                              linear.I));
  }
  if (linear.dw != 0) {
    FRNN_TRY(session.multiply(linear.O, linear.I, linear.N, {dy, linear.O, true},
                              {floats_at(linear.x), linear.I}, accumulate ? 1.0f : 0.0f,
                              floats_at(linear.dw), linear.I));
  }
  FRNN_TRY(session.end());
  return column_sums<float, float>(
      {*context_, linear.stream},
      {linear.N, linear.O, dy, floats_at(linear.workspace, work.partials),
       optional_at(linear.db, 0), nullptr, accumulate, nullptr});
}

Status GpuDevice::embedding_forward(const frnn_embedding& e) {
  FRNN_TRY(below_2_31("embedding.N", e.N));
  return frnn::embedding_forward(
      {*context_, e.stream}, {e.N, e.V, e.E, ids_at(e.ids), floats_at(e.table), floats_at(e.y)});
}

Status GpuDevice::embedding_backward(const frnn_embedding& e) {
  FRNN_TRY(below_2_31("embedding.N", e.N));
  FRNN_TRY(below_2_31("embedding.V", e.V));
  return frnn::embedding_backward(
      {*context_, e.stream}, {e.N, e.V, e.E, ids_at(e.ids), floats_at(e.dy), floats_at(e.dtable),
                              (e.flags & FRNN_ACCUMULATE) != 0});
}

Status GpuDevice::softmax_xent_forward_backward(const frnn_softmax_xent& x) {
  FRNN_TRY(below_2_31("softmax_xent.N", x.N));
  return softmax_xent(
      {*context_, x.stream},
      {x.N, x.V, floats_at(x.logits), ids_at(x.targets), x.ignore_index,
       static_cast<float>(x.scale), optional_at(x.dlogits, 0),
       reinterpret_cast<frnn_loss_result*>(x.result), reinterpret_cast<double*>(x.workspace)});
}

}  // namespace frnn
