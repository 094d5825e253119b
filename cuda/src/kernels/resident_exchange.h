// The vector that every block of a cluster needs whole and of which each makes a part: h, or r * h.
// It lies in shared memory of every block, twice; exchange n reads vector n % 2 and makes the
// other.
//
// One block: warps store their part, a block barrier ends the exchange.
//
// A cluster: a warp stores its part in its own block, then sends it to the peers in asynchronous
// stores of 16 bytes, which count at the peers' transaction barrier of that vector. A block's phase
// ends when all its own warps have arrived and all bytes of the others have landed. Two vectors are
// enough and nobody has to say that a vector is free: a warp sends part n + 1 only after it has
// read all that it needs of vector n, and a peer begins with part n + 2, which lands where vector n
// was, only when it has all of vector n + 1.

#ifndef FUSEDRNN_SRC_KERNELS_RESIDENT_EXCHANGE_H_
#define FUSEDRNN_SRC_KERNELS_RESIDENT_EXCHANGE_H_

#include "kernels/resident_shape.h"
#include "machine/cluster.h"
#include "machine/device.h"

namespace frnn {
namespace resident {

class Exchange {
 public:
  // `columns` rows of `pitch` bytes are a vector. Of every vector `remote_bytes` come from peers,
  // and every warp of the block makes a part.
  FRNN_DEVICE Exchange(char* shared, const ResidentShape& shape, int pitch, int remote_bytes)
      : full_(reinterpret_cast<machine::TransactionBarrier*>(shared)),
        vectors_(shared + shape.vectors_at),
        bytes_(kBatchTile * pitch),
        remote_bytes_(remote_bytes),
        cluster_(shape.cluster),
        rank_(shape.cluster > 1 ? machine::cluster_rank() : 0) {}

  FRNN_DEVICE int rank() const { return rank_; }
  FRNN_DEVICE char* current() const { return vectors_ + (count_ & 1u) * bytes_; }
  FRNN_DEVICE char* next() const { return vectors_ + ((count_ & 1u) ^ 1u) * bytes_; }

  // By all threads, after both vectors were filled.
  FRNN_DEVICE void begin() {
    if (cluster_ == 1) {
      machine::sync_block();
      return;
    }
    if (machine::thread_index() == 0) {
      for (int i = 0; i < 2; ++i)
        machine::barrier_init(&full_[i], machine::thread_count() / machine::kWarp);
      machine::publish_barriers();
    }
    machine::sync_cluster();
  }

  // Sends pieces of 16 bytes of the next vector to all peers, the lanes together; place(i) is where
  // piece i of Pieces, a power of 2, begins. The warp stored them before, and a sync_warp was
  // between. Every block begins with the peer after it: all at once do not fall upon one.
  template <int Pieces, typename Place>
  FRNN_DEVICE void send(const Place& place) const {
    constexpr int kPeersAtOnce = machine::kWarp / Pieces;
    auto* const at = reinterpret_cast<machine::Float4*>(place(machine::lane_index() % Pieces));
    const machine::Float4 piece = *at;
    for (int k = machine::lane_index() / Pieces; k < cluster_ - 1; k += kPeersAtOnce) {
      const int peer = rank_ + 1 + k;
      machine::store_async(at, piece, &full_[(count_ & 1u) ^ 1u],
                           peer < cluster_ ? peer : peer - cluster_);
    }
  }

  // By every warp, after it has stored its part, met at a sync_warp and sent it.
  FRNN_DEVICE void arrive() const {
    if (cluster_ == 1) return;
    machine::TransactionBarrier* const full = &full_[(count_ & 1u) ^ 1u];
    if (machine::thread_index() == 0) {
      machine::barrier_arrive_expect(full, remote_bytes_);
    } else if (machine::lane_index() == 0) {
      machine::barrier_arrive(full);
    }
  }

  // After it, by every warp: the next vector becomes the current one. Nobody writes to a block that
  // has the last vector, so it may exit.
  FRNN_DEVICE void wait() {
    const unsigned n = count_++;
    if (cluster_ == 1) {
      machine::sync_block();
    } else {
      machine::barrier_wait(&full_[count_ & 1u], static_cast<int>(n >> 1 & 1u));
    }
  }

 private:
  machine::TransactionBarrier* const full_;
  char* const vectors_;
  const int bytes_;  // of a vector
  const int remote_bytes_;
  const int cluster_;
  const int rank_;
  unsigned count_ = 0;
};

}  // namespace resident
}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_RESIDENT_EXCHANGE_H_
