// y[n, j] += bias[j]: the bias of a linear layer, after its matrix product.

#include "kernels/pack.h"
#include "kernels/rows.h"

namespace frnn {
namespace {

constexpr int kThreads = 128;
constexpr int kRows = kThreads / machine::kWarp;  // of a block

// Grid: a warp for a row. Bytes moved: 8 per element.
template <int Width>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void bias_rows_kernel(BiasRows s) {
  const int64_t n = static_cast<int64_t>(machine::block_index()) * kRows + machine::warp_index();
  if (n >= s.rows) return;
  float* const y = s.y + n * s.columns;
  for (int64_t j = machine::lane_index() * Width; j < s.columns; j += machine::kWarp * Width) {
    store(y + j, load<Width>(y + j) + load<Width>(s.bias + j));
  }
}

}  // namespace

Status add_bias_rows(const Queue& queue, const BiasRows& s) {
  const bool wide = packs_of_four(s.columns, {s.bias, s.y});
  return queue.context.launch("bias_rows", wide ? bias_rows_kernel<4> : bias_rows_kernel<1>,
                              {ceil_div(s.rows, kRows), kThreads, 0, false}, queue.stream, s);
}

}  // namespace frnn
