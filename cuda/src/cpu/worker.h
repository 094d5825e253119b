// What a piece of parallel code sees of the team that runs it. Every member of a team executes the
// same function; `index` tells them apart, and sync() is a barrier that all of them must reach.

#ifndef FUSEDRNN_SRC_CPU_WORKER_H_
#define FUSEDRNN_SRC_CPU_WORKER_H_

#include <cstdint>

namespace frnn::cpu {

// Scratch memory of a product: each member packs blocks of A for itself, all together pack B.
constexpr int64_t kOwnFloats = 256 * 1024;
constexpr int64_t kSharedFloats = 1024 * 1024;

class Barrier;

struct Worker {
  int index;
  int count;
  float* own;     // kOwnFloats, this member's alone
  float* shared;  // kSharedFloats, the team's
  Barrier* barrier;
  // Size of a member's own cache: recurrent weights that are no larger mostly stay in it from step
  // to step.
  int64_t stays_bytes;
  int64_t meeting_ns;  // what sync() takes, as last measured

  void sync() const;
};

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_WORKER_H_
