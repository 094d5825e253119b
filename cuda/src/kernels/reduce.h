// Sums over a block in a fixed order, so that the same inputs give the same bits.

#ifndef FUSEDRNN_SRC_KERNELS_REDUCE_H_
#define FUSEDRNN_SRC_KERNELS_REDUCE_H_

#include "machine/device.h"

namespace frnn {

// The sum over the warp, in every lane: a butterfly, whose order is the same in all lanes up to
// which operand comes first, and addition commutes.
template <typename V>
FRNN_DEVICE V warp_sum(V value) {
  FRNN_UNROLL
  for (int distance = machine::kWarp / 2; distance > 0; distance /= 2) {
    value += machine::shuffle_xor(value, distance);
  }
  return value;
}

// The sum over a block of Threads threads (a multiple of 32, at most 1024), in every thread. All
// threads must call it. `scratch` is shared memory of the block, free again on return.
template <int Threads, typename V>
FRNN_DEVICE V block_sum(V value, V (&scratch)[Threads / machine::kWarp]) {
  constexpr int kWarps = Threads / machine::kWarp;
  value = warp_sum(value);
  if (machine::lane_index() == 0) scratch[machine::warp_index()] = value;
  machine::sync_block();
  V total = scratch[0];
  FRNN_UNROLL
  for (int w = 1; w < kWarps; ++w)
    total += scratch[w];
  machine::sync_block();
  return total;
}

// The same with another operation than the sum; it must not mind which operand comes first.
template <typename V, typename Combine>
FRNN_DEVICE V warp_reduce(V value, Combine combine) {
  FRNN_UNROLL
  for (int distance = machine::kWarp / 2; distance > 0; distance /= 2) {
    value = combine(value, machine::shuffle_xor(value, distance));
  }
  return value;
}
template <int Threads, typename V, typename Combine>
FRNN_DEVICE V block_reduce(V value, V (&scratch)[Threads / machine::kWarp], Combine combine) {
  constexpr int kWarps = Threads / machine::kWarp;
  value = warp_reduce(value, combine);
  if (machine::lane_index() == 0) scratch[machine::warp_index()] = value;
  machine::sync_block();
  V total = scratch[0];
  FRNN_UNROLL
  for (int w = 1; w < kWarps; ++w)
    total = combine(total, scratch[w]);
  machine::sync_block();
  return total;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_REDUCE_H_
