// Draws a class from each row of logits: temperature, top-k, top-p and the draw itself.
//
// All three are one question: of the classes in falling order of a key, at which does the sum of
// their weights reach a given weight? It is answered from the top byte of the key down, by a
// histogram of weights at each byte (a radix select), without sorting. The keys are the logits with
// the class as the last word, so that none are equal; for the draw they are the classes alone.
// Weights are whole numbers, so atomic additions give the same sums whatever their order.

#include "cells/sampling.h"
#include "kernels/reduce.h"
#include "kernels/rows.h"

namespace frnn {
namespace {

constexpr int kBins = 256;
constexpr int64_t kLargeRow = 8192;  // above it 1024 threads serve a row, else 256

struct Histogram {
  SampleWeight bins[kBins];
  SampleWeight left;  // of the weight asked for, below the chosen bin
  int chosen;
};

// By warp 0: the bin, from the highest down, in which the sum of the weights reaches `wanted`.
FRNN_DEVICE void choose_bin(Histogram* h, SampleWeight wanted) {
  constexpr int kOwn = kBins / machine::kWarp;
  const int lane = machine::lane_index(), highest = kBins - 1 - lane * kOwn;
  SampleWeight own = 0;
  FRNN_UNROLL
  for (int k = 0; k < kOwn; ++k)
    own += h->bins[highest - k];
  SampleWeight above = own;
  FRNN_UNROLL
  for (int distance = 1; distance < machine::kWarp; distance *= 2) {
    const SampleWeight before = machine::shuffle_up(above, distance);
    if (lane >= distance) above += before;
  }
  above -= own;
  if (above >= wanted || above + own < wanted) return;
  int bin = highest;
  while (above + h->bins[bin] < wanted)
    above += h->bins[bin--];
  h->chosen = bin;
  h->left = wanted - above;
}

// The key at which the weights of the classes reach `wanted`, from 1 to their sum. `key(v)` and
// `weight(v)` say what a class has; all threads of the block must call.
template <typename Key, typename Weight>
FRNN_DEVICE uint64_t select_key(Histogram* h, int64_t V, int top, SampleWeight wanted, Key key,
                                Weight weight) {
  uint64_t prefix = 0;
  for (int shift = top; shift >= 0; shift -= 8) {
    if (constant_byte(V, shift)) {
      prefix |= uint64_t{0xff} << shift;
      continue;
    }
    for (int bin = machine::thread_index(); bin < kBins; bin += machine::thread_count())
      h->bins[bin] = 0;
    machine::sync_block();
    for (int64_t v = machine::thread_index(); v < V; v += machine::thread_count()) {
      const uint64_t k = key(v);
      // Bits above this byte; a shift by 64 would be none.
      if (shift < top && ((k ^ prefix) >> shift) >> 8 != 0) continue;
      const SampleWeight w = weight(v);
      if (w != 0) (void)machine::atomic_add(&h->bins[(k >> shift) & 0xff], w);
    }
    machine::sync_block();
    if (machine::warp_index() == 0) choose_bin(h, wanted);
    machine::sync_block();
    prefix |= static_cast<uint64_t>(h->chosen) << shift;
    wanted = h->left;
  }
  return prefix;
}

// The largest key of a row.
template <int Threads>
FRNN_DEVICE uint64_t block_max(SampleWeight value,
                               SampleWeight (&scratch)[Threads / machine::kWarp]) {
  FRNN_UNROLL
  for (int distance = machine::kWarp / 2; distance > 0; distance /= 2) {
    const SampleWeight other = machine::shuffle_xor(value, distance);
    if (other > value) value = other;
  }
  if (machine::lane_index() == 0) scratch[machine::warp_index()] = value;
  machine::sync_block();
  for (int w = 0; w < Threads / machine::kWarp; ++w)
    value = scratch[w] > value ? scratch[w] : value;
  machine::sync_block();
  return value;
}

// Grid: a block for a row. Reads the row once for each byte of a selection, from L2.
template <typename Elem, int Threads>
FRNN_KERNEL_BOUNDS(Threads, 1)
void sample_kernel(SampleRows<Elem> s) {
  FRNN_SHARED(histogram, Histogram);
  FRNN_SHARED(scratch, SampleWeight[Threads / machine::kWarp]);
  const int64_t n = machine::block_index(), V = s.V;
  const Elem* const row = s.logits + n * V;
  const auto key = [&](int64_t v) { return sample_key(machine::widen(row[v]), v); };
  uint64_t best = 0;
  for (int64_t v = machine::thread_index(); v < V; v += Threads) {
    const uint64_t k = key(v);
    if (k > best) best = k;
  }
  best = block_max<Threads>(best, scratch);
  if (best >> 32 == 0 || s.temperature == 0.0f) {  // nothing but NaN, or the largest is asked for
    if (machine::thread_index() == 0)
      s.ids[n] = best >> 32 == 0 ? -1 : static_cast<int32_t>(class_of_key(best));
    return;
  }
  const float largest = machine::widen(row[class_of_key(best)]);
  uint64_t least = 0;  // classes of lower keys are left out
  const auto weight = [&](int64_t v) -> SampleWeight {
    const float x = machine::widen(row[v]);
    return sample_key(x, v) < least ? 0 : sample_weight(x, largest, s.temperature);
  };
  const auto all_weight = [&] {
    SampleWeight sum = 0;
    for (int64_t v = machine::thread_index(); v < V; v += Threads)
      sum += weight(v);
    return block_sum<Threads>(sum, scratch);
  };
  if (s.top_k > 0 && s.top_k < V) {
    least = select_key(&histogram, V, 56, static_cast<SampleWeight>(s.top_k), key,
                       [](int64_t) -> SampleWeight { return 1; });
  }
  if (s.top_p < 1.0) {
    const SampleWeight share = weight_share(s.top_p, all_weight());
    least = select_key(&histogram, V, 56, share, key, weight);
  }
  const uint64_t offset = s.offset + (s.added == nullptr ? 0 : static_cast<uint64_t>(*s.added));
  const SampleWeight drawn = drawn_weight(n, s.seed, offset, all_weight());
  const uint64_t at = select_key(
      &histogram, V, 24, drawn, [](int64_t v) -> uint64_t { return key_of_class(v); }, weight);
  if (machine::thread_index() == 0) s.ids[n] = static_cast<int32_t>(class_of_key(at));
}

}  // namespace

template <typename Elem>
Status sample_rows(const Queue& queue, const SampleRows<Elem>& s) {
  if (s.V <= kLargeRow) {
    return queue.context.launch("sample", sample_kernel<Elem, 256>, {s.N, 256, 0, false},
                                queue.stream, s);
  }
  return queue.context.launch("sample_large", sample_kernel<Elem, 1024>, {s.N, 1024, 0, false},
                              queue.stream, s);
}

template Status sample_rows(const Queue&, const SampleRows<float>&);
template Status sample_rows(const Queue&, const SampleRows<machine::Bf16>&);
template Status sample_rows(const Queue&, const SampleRows<machine::F16>&);

}  // namespace frnn
