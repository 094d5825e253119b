#include "cpu/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <system_error>

#include "cpu/computer.h"

namespace frnn::cpu {

namespace {

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// About 100 us of spinning on current processors: longer than the gap between two calls of a
// training loop, shorter than a time slice.
constexpr int kSpins = 2500;

int64_t now_us() {
  using namespace std::chrono;
  return duration_cast<microseconds>(steady_clock::now().time_since_epoch()).count();
}

// A thread that keeps another waiting for so long, and does not run meanwhile, has lost its
// processor to somebody else.
constexpr int64_t kTakenAwayUs = 500;
// Some time slices of whoever took it.
constexpr int64_t kCrowdedUs = 25'000;
std::atomic<int64_t> crowded_until{0};
// What a meeting of a team takes, where none was measured yet that of a usual server.
std::atomic<int64_t> meeting_ns{300};
std::atomic<int64_t> measured_us{0};  // when that was
constexpr int64_t kMeasureAgainUs = 500'000;

// The time for which a thread has run, by its clock; 0 where there is none.
int64_t ran_us(clockid_t clock) {
  timespec t{};
  return clock_gettime(clock, &t) == 0 ? int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000 : 0;
}

// Waits without sleeping for what the thread with that clock will do; gives the processor away
// where it takes long, since that thread may need it.
template <typename Ready>
void spin_until(clockid_t clock, const Ready& ready) {
  for (int i = 0; i < kSpins; ++i) {
    if (ready()) return;
    relax();
  }
  const int64_t start = now_us(), ran = ran_us(clock);
  while (!ready())
    sched_yield();
  const int64_t end = now_us(), waited = end - start;
  if (waited > kTakenAwayUs && ran_us(clock) - ran < waited / 2) {
    crowded_until.store(end + kCrowdedUs, std::memory_order_relaxed);
  }
}

clockid_t clock_of(pthread_t thread) {
  clockid_t clock;
  return pthread_getcpuclockid(thread, &clock) == 0 ? clock : CLOCK_MONOTONIC;
}

// Counts forks, so that a child knows that its parent's threads did not come along.
std::atomic<uint64_t> fork_count{0};

void watch_forks() {
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { fork_count.fetch_add(1, std::memory_order_relaxed); });
  (void)registered;
}

// The processors' worth of time that a control group grants, or 0 where there is no limit.
double control_group_limit() {
  double quota = 0, period = 0;
  if (std::FILE* f = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    const int read = std::fscanf(f, "%lf %lf", &quota, &period);
    std::fclose(f);
    return read == 2 && period > 0 ? quota / period : 0;  // "max 100000" reads nothing
  }
  auto one_number = [](const char* path, double* value) {
    std::FILE* f = std::fopen(path, "r");
    if (f == nullptr) return false;
    const bool read = std::fscanf(f, "%lf", value) == 1;
    std::fclose(f);
    return read;
  };
  if (one_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota) &&
      one_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period) && quota > 0 && period > 0) {
    return quota / period;
  }
  return 0;
}

}  // namespace

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = sched_getaffinity(0, sizeof set, &set) == 0
                  ? CPU_COUNT(&set)
                  : static_cast<int>(std::thread::hardware_concurrency());
  const double limit = control_group_limit();
  if (limit > 0) count = std::min(count, static_cast<int>(limit + 0.999));
  return std::max(count, 1);
}

void Barrier::wait(int index) {
  if (count_ > kFlags) return wait_at_counter();
  const uint32_t phase = flags_[index].phase.load(std::memory_order_relaxed) + 1;
  flags_[index].phase.store(phase, std::memory_order_release);
  for (int i = 0; i < count_; ++i) {
    // A member that is ahead by one waits for this one.
    spin_until(flags_[i].clock, [&] {
      return static_cast<int32_t>(flags_[i].phase.load(std::memory_order_acquire) - phase) >= 0;
    });
  }
}

void Barrier::wait_at_counter() {
  const uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    return;
  }
  // Whoever comes last is not known: a clock that always runs.
  spin_until(CLOCK_MONOTONIC, [&] { return phase_.load(std::memory_order_acquire) != phase; });
}

void Worker::sync() const {
  if (count > 1) barrier->wait(index);
}

// Memory for the products of a team of `count`.
class Pool::Scratch {
  static constexpr size_t kHugePage = 2 << 20;

 public:
  explicit Scratch(int count) : count_(count) {
    const size_t floats = static_cast<size_t>(kSharedFloats + count * kOwnFloats);
    const size_t bytes = (floats * sizeof(float) + kHugePage - 1) / kHugePage * kHugePage;
    memory_.reset(static_cast<float*>(std::aligned_alloc(kHugePage, bytes)));
    if (!memory_) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    madvise(memory_.get(), bytes, MADV_HUGEPAGE);  // packed blocks are walked in long strides
#endif
  }
  int count() const {
    return count_;
  }
  float* shared() const {
    return memory_.get();
  }
  float* own(int index) const {
    return memory_.get() + kSharedFloats + index * kOwnFloats;
  }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  int count_;
  std::unique_ptr<float, Free> memory_;
};

struct Pool::Task {
  Job job;
  const void* context;
  int count;
  const Scratch* scratch;
  Barrier* barrier;

  void execute(int index) const {
    const Worker worker{index,
                        count,
                        scratch->own(index),
                        scratch->shared(),
                        barrier,
                        second_level_cache_bytes(),
                        meeting_ns.load(std::memory_order_relaxed)};
    job(worker, context);
  }
};

// A thread and its letter box: a task is put in, and taken out when it is done.
struct Pool::Member {
  explicit Member(int index)
      : index(index), thread(serve, this), clock(clock_of(thread.native_handle())) {}

  void post(const Task* next) {
    task.store(next, std::memory_order_seq_cst);
    if (asleep.load(std::memory_order_seq_cst)) wake();
  }
  void wake() {
    std::lock_guard<std::mutex> lock(mutex);
    condition.notify_one();
  }

  const int index;
  alignas(64) std::atomic<const Task*> task{nullptr};
  alignas(64) std::atomic<bool> asleep{false};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::condition_variable condition;
  std::thread thread;  // behind all that it uses, so that they are there when it starts
  const clockid_t clock;
};

void Pool::serve(Member* member) {
  auto called = [member] {
    return member->task.load(std::memory_order_seq_cst) != nullptr || member->stop.load();
  };
  while (true) {
    for (int i = 0; i < kSpins && !called(); ++i)
      relax();
    if (!called()) {
      std::unique_lock<std::mutex> lock(member->mutex);
      member->asleep.store(true, std::memory_order_seq_cst);
      member->condition.wait(lock, called);
      member->asleep.store(false, std::memory_order_seq_cst);
    }
    const Task* task = member->task.load(std::memory_order_acquire);
    if (task == nullptr) return;  // stopped
    task->execute(member->index);
    member->task.store(nullptr, std::memory_order_release);
  }
}

bool Pool::crowded() {
  const int64_t until = crowded_until.load(std::memory_order_relaxed);
  if (until == 0) return false;
  if (now_us() < until) return true;
  crowded_until.store(0, std::memory_order_relaxed);
  return false;
}

bool Pool::meeting_is_old() {
  return now_us() - measured_us.load(std::memory_order_relaxed) > kMeasureAgainUs;
}

int64_t Pool::meeting() {
  return meeting_ns.load(std::memory_order_relaxed);
}

std::shared_ptr<Pool> Pool::shared() {
  static std::mutex mutex;
  static std::weak_ptr<Pool> current;
  std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<Pool> pool = current.lock();
  if (!pool) {
    watch_forks();
    pool = std::make_shared<Pool>();
    pool->fork_generation_ = fork_count.load(std::memory_order_relaxed);
    current = pool;
  }
  return pool;
}

Pool::~Pool() {
  const bool forked = fork_generation_ != fork_count.load(std::memory_order_relaxed);
  for (std::unique_ptr<Member>& member : members_) {
    if (forked) {
      member.release();  // the thread is not in this process: there is nothing to join
      continue;
    }
    member->stop.store(true);
    member->wake();
    member->thread.join();
  }
}

// Makes the pool able to serve a team of `count`, or as many as the system gives threads for.
void Pool::start_members(int count) {
  const uint64_t generation = fork_count.load(std::memory_order_relaxed);
  if (generation != fork_generation_) {
    for (std::unique_ptr<Member>& member : members_)
      member.release();
    members_.clear();
    apart_ = 0;
    fork_generation_ = generation;
  }
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are the application's business
  try {
    while (static_cast<int>(members_.size()) + 1 < count) {
      members_.push_back(std::make_unique<Member>(static_cast<int>(members_.size()) + 1));
      pthread_setname_np(members_.back()->thread.native_handle(), "fusedrnn-cpu");
    }
  } catch (const std::system_error&) {
    // Fewer threads serve as well.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// Keeps the members off the processor of the caller. Left alone, schedulers put two threads that
// wait for each other onto one processor for milliseconds, where each waits for the other's time
// slice.
void Pool::keep_apart(int count) {
  const int processor = sched_getcpu();
  if (processor < 0 || (processor == callers_processor_ && apart_ >= count - 1)) return;
  cpu_set_t others;
  CPU_ZERO(&others);
  if (sched_getaffinity(0, sizeof others, &others) != 0) return;
  if (CPU_COUNT(&others) < count) return;
  CPU_CLR(processor, &others);
  for (int i = 1; i < count; ++i) {
    pthread_setaffinity_np(members_[i - 1]->thread.native_handle(), sizeof others, &others);
  }
  callers_processor_ = processor;
  apart_ = count - 1;
}

void Pool::run_alone(Job job, const void* context) {
  std::unique_ptr<Scratch> scratch;
  {
    std::lock_guard<std::mutex> lock(spare_);
    if (!spare_scratch_.empty()) {
      scratch = std::move(spare_scratch_.back());
      spare_scratch_.pop_back();
    }
  }
  if (!scratch) scratch = std::make_unique<Scratch>(1);
  Barrier barrier(1);
  Task{job, context, 1, scratch.get(), &barrier}.execute(0);
  std::lock_guard<std::mutex> lock(spare_);
  spare_scratch_.push_back(std::move(scratch));
}

void Pool::run(int count, Job job, const void* context) {
  std::unique_lock<std::mutex> lock(team_, std::defer_lock);
  if (count <= 1 || !lock.try_lock()) {
    run_alone(job, context);
    return;
  }
  if (static_cast<int>(members_.size()) + 1 < count ||
      fork_generation_ != fork_count.load(std::memory_order_relaxed)) {
    start_members(count);
  }
  count = std::min(count, static_cast<int>(members_.size()) + 1);
  if (!team_scratch_ || team_scratch_->count() < count) {
    team_scratch_ = std::make_unique<Scratch>(count);
  }
  if (count > 1) keep_apart(count);
  if (count > 1) measure_meeting(count);
  run_team(count, job, context);
}

void Pool::run_team(int count, Job job, const void* context) {
  Barrier barrier(count);
  barrier.set_clock(0, clock_of(pthread_self()));
  for (int i = 1; i < count; ++i)
    barrier.set_clock(i, members_[i - 1]->clock);
  const Task task{job, context, count, team_scratch_.get(), &barrier};
  for (int i = 1; i < count; ++i)
    members_[i - 1]->post(&task);
  task.execute(0);
  for (int i = 1; i < count; ++i) {
    Member& member = *members_[i - 1];
    spin_until(member.clock,
               [&] { return member.task.load(std::memory_order_acquire) == nullptr; });
  }
}

// How far processors lie apart differs between computers, and on a virtual one from minute to
// minute: measured now and then, by some meetings in a row, of which the fastest batch counts.
void Pool::measure_meeting(int count) {
  constexpr int kBatches = 4, kMeetings = 16;
  if (count == measured_count_ && !meeting_is_old()) return;
  int64_t fastest = INT64_MAX;
  const auto meet = [&](const Worker& worker) {
    for (int batch = 0; batch < kBatches; ++batch) {
      worker.sync();
      const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
      for (int i = 0; i < kMeetings; ++i)
        worker.sync();
      const int64_t ns = std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
      if (worker.index == 0) fastest = std::min(fastest, ns / kMeetings);
    }
  };
  run_team(
      count,
      [](const Worker& worker, const void* f) { (*static_cast<const decltype(meet)*>(f))(worker); },
      &meet);
  meeting_ns.store(fastest, std::memory_order_relaxed);
  measured_count_ = count;
  measured_us.store(now_us(), std::memory_order_relaxed);
}

}  // namespace frnn::cpu
