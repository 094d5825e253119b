// What the kernels of losses share.

#ifndef FUSEDRNN_SRC_KERNELS_LOSS_H_
#define FUSEDRNN_SRC_KERNELS_LOSS_H_

#include "kernels/reduce.h"
#include "kernels/rows.h"

namespace frnn {

constexpr int kTotalThreads = 1024;  // of the one block that adds rows up

// What a gradient is multiplied with; where no row counts there is no gradient either.
FRNN_DEVICE double factor_of(const LossFactor& f, const frnn_loss_result* result) {
  double factor = f.scale;
  if (f.loss_scale != nullptr) factor *= *f.loss_scale;
  if (!f.mean) return factor;
  return result->rows == 0 ? 0.0 : factor / static_cast<double>(result->rows);
}

// The sum of what thread k finds at k, k + 1024, ..., in a fixed order; of one block.
template <typename V, typename At>
FRNN_DEVICE V total_of(int64_t count, V (&scratch)[kTotalThreads / machine::kWarp], At at) {
  V sum = 0;
  for (int64_t k = machine::thread_index(); k < count; k += kTotalThreads)
    sum += at(k);
  return block_sum<kTotalThreads>(sum, scratch);
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_LOSS_H_
