// The seam, kernel side: thread-block clusters (Hopper and later; Grid::cluster blocks that run
// together and reach each other's shared memory).
//
// Place
//   int cluster_rank(), cluster_size(), cluster_index()   the block in its cluster; blocks of a
//                                                         cluster have consecutive block_index()
//
// Barrier of all threads of the cluster; what was stored before the arrive is seen after the wait
//   sync_cluster(), or its halves cluster_arrive() and cluster_wait(), with other work between
//   A block must not be reached before it has begun, nor exit while it may be reached: sync_cluster
//   comes before the first remote access and after the last.
//
// Remote shared memory. `shared` is the caller's own address of the variable, or of a place in
// dynamic shared memory; the same place in block `rank` is meant. T has 4, 8 or 16 bytes (Float4).
//   T load_remote(const T* shared, int rank)
//   void store_remote(T* shared, T value, int rank)       seen after the next cluster barrier, or
//   by
//                                                         who waits for a barrier_arrive_remote
//                                                         that the same thread makes later
//   void store_async(T* shared, T value, TransactionBarrier* barrier, int rank)
//                                                         lands any time later and then counts its
//                                                         bytes at `barrier` of block `rank`
//
// Transaction barriers (mbarrier). A phase ends when `arrivals` arrivals have come and as many
// bytes have landed as were expected. Phases alternate in parity, the first is 0.
//   FRNN_SHARED(bar, TransactionBarrier[2]);
//   barrier_init(TransactionBarrier*, int arrivals)       by one thread; then publish_barriers() by
//                                                         it, and sync_cluster() by all
//   barrier_arrive(TransactionBarrier*)
//   barrier_arrive_expect(TransactionBarrier*, int bytes) arrives, and expects so many more bytes
//   barrier_arrive_remote(TransactionBarrier*, int rank)
//   bool barrier_test(TransactionBarrier*, int parity)    whether the phase of that parity has
//   ended void barrier_wait(TransactionBarrier*, int parity)    what landed in the phase is then
//   seen

#ifndef FUSEDRNN_SRC_MACHINE_CLUSTER_H_
#define FUSEDRNN_SRC_MACHINE_CLUSTER_H_

#include <cstdint>

#include "machine/device.h"

namespace frnn::machine {

struct alignas(8) TransactionBarrier {
  uint64_t opaque;
};

}  // namespace frnn::machine

#if defined(__CUDACC__)
#include "machine/cuda_cluster.h"
#else
#include "machine/emulated_cluster.h"
#endif

#endif  // FUSEDRNN_SRC_MACHINE_CLUSTER_H_
