// Embedding: y[n] = table[ids[n]]. An id outside [0, V) gives a row of NaN.

#include <cmath>

#include "kernels/elements.h"
#include "kernels/rows.h"

namespace frnn {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / machine::kWarp;

// Grid: a warp for a row. Bytes moved: an element each, read and written.
template <typename Elem, int Width>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void gather_kernel(EmbeddingForward<Elem> s) {
  const int64_t n = static_cast<int64_t>(machine::block_index()) * kWarps + machine::warp_index();
  if (n >= s.N) return;
  const int64_t id = s.ids[n];
  const bool known = id >= 0 && id < s.V;
  const Elem* const row = s.table + (known ? id : 0) * s.E;
  Elem* const y = s.y + n * s.E;
  Run<Elem, Width> unknown;
  for (Elem& element : unknown.v)
    element = machine::narrow<Elem>(NAN);
  for (int64_t e = machine::lane_index() * Width; e < s.E; e += machine::kWarp * Width)
    store_run<Width>(y + e, known ? load_run<Width>(row + e) : unknown);
}

}  // namespace

template <typename Elem>
Status embedding_forward(const Queue& queue, const EmbeddingForward<Elem>& s) {
  const bool wide = packs_of_four(s.E, {s.table, s.y});
  return queue.context.launch("embedding_gather",
                              wide ? gather_kernel<Elem, 4> : gather_kernel<Elem, 1>,
                              {ceil_div(s.N, kWarps), kThreads, 0, false}, queue.stream, s);
}

template Status embedding_forward(const Queue&, const EmbeddingForward<float>&);
template Status embedding_forward(const Queue&, const EmbeddingForward<machine::Bf16>&);
template Status embedding_forward(const Queue&, const EmbeddingForward<machine::F16>&);

}  // namespace frnn
