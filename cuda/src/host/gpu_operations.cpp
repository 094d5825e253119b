// Lists of tensors and masks on a gpu: arguments of the door to launches.

#include <cmath>

#include "host/gpu_device.h"
#include "host/gpu_limits.h"
#include "host/gpu_rnn.h"
#include "kernels/sequence.h"
#include "kernels/tables.h"

namespace frnn {
namespace {

UpdateRates<float> rates_of(const frnn_optimizer& o) {
  const double step = static_cast<double>(o.step);
  const bool adam = o.kind == FRNN_ADAM;
  const double bias1 = adam ? 1.0 - std::pow(o.beta1, step) : 1.0;
  const double bias2 = adam ? 1.0 - std::pow(o.beta2, step) : 1.0;
  return {static_cast<float>(o.learning_rate / bias1),
          static_cast<float>(o.weight_decay),
          static_cast<float>(o.beta1),
          static_cast<float>(o.beta2),
          static_cast<float>(1.0 - o.beta1),
          static_cast<float>(1.0 - o.beta2),
          static_cast<float>(1.0 / bias2),
          static_cast<float>(o.epsilon)};
}

const frnn_clip_result* clip_result(int64_t address) {
  return reinterpret_cast<const frnn_clip_result*>(address);
}

}  // namespace

Status GpuDevice::clip_by_global_norm(const frnn_clip& clip) {
  FRNN_TRY(below_2_31("clip.chunks * 8", clip.chunks * 8));
  return frnn::clip_by_global_norm(
      {*context_, clip.stream},
      {reinterpret_cast<const void*>(clip.table), clip.chunks, static_cast<int>(clip.list),
       static_cast<frnn_clip_action>(clip.action), clip.max_norm,
       reinterpret_cast<frnn_clip_result*>(clip.result),
       reinterpret_cast<double*>(clip.workspace)});
}

Status GpuDevice::optimizer_step(const frnn_optimizer& o) {
  FRNN_TRY(below_2_31("optimizer.chunks * 8", o.chunks * 8));
  return frnn::optimizer_step(
      {*context_, o.stream}, {o.kind, reinterpret_cast<const void*>(o.table), o.chunks, rates_of(o),
                              clip_result(o.clip), (o.flags & FRNN_SKIP_NONFINITE) != 0});
}

Status GpuDevice::mask_add(const MaskAdd& what) {
  FRNN_TRY(below_2_31("T * B", what.T * what.B));
  const Mask mask = what.p > 0 ? make_mask(what.p, what.source, kDropout) : Mask{};
  return for_element(what.dtype, [&](auto elem) {
    using Elem = decltype(elem);
    return masked_sum<Elem>(
        {*context_, what.stream},
        {what.T, what.B, what.F, what.batch_first != 0, elements_at<Elem>(what.a),
         elements_at<Elem>(what.b), elements_at<Elem>(what.out), mask});
  });
}

}  // namespace frnn
