// Runs the blocks of a launch on one OS thread: each CUDA thread on a fiber, in a seeded random
// order.
//
// A fiber that reaches the end of its thread starts the next one without a switch, so a kernel that
// never waits costs little more than its calls. A thread that must wait parks its fiber; when all
// that it waits for have come, they are made ready again and one of the ready ones, or a thread not
// yet begun, goes on. Where nothing can go on, the launch is stuck: what each thread waits for is
// reported.

#ifndef FUSEDRNN_EMULATOR_RUNNER_H_
#define FUSEDRNN_EMULATOR_RUNNER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fault.h"
#include "fiber.h"
#include "host/status.h"
#include "machine/cluster.h"
#include "machine/device.h"
#include "machine/host.h"
#include "random.h"
#include "shared_memory.h"

namespace frnn::machine::emulated {

class Runner;
struct Fiber;

constexpr int kMaxThreads = 1024;  // in a block
constexpr int kMaxWarps = kMaxThreads / kWarp;
constexpr int kMostClusterBlocks = 16;

// One kernel launch as it stands in a stream.
struct Launch {
  const char* name;
  void (*kernel)();
  Invoke invoke;
  Grid grid;
  const void* args;
  uint64_t seed;    // the device's
  uint64_t number;  // which launch since the device was opened
};

// Hands out the clusters of a launch (blocks, where a cluster is one), in a random order, to the
// runners that share it.
class BlockSource {
 public:
  BlockSource(const Launch& launch);
  int next();  // the index of a cluster; -1 when there are no more
  void stop() { next_.store(count_); }

 private:
  int64_t count_;
  std::vector<int> order_;
  std::atomic<int64_t> next_{0};
};

enum class Wait : uint8_t {
  kNone,
  kBlock,
  kBlockOr,
  kCluster,
  kGrid,
  kWarp,
  kShuffle,
  kBallot,
  kMatrix,
  kTransaction,
  kPoll
};
const char* name_of(Wait wait);

struct Warp {
  unsigned existing = 0;  // lanes
  unsigned exited = 0;
  unsigned arrived = 0;  // at some warp barrier
  unsigned phase = 0;    // of exchanges, parity used
  Fiber* parked[kWarp];
  uint64_t words[2][kWarp];
  uint32_t fragments[2][kWarp][6];  // of a matrix product: 4 registers of A, 2 of B
};

// What stands behind a TransactionBarrier in shared memory.
struct BarrierState {
  const void* at;
  int arrivals;     // that end a phase
  int to_arrive;    // still, in this phase
  int64_t to_land;  // bytes expected and not landed
  int parity;       // of this phase
  const Fiber* by;  // who initialised it
  bool published;   // so that other blocks may use it
};

// A store to another block that has not landed.
struct RemoteStore {
  unsigned char* to;
  int bytes;
  int target;           // rank
  const void* barrier;  // of the target, which counts it; nullptr for a plain one
  int phase;            // of the cluster barrier at whose end a plain one lands
  Fiber* by;
  unsigned char data[16];
};

struct Block;

// Blocks that are alive together. A launch without clusters has clusters of one block.
struct Cluster {
  int size = 1;
  int alive = 0;
  Block* blocks[kMostClusterBlocks] = {};  // nullptr where a block has exited
  int arrived = 0;                         // threads, at the barrier
  int phase = 0;                           // barriers that have ended
  std::vector<Fiber*> waiting;
  std::vector<RemoteStore> in_flight;
};

struct Block {
  int index = 0;
  int threads = 0;
  int exited = 0;
  int begun = 0;
  // The order of beginning: warps shuffled, the lanes of each from a random one on.
  int warp_cursor = 0;
  int lane_cursor = 0;
  uint8_t warp_order[kMaxWarps];
  uint32_t lane_start = 0;
  uint32_t lane_stride = 1;
  bool newest_first = false;  // a ready thread runs on as far as it can
  Cluster* cluster = nullptr;
  int rank = 0;
  std::vector<BarrierState> barriers;
  // The barrier of the block.
  std::vector<Fiber*> waiting;
  bool any = false;
  bool any_result[2] = {false, false};
  unsigned phase = 0;
  Warp warps[kMaxWarps];
  SharedMemory shared;
};

// A copy_async that has not landed.
struct PendingCopy {
  unsigned char* to;
  const unsigned char* from;  // nullptr where the data was read at once
  int bytes;
  int group;
  unsigned char data[16];
};

struct Fiber : Self {  // the thread that it runs
  Place place;
  StackPool::Stack stack;
  Runner* runner = nullptr;
  Block* in = nullptr;
  Warp* warp = nullptr;
  Wait wait = Wait::kNone;
  unsigned mask = 0;  // of the warp barrier it waits at
  std::vector<PendingCopy> copies;
  int open_group = 0;
  bool at_cluster = false;  // arrived at the cluster's barrier and has not waited
  int cluster_phase = 0;    // of that barrier
  const void* polled = nullptr;
  uint64_t polled_value = 0;

  int lane() const { return thread % kWarp; }
};

// The fiber that the calling OS thread runs.
inline Fiber* running() {
  return static_cast<Fiber*>(const_cast<Self*>(self));
}

// Why a launch failed. Where `fault` is set, `text` names the thread and the device adds what lies
// at `address`.
struct Failure {
  bool failed = false;
  bool fault = false;
  bool write = false;
  bool in_shared = false;  // beside a block's shared memory
  bool stack = false;      // below the thread's own stack
  const void* address = nullptr;
  int block = 0;
  int thread = 0;
  std::string text;
};

class Runner {
 public:
  Runner() = default;
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Runs blocks of `source` until there are none.
  Failure run(const Launch& launch, BlockSource* source);

  // What the seam asks on behalf of the running thread (barriers.cpp, copies.cpp).
  void* shared_variable(Fiber* f, const void* site, size_t bytes, size_t alignment);
  bool wait_block(Fiber* f, Wait wait, bool predicate);
  void wait_grid(Fiber* f);
  void wait_warp(Fiber* f, Wait wait, unsigned mask);
  bool poll(Fiber* f, const void* address, uint64_t value);  // whether others ran meanwhile
  void progress() { spins_ = 0; }
  void cluster_arrive(Fiber* f);
  void cluster_wait(Fiber* f);
  void load_remote(Fiber* f, void* value, const void* shared, int bytes, int rank);
  // barrier == nullptr: a plain store
  void store_remote(Fiber* f, void* shared, const void* value, int bytes, const void* barrier,
                    int rank);
  void barrier_init(Fiber* f, const void* barrier, int arrivals);
  void publish_barriers(const Fiber* f);
  void barrier_arrive(Fiber* f, const void* barrier, int bytes, int rank);
  bool barrier_test(Fiber* f, const void* barrier, int parity);
  void barrier_wait(Fiber* f, const void* barrier, int parity);
  void copy_async(Fiber* f, unsigned char* to, const unsigned char* from, int bytes, bool valid);
  void copy_async_wait(Fiber* f, int groups);
  void check_matrix_row(const Fiber* f, const void* row);
  const Launch& launch() const { return *launch_; }

  // Ends the launch with a report about the running thread: "kernel `k`, block b, thread t: ...".
  // What runs is never come back to, so its callers must own nothing that needs a destructor.
  [[noreturn]] void fail(const Fiber* f, const char* pattern, ...)
      __attribute__((format(printf, 3, 4)));
  [[noreturn]] void fault(const Fiber* f, const void* address,
                          bool write);  // from a signal handler

 private:
  enum class Next { kResume, kBegin, kFinished, kStuck };
  struct Choice {
    Next next;
    Fiber* fiber;  // to resume
    Block* block;  // of the thread to begin
  };

  static void fiber_main(void* fiber);
  void fiber_loop(Fiber* f);
  Choice choose();
  bool prefers_ready();
  Fiber* take_ready();
  Block* open_cluster();
  bool set_up(Block* block, int index);
  void close_block(Block* block);
  void begin_thread(Fiber* f, Block* block);
  void end_thread(Fiber* f);
  Fiber* idle_fiber();  // nullptr where there is no memory for its stack
  void go(Place* from, Fiber* to);
  void park(Fiber* f);
  void make_ready(std::vector<Fiber*>* fibers);
  Block* remote_block(const Fiber* f, int rank, const char* what);
  unsigned char* remote_place(const Fiber* f, const void* shared, int bytes, int rank,
                              const char* what);
  BarrierState* barrier_state(const Fiber* f, Block* block, const void* barrier);
  BarrierState* published_barrier(const Fiber* f, Block* block, const void* barrier);
  void end_phase_if_complete(BarrierState* state);
  void land(Cluster* cluster, size_t at);
  void reset_after_failure();
  void record_failure(const char* text);
  [[noreturn]] void stuck();
  [[noreturn]] void leave();  // to run(), for good
  std::string where(int block, int thread) const;
  std::string stuck_report() const;

  const Launch* launch_ = nullptr;
  BlockSource* source_ = nullptr;
  bool exhausted_ = true;
  int resident_ = 1;    // blocks alive at once
  bool eager_ = false;  // begins threads rather than resumes them
  bool mixed_ = false;  // a coin decides
  Random random_;
  Failure failure_;

  SharedLayout layout_;
  std::vector<Block*> open_;       // alive
  std::vector<Block*> beginning_;  // of these, with threads not begun
  std::vector<Fiber*> ready_;
  std::vector<Fiber*> polling_;
  std::vector<Fiber*> at_grid_;
  int64_t spins_ = 0;

  HandlerStack handler_stack_;
  Place main_;
  StackPool stacks_;
  std::vector<Fiber*> idle_;
  std::vector<Block*> free_blocks_;
  std::vector<Cluster*> free_clusters_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<std::unique_ptr<Cluster>> clusters_;
};

}  // namespace frnn::machine::emulated

#endif  // FUSEDRNN_EMULATOR_RUNNER_H_
