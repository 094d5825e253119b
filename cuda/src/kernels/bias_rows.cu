// y[n, j] = bias[j]: where the matrix product of a linear layer is then added. So a sum in fp32 is
// rounded once when it is stored, also in 16 bits, and no pass over y follows the product.

#include "kernels/elements.h"
#include "kernels/rows.h"

namespace frnn {
namespace {

constexpr int kThreads = 128;
constexpr int kRows = kThreads / machine::kWarp;  // of a block

// Grid: a warp for a row. Bytes moved: an element each, written.
template <typename Elem, int Width>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void bias_rows_kernel(BiasRows<Elem> s) {
  const int64_t n = static_cast<int64_t>(machine::block_index()) * kRows + machine::warp_index();
  if (n >= s.rows) return;
  Elem* const y = s.y + n * s.columns;
  for (int64_t j = machine::lane_index() * Width; j < s.columns; j += machine::kWarp * Width)
    store_run<Width>(y + j, load_run<Width>(s.bias + j));
}

}  // namespace

template <typename Elem>
Status bias_rows(const Queue& queue, const BiasRows<Elem>& s) {
  const bool wide = packs_of_four(s.columns, {s.bias, s.y});
  return queue.context.launch("bias_rows",
                              wide ? bias_rows_kernel<Elem, 4> : bias_rows_kernel<Elem, 1>,
                              {ceil_div(s.rows, kRows), kThreads, 0, false}, queue.stream, s);
}

template Status bias_rows(const Queue&, const BiasRows<float>&);
template Status bias_rows(const Queue&, const BiasRows<machine::Bf16>&);
template Status bias_rows(const Queue&, const BiasRows<machine::F16>&);

}  // namespace frnn
