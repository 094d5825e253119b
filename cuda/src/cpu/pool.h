// The threads of the CPU backend. A team of them runs one function; between jobs they spin for a
// short while, so that calls that follow each other closely start at once, and then sleep.
//
// One team runs at a time. A caller that finds the threads busy, or that forked away from them,
// does the whole job itself: results never depend on the number of threads.

#ifndef FUSEDRNN_SRC_CPU_POOL_H_
#define FUSEDRNN_SRC_CPU_POOL_H_

#include <time.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cpu/worker.h"

namespace frnn::cpu {

// Processors that this process may use: the affinity mask, and the quota of its control group.
int usable_processors();

// A few members tell each other by a cache line each, so that the news has one way to go; many
// count themselves.
class Barrier {
 public:
  explicit Barrier(int count) : count_(count) {}
  // By which the others tell whether a member that they wait for is running.
  void set_clock(int index, clockid_t clock) {
    if (index < kFlags) flags_[index].clock = clock;
  }
  void wait(int index);

 private:
  static constexpr int kFlags = 8;
  struct alignas(64) Flag {
    std::atomic<uint32_t> phase{0};
    clockid_t clock = CLOCK_MONOTONIC;
  };

  void wait_at_counter();

  const int count_;
  Flag flags_[kFlags];
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> phase_{0};
};

class Pool {
 public:
  using Job = void (*)(const Worker& worker, const void* context);

  // The process's pool: made by the first device and gone with the last.
  static std::shared_ptr<Pool> shared();

  Pool() = default;
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Whether a member of a team lately waited for one that had lost its processor to another
  // program: then short work is done sooner by one thread than by a team.
  static bool crowded();

  // Nanoseconds that a team takes to meet, as last measured; and whether the next team is going to
  // measure it again.
  static int64_t meeting();
  static bool meeting_is_old();

  // Runs `job` on a team of at most `count` and returns when all have ended.
  void run(int count, Job job, const void* context);

  template <typename F>
  void run(int count, const F& function) {
    run(
        count, [](const Worker& worker, const void* f) { (*static_cast<const F*>(f))(worker); },
        &function);
  }

 private:
  struct Task;
  struct Member;
  class Scratch;

  void start_members(int count);
  void keep_apart(int count);
  void run_alone(Job job, const void* context);
  void run_team(int count, Job job, const void* context);
  void measure_meeting(int count);
  static void serve(Member* member);

  std::mutex team_;  // held while a team runs
  std::vector<std::unique_ptr<Member>> members_;
  std::unique_ptr<Scratch> team_scratch_;
  uint64_t fork_generation_ = 0;
  int callers_processor_ = -1;  // which the members keep off
  int apart_ = 0;               // how many members do
  int measured_count_ = 0;      // of the team whose meeting was measured last
  std::mutex spare_;            // guards spare_scratch_
  std::vector<std::unique_ptr<Scratch>> spare_scratch_;
};

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_POOL_H_
