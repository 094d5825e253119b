// Embedding: y[n] = table[ids[n]]; backward dtable[v] = or += sum of dy[n] over n with ids[n] = v,
// in the order of n, without atomics. An id outside [0, V) gives a row of NaN forward, and nothing
// backward.

#include <cmath>

#include "kernels/pack.h"
#include "kernels/rows.h"

namespace frnn {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / machine::kWarp;
constexpr int kMatches = 1024;  // that a block collects before it adds them

// Grid: a warp for a row. Bytes moved: 8 per element.
template <int Width>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void gather_kernel(EmbeddingForward s) {
  const int64_t n = static_cast<int64_t>(machine::block_index()) * kWarps + machine::warp_index();
  if (n >= s.N) return;
  const int64_t id = s.ids[n];
  const bool known = id >= 0 && id < s.V;
  const float* const row = s.table + (known ? id : 0) * s.E;
  float* const y = s.y + n * s.E;
  for (int64_t e = machine::lane_index() * Width; e < s.E; e += machine::kWarp * Width) {
    store(y + e, known ? load<Width>(row + e) : Pack<Width>(NAN));
  }
}

// Adds dy of the collected rows, in their order, to this block's row of dtable. Each thread owns
// the columns tid, tid + 128, ... `fresh`: the row holds nothing yet.
FRNN_DEVICE void add_matches(const EmbeddingBackward& s, int64_t v, const int* matches, int count,
                             bool fresh) {
  float* const row = s.dtable + v * s.E;
  for (int64_t e = machine::thread_index(); e < s.E; e += kThreads) {
    float sum = fresh ? 0.0f : row[e];
    for (int k = 0; k < count; ++k)
      sum += s.dy[matches[k] * s.E + e];
    row[e] = sum;
  }
}

// Grid: a block for a row of the table. The block looks at all ids, 128 at a time, and collects in
// shared memory, in order, the rows that hold its own: a warp's ballot gives each match its place.
// Bytes moved: 4 N ids for each block, from L2, and 4 E (matches + 1 or 2). For small V the sums of
// a frequent id are the critical path, one dependent addition per row.
FRNN_KERNEL_BOUNDS(kThreads, 1) void scatter_kernel(EmbeddingBackward s) {
  FRNN_SHARED(matches, int[kMatches + kThreads]);
  FRNN_SHARED(found, int[kWarps]);
  const int64_t v = machine::block_index();
  const int lane = machine::lane_index();
  bool fresh = !s.accumulate;
  int count = 0;  // the same in all threads
  for (int64_t begin = 0; begin < s.N; begin += kThreads) {
    const int64_t n = begin + machine::thread_index();
    const bool mine = n < s.N && s.ids[n] == v;
    const unsigned votes = machine::ballot(mine);
    if (lane == 0) found[machine::warp_index()] = machine::count_bits(votes);
    machine::sync_block();
    int place = count + machine::count_bits(votes & ((1u << lane) - 1u));
    FRNN_UNROLL
    for (int w = 0; w < kWarps; ++w) {
      if (w < machine::warp_index()) place += found[w];
      count += found[w];
    }
    if (mine) matches[place] = static_cast<int>(n);
    machine::sync_block();
    if (count < kMatches) continue;
    add_matches(s, v, matches, count, fresh);
    fresh = false;
    count = 0;
    machine::sync_block();
  }
  if (count > 0 || fresh) add_matches(s, v, matches, count, fresh);
}

}  // namespace

Status embedding_forward(const Queue& queue, const EmbeddingForward& s) {
  const bool wide = packs_of_four(s.E, {s.table, s.y});
  return queue.context.launch("embedding_gather", wide ? gather_kernel<4> : gather_kernel<1>,
                              {ceil_div(s.N, kWarps), kThreads, 0, false}, queue.stream, s);
}

Status embedding_backward(const Queue& queue, const EmbeddingBackward& s) {
  return queue.context.launch("embedding_scatter", scatter_kernel, {s.V, kThreads, 0, false},
                              queue.stream, s);
}

}  // namespace frnn
