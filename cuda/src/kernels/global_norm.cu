// Clipping by the global norm (Pascanu, Mikolov and Bengio 2013) over one list of a chunk table.
//
//   norm = sqrt(sum of g^2 over all tensors)     coefficient = norm <= max_norm ? 1 : max_norm /
//   norm
//
// Three kernels: one slot per chunk; the slots to the result; and, where asked, g *= coefficient in
// place, or each element clamped to [-max_norm, max_norm] instead. Nothing goes to the host. Every
// element is summed in an order fixed by the lengths alone: fp32 inside a thread, double across
// threads and chunks.

#include <cmath>

#include "kernels/chunk.h"
#include "kernels/reduce.h"
#include "kernels/tables.h"

namespace frnn {
namespace {

constexpr int kThreads = 1024;  // a chunk is 8 quads of each
constexpr int kTotalThreads = 256;
constexpr int kScaleThreads = 256;
constexpr int kScaleParts = 8;  // blocks that share a chunk: elementwise, so any number will do

// Squares of numbers in this range neither overflow fp32 in a sum over a thread nor lose bits to
// underflow that matter beside the largest.
constexpr float kLargestPlain = 1e17f;
constexpr float kSmallestPlain = 1e-15f;

template <typename Sum>
FRNN_DEVICE Sum sum_of_squares(const float* elements, int length, float* largest) {
  Sum sum = 0;
  float peak = 0.0f;
  for (int begin = machine::thread_index() * kQuad; begin < length; begin += kThreads * kQuad) {
    float g[kQuad];
    load_quad(elements, begin, length, g);
    FRNN_UNROLL
    for (int k = 0; k < kQuad; ++k) {
      peak = fabsf(g[k]) > peak ? fabsf(g[k]) : peak;  // NaN is passed over; it shows in the sum
      sum += static_cast<Sum>(g[k]) * static_cast<Sum>(g[k]);
    }
  }
  *largest = peak;
  return sum;
}

// Grid: one block for a chunk. Bytes moved: 4 per element, read once. A thread whose numbers are so
// large or small that fp32 squares would not do takes its sum again in double: so the norm is
// finite if and only if every element is.
FRNN_KERNEL_BOUNDS(kThreads, 1) void slots_kernel(GlobalNorm n) {
  FRNN_SHARED(scratch, double[kThreads / machine::kWarp]);
  const Chunk chunk = chunk_at(n.table, machine::block_index());
  const float* elements = chunk_elements(n.table, chunk, n.list);
  const int length = static_cast<int>(chunk.length);
  float largest = 0.0f;
  const float plain = sum_of_squares<float>(elements, length, &largest);
  double sum = plain;
  if (largest > kLargestPlain || (largest < kSmallestPlain && largest > 0.0f)) {
    sum = sum_of_squares<double>(elements, length, &largest);
  }
  sum = block_sum<kThreads>(sum, scratch);
  if (machine::thread_index() == 0) n.slots[machine::block_index()] = sum;
}

// Grid: one block. Thread k adds slots k, k + 256, ...; then the block adds its threads.
FRNN_KERNEL_BOUNDS(kTotalThreads, 1) void result_kernel(GlobalNorm n) {
  FRNN_SHARED(scratch, double[kTotalThreads / machine::kWarp]);
  double sum = 0.0;
  for (int64_t k = machine::thread_index(); k < n.chunks; k += kTotalThreads)
    sum += n.slots[k];
  sum = block_sum<kTotalThreads>(sum, scratch);
  if (machine::thread_index() != 0) return;
  const double norm = ::sqrt(sum);
  n.result->norm = norm;
  const bool keeps = norm <= n.max_norm || n.action == FRNN_CLAMP_ELEMENTS;
  n.result->coefficient = keeps ? 1.0 : n.max_norm / norm;
  n.result->finite = sum - sum == 0.0 ? 1 : 0;  // NaN for NaN and for infinity
}

// g = change(g) over this block's part of its chunk.
template <typename Change>
FRNN_DEVICE void change_elements(const GlobalNorm& n, Change change) {
  const Chunk chunk = chunk_at(n.table, machine::block_index() / kScaleParts);
  float* elements = chunk_elements(n.table, chunk, n.list);
  const int length = static_cast<int>(chunk.length);
  const int part = machine::block_index() % kScaleParts * kScaleThreads;
  for (int begin = (part + machine::thread_index()) * kQuad; begin < length;
       begin += kScaleParts * kScaleThreads * kQuad) {
    float g[kQuad];
    load_quad(elements, begin, length, g);
    FRNN_UNROLL
    for (int k = 0; k < kQuad; ++k)
      g[k] = change(g[k]);
    store_quad(elements, begin, length, g);
  }
}

// Grid: kScaleParts blocks for a chunk. Bytes moved: none where the coefficient is 1, else 8 per
// element.
FRNN_KERNEL_BOUNDS(kScaleThreads, 1) void scale_kernel(GlobalNorm n) {
  const float coefficient = static_cast<float>(n.result->coefficient);
  if (coefficient == 1.0f) return;
  change_elements(n, [=](float g) { return g * coefficient; });
}

// Grid: as above. Bytes moved: 8 per element. NaN fails both comparisons and stays.
FRNN_KERNEL_BOUNDS(kScaleThreads, 1) void clamp_kernel(GlobalNorm n) {
  const float limit = static_cast<float>(n.max_norm);
  change_elements(n, [=](float g) { return g > limit ? limit : g < -limit ? -limit : g; });
}

}  // namespace

Status clip_by_global_norm(const Queue& queue, const GlobalNorm& norm) {
  FRNN_TRY(queue.context.launch("global_norm_slots", slots_kernel,
                                {norm.chunks, kThreads, 0, false}, queue.stream, norm));
  FRNN_TRY(queue.context.launch("global_norm_result", result_kernel, {1, kTotalThreads, 0, false},
                                queue.stream, norm));
  const machine::Grid grid = {norm.chunks * kScaleParts, kScaleThreads, 0, false};
  switch (norm.action) {
    case FRNN_SCALE:
      return queue.context.launch("global_norm_scale", scale_kernel, grid, queue.stream, norm);
    case FRNN_CLAMP_ELEMENTS:
      return queue.context.launch("global_norm_clamp", clamp_kernel, grid, queue.stream, norm);
    default:
      return Status::success();
  }
}

}  // namespace frnn
