// Masks between layers on a gpu: arguments of the door to launches.

#include "host/gpu_device.h"
#include "host/gpu_limits.h"
#include "host/gpu_rnn.h"
#include "kernels/sequence.h"

namespace frnn {

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
