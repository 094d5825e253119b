// What stands around a recurrent net on a gpu: arguments of the door to launches and products.

#include "host/carver.h"
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
double* doubles_at(int64_t address) {
  return reinterpret_cast<double*>(address);
}
frnn_loss_result* result_at(int64_t address) {
  return reinterpret_cast<frnn_loss_result*>(address);
}

// Of any call that makes a gradient of a loss.
template <typename Loss>
LossFactor factor_of(const Loss& loss) {
  return {loss.scale, doubles_at(loss.loss_scale), (loss.flags & FRNN_MEAN) != 0};
}

template <typename Elem>
Status linear_gradients(BlasSession& session, const frnn_linear& linear) {
  const Operand dy = {elements_at<Elem>(linear.dy), linear.O};
  if (linear.dx != 0) {
    FRNN_TRY(session.multiply(linear.N, linear.I, linear.O, dy,
                              {elements_at<Elem>(linear.w), linear.I}, 0.0f,
                              elements_at<Elem>(linear.dx), linear.I));
  }
  if (linear.dw == 0) return Status::success();
  const float beta = (linear.flags & FRNN_ACCUMULATE) != 0 ? 1.0f : 0.0f;
  return session.multiply(
      linear.O, linear.I, linear.N, {elements_at<Elem>(linear.dy), linear.O, true},
      {elements_at<Elem>(linear.x), linear.I}, beta, elements_at<Elem>(linear.dw), linear.I);
}

}  // namespace

Status GpuDevice::linear_forward(const frnn_linear& linear) {
  FRNN_TRY(linear_fits(linear));
  return for_element(linear.dtype, [&](auto elem) -> Status {
    using Elem = decltype(elem);
    Elem* const y = elements_at<Elem>(linear.y);
    if (linear.b != 0) {
      FRNN_TRY(bias_rows<Elem>({*context_, linear.stream},
                               {linear.N, linear.O, elements_at<Elem>(linear.b), y}));
    }
    BlasSession session(blas_, *context_);
    FRNN_TRY(session.begin(blas_setup(linear, linear_workspace(linear))));
    FRNN_TRY(session.multiply(linear.N, linear.O, linear.I, {elements_at<Elem>(linear.x), linear.I},
                              {elements_at<Elem>(linear.w), linear.I, true},
                              linear.b != 0 ? 1.0f : 0.0f, y, linear.O));
    return session.end();
  });
}

Status GpuDevice::linear_backward(const frnn_linear& linear) {
  FRNN_TRY(linear_fits(linear));
  const LinearWorkspace work = linear_workspace(linear);
  return for_element(linear.dtype, [&](auto elem) -> Status {
    using Elem = decltype(elem);
    BlasSession session(blas_, *context_);
    FRNN_TRY(session.begin(blas_setup(linear, work)));
    FRNN_TRY(linear_gradients<Elem>(session, linear));
    FRNN_TRY(session.end());
    return column_sums<Elem, Elem>(
        {*context_, linear.stream},
        {linear.N, linear.O, elements_at<Elem>(linear.dy),
         floats_at(linear.workspace, work.partials), elements_at<Elem>(linear.db), nullptr,
         (linear.flags & FRNN_ACCUMULATE) != 0, nullptr});
  });
}

Status GpuDevice::embedding_forward(const frnn_embedding& e) {
  FRNN_TRY(below_2_31("embedding.N", e.N));
  return for_element(e.dtype, [&](auto elem) {
    using Elem = decltype(elem);
    return frnn::embedding_forward<Elem>(
        {*context_, e.stream},
        {e.N, e.V, e.E, ids_at(e.ids), elements_at<Elem>(e.table), elements_at<Elem>(e.y)});
  });
}

Status GpuDevice::embedding_backward(const frnn_embedding& e) {
  FRNN_TRY(below_2_31("embedding.N", e.N));
  FRNN_TRY(below_2_31("embedding.V", e.V));
  const EmbeddingWorkspace work = embedding_workspace(Carver(e.workspace), e.N, e.E);
  return for_element(e.dtype, [&](auto elem) {
    using Elem = decltype(elem);
    return frnn::embedding_backward<Elem>(
        {*context_, e.stream},
        {e.N, e.V, e.E, ids_at(e.ids), elements_at<Elem>(e.dy), elements_at<Elem>(e.dtable),
         (e.flags & FRNN_ACCUMULATE) != 0, work});
  });
}

Status GpuDevice::softmax_xent_forward_backward(const frnn_softmax_xent& x) {
  FRNN_TRY(below_2_31("softmax_xent.N", x.N));
  return for_element(x.dtype, [&](auto elem) {
    using Elem = decltype(elem);
    return softmax_xent<Elem>(
        {*context_, x.stream},
        {x.N, x.V, elements_at<Elem>(x.logits), ids_at(x.targets), x.ignore_index,
         x.label_smoothing, factor_of(x), elements_at<Elem>(x.dlogits), result_at(x.result),
         doubles_at(x.workspace)});
  });
}

Status GpuDevice::mse_forward_backward(const frnn_mse& m) {
  FRNN_TRY(below_2_31("mse.N * mse.F / 1024", m.N * m.F / 1024));
  return for_element(m.dtype, [&](auto elem) {
    using Elem = decltype(elem);
    return mse<Elem>(
        {*context_, m.stream},
        {m.N, m.F, elements_at<Elem>(m.y), elements_at<Elem>(m.targets), floats_at(m.weights),
         factor_of(m), elements_at<Elem>(m.dy), result_at(m.result), doubles_at(m.workspace)});
  });
}

Status GpuDevice::sample(const frnn_sample& s) {
  FRNN_TRY(below_2_31("sample.N", s.N));
  return for_element(s.dtype, [&](auto elem) {
    using Elem = decltype(elem);
    return sample_rows<Elem>(
        {*context_, s.stream},
        {s.N, s.V, elements_at<Elem>(s.logits), elements_at<int32_t>(s.ids),
         static_cast<float>(s.temperature), s.top_k, s.top_p, static_cast<uint64_t>(s.seed),
         static_cast<uint64_t>(s.offset), elements_at<int64_t>(s.offset_address)});
  });
}

}  // namespace frnn
