// The norm of one list of a chunk table, over all its tensors (Pascanu, Mikolov and Bengio 2013) or
// over each of them, and clipping by it.
//
// One slot per chunk; the slots to the results; and, where asked, the list itself changed. Nothing
// goes to the host. Every element is read once and summed in an order fixed by the lengths alone:
// fp32 inside a thread, double across threads and chunks. What the results say: host/step.h.

#include <cmath>

#include "host/step.h"
#include "kernels/chunk.h"
#include "kernels/reduce.h"
#include "kernels/tables.h"

namespace frnn {
namespace {

constexpr int kThreads = 1024;  // a chunk is 8 quads of each
constexpr int kTensorThreads = 256;
constexpr int kScaleThreads = 256;
constexpr int kScaleParts = 8;  // blocks that share a chunk: elementwise, so any number will do

// Numbers in this range, and their squares, neither overflow fp32 in a sum over a thread nor lose
// bits to underflow that matter beside the largest.
constexpr float kLargestPlain = 1e17f;
constexpr float kSmallestPlain = 1e-15f;

struct Slot {
  double value;    // sum of squares, sum of magnitudes or largest magnitude
  int64_t finite;  // 0 where an element was NaN or infinite
};

struct Add {
  FRNN_DEVICE double operator()(double a, double b) const { return a + b; }
};
struct Larger {  // NaN, which is larger than infinity as bits, stays
  FRNN_DEVICE double operator()(double a, double b) const { return !(a <= b) && b == b ? a : b; }
};

// What a thread makes of its elements: their sum, or for the largest magnitude that.
template <int64_t kNorm, typename Sum>
FRNN_DEVICE Sum part_of(const Elements& elements, float infinite, uint32_t* peak) {
  Sum sum = 0;
  uint32_t top = 0, raw = 0;
  for (int begin = machine::thread_index() * kQuad; begin < elements.length;
       begin += kThreads * kQuad) {
    float g[kQuad];
    load_quad(elements, begin, g);
    FRNN_UNROLL
    for (int k = 0; k < kQuad; ++k) {
      const uint32_t bits = magnitude_bits(g[k]);
      raw = bits > raw ? bits : raw;
      const Sum x = static_cast<Sum>(finite_gradient(g[k], infinite));
      if constexpr (kNorm == FRNN_L2) sum += x * x;
      if constexpr (kNorm == FRNN_L1) sum += x < 0 ? -x : x;
      if constexpr (kNorm == FRNN_INFINITY) {
        const uint32_t kept = magnitude_bits(static_cast<float>(x));
        top = kept > top ? kept : top;
      }
    }
  }
  *peak = raw;
  if constexpr (kNorm == FRNN_INFINITY) return static_cast<Sum>(machine::float_of(top));
  return sum;
}

// Grid: one block for a chunk. Bytes moved: each element, read once. A thread whose numbers are so
// large or small that fp32 would not do takes its sum again in double: so the norm is finite if and
// only if every element is.
template <int64_t kNorm>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void slots_kernel(frnn_clip c) {
  FRNN_SHARED(scratch, double[kThreads / machine::kWarp]);
  const void* const table = reinterpret_cast<const void*>(c.table);
  Slot* const slot = reinterpret_cast<Slot*>(c.workspace) + machine::block_index();
  if (!table_fits(table, c.layout, c.chunks)) {
    if (machine::thread_index() == 0) *slot = {static_cast<double>(NAN), 0};
    return;
  }
  const Elements elements = chunk_elements(table, chunk_at(table, machine::block_index()), c.list);
  const float infinite = static_cast<float>(infinite_of(c));
  uint32_t peak = 0;
  double value = part_of<kNorm, float>(elements, infinite, &peak);
  if constexpr (kNorm != FRNN_INFINITY) {
    const bool plain = peak <= machine::bits_of(kLargestPlain) &&
                       (peak >= machine::bits_of(kSmallestPlain) || peak == 0);
    if (!plain) value = part_of<kNorm, double>(elements, infinite, &peak);
    value = block_reduce<kThreads>(value, scratch, Add());
  } else {
    value = block_reduce<kThreads>(value, scratch, Larger());
  }
  const bool found = machine::sync_block_or(peak >= kInfinityBits);
  if (machine::thread_index() == 0) *slot = {value, found ? 0 : 1};
}

// The value and finiteness of slots first, first + stride, .. below last, as one thread takes them.
template <typename Combine>
FRNN_DEVICE Slot collect(const frnn_clip& c, int64_t first, int64_t last, int stride,
                         Combine combine) {
  const Slot* const slots = reinterpret_cast<const Slot*>(c.workspace);
  Slot all = {0.0, 1};
  for (int64_t k = first; k < last; k += stride) {
    all.value = combine(all.value, slots[k].value);
    all.finite &= slots[k].finite;
  }
  return all;
}

// Grid: one block. Thread k takes slots k, k + 1024, ...; then the block its threads.
FRNN_KERNEL_BOUNDS(kThreads, 1) void result_kernel(frnn_clip c) {
  FRNN_SHARED(scratch, double[kThreads / machine::kWarp]);
  if (already_failed(c)) return;
  const int thread = machine::thread_index();
  const bool largest = c.norm_kind == FRNN_INFINITY;
  Slot all = largest ? collect(c, thread, c.chunks, kThreads, Larger())
                     : collect(c, thread, c.chunks, kThreads, Add());
  all.value = largest ? block_reduce<kThreads>(all.value, scratch, Larger())
                      : block_reduce<kThreads>(all.value, scratch, Add());
  const bool found = machine::sync_block_or(all.finite == 0);
  if (thread != 0) return;
  conclude_clip(c, false, all.value, !found, reinterpret_cast<frnn_clip_result*>(c.result));
}

// Grid: any; a warp takes tensor after tensor.
FRNN_KERNEL_BOUNDS(kTensorThreads, 1) void tensor_results_kernel(frnn_clip c) {
  const void* const table = reinterpret_cast<const void*>(c.table);
  if (already_failed(c) || !table_fits(table, c.layout, c.chunks)) return;
  constexpr int kWarps = kTensorThreads / machine::kWarp;
  const int64_t count = header_of(table).count;
  const bool largest = c.norm_kind == FRNN_INFINITY;
  for (int64_t k = int64_t{machine::block_index()} * kWarps + machine::warp_index(); k < count;
       k += int64_t{machine::block_count()} * kWarps) {
    const int64_t first = first_chunk(table, k) + machine::lane_index();
    const int64_t last = first_chunk(table, k + 1);
    Slot all = largest ? collect(c, first, last, machine::kWarp, Larger())
                       : collect(c, first, last, machine::kWarp, Add());
    all.value = largest ? warp_reduce(all.value, Larger()) : warp_reduce(all.value, Add());
    const bool found = machine::warp_any(all.finite == 0);
    if (machine::lane_index() != 0) continue;
    conclude_clip(c, true, all.value, !found,
                  reinterpret_cast<frnn_clip_result*>(c.result) + 1 + k);
  }
}

// Grid: kScaleParts blocks for a chunk. Bytes moved: none where nothing changes, else each element
// in and out. NaN fails both comparisons of a clamp and stays.
FRNN_KERNEL_BOUNDS(kScaleThreads, 1) void change_kernel(frnn_clip c) {
  const void* const table = reinterpret_cast<const void*>(c.table);
  const frnn_clip_result* const results = reinterpret_cast<const frnn_clip_result*>(c.result);
  if (results->skip != 0 || !table_fits(table, c.layout, c.chunks)) return;
  const Chunk chunk = chunk_at(table, machine::block_index() / kScaleParts);
  const frnn_clip_result& own = results[c.per_tensor != 0 ? 1 + chunk.tensor : 0];
  const float factor = static_cast<float>(own.coefficient / loss_scale_at(c.loss_scale));
  const float infinite = static_cast<float>(own.infinite);
  const float limit = c.action == FRNN_CLAMP_ELEMENTS ? static_cast<float>(c.max_norm)
                                                      : machine::float_of(kInfinityBits);
  if (factor == 1.0f && c.action == FRNN_SCALE && (infinite == 0.0f || own.finite != 0)) return;
  const Elements elements = chunk_elements(table, chunk, c.list);
  const int part = machine::block_index() % kScaleParts * kScaleThreads;
  for (int begin = (part + machine::thread_index()) * kQuad; begin < elements.length;
       begin += kScaleParts * kScaleThreads * kQuad) {
    float g[kQuad];
    load_quad(elements, begin, g);
    FRNN_UNROLL
    for (int k = 0; k < kQuad; ++k) {
      const float scaled = finite_gradient(g[k], infinite) * factor;
      g[k] = scaled > limit ? limit : scaled < -limit ? -limit : scaled;
    }
    store_quad(elements, begin, g);
  }
}

Status launch_slots(const Queue& queue, const frnn_clip& clip) {
  const machine::Grid grid = {clip.chunks, kThreads, 0, false};
  switch (clip.norm_kind) {
    case FRNN_L1:
      return queue.context.launch("norm_slots_l1", slots_kernel<FRNN_L1>, grid, queue.stream, clip);
    case FRNN_INFINITY:
      return queue.context.launch("norm_slots_infinity", slots_kernel<FRNN_INFINITY>, grid,
                                  queue.stream, clip);
    default:
      return queue.context.launch("norm_slots_l2", slots_kernel<FRNN_L2>, grid, queue.stream, clip);
  }
}

}  // namespace

Status clip_by_global_norm(const Queue& queue, const frnn_clip& clip) {
  FRNN_TRY(launch_slots(queue, clip));
  if (clip.per_tensor != 0) {
    FRNN_TRY(queue.context.launch("norm_of_tensors", tensor_results_kernel,
                                  {4 * queue.multiprocessors(), kTensorThreads, 0, false},
                                  queue.stream, clip));
  }
  FRNN_TRY(queue.context.launch("norm_of_all", result_kernel, {1, kThreads, 0, false}, queue.stream,
                                clip));
  if (clip.action == FRNN_MEASURE) return Status::success();
  return queue.context.launch("clip_in_place", change_kernel,
                              {clip.chunks * kScaleParts, kScaleThreads, 0, false}, queue.stream,
                              clip);
}

}  // namespace frnn
