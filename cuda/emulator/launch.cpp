// Launches: checked and enqueued when asked for, run on one or several runners when waited for.

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "machine.h"

namespace frnn::machine::emulated {

namespace {

// Below this many threads a launch is done before another OS thread would have woken up.
constexpr int64_t kThreadsWorthSharing = 16384;
// Looking at what lies around the allocations after every launch costs too much with more of them.
constexpr int64_t kAllocationsToWatch = 512;

}  // namespace

int resident_blocks(const Grid& grid) {
  if (grid.threads < 1 || grid.threads > kMaxThreads || grid.shared_bytes < 0 ||
      grid.shared_bytes > kSharedBytesPerBlock) {
    return 0;
  }
  constexpr int kReserved = 1024;  // of shared memory, in each block
  const int by_threads = kThreadsPerMultiprocessor / grid.threads;
  const int by_shared = kSharedBytesPerMultiprocessor / (grid.shared_bytes + kReserved);
  return std::min({by_threads, by_shared, kBlocksPerMultiprocessor});
}

int resident_clusters(const Grid& grid) {
  if (grid.cluster < 1 || grid.cluster > kMostClusterBlocks) return 0;
  return resident_blocks(grid) * kMultiprocessors / grid.cluster;
}

Status Machine::check_grid(const Launch& launch) const {
  const Grid& grid = launch.grid;
  if (grid.blocks < 0 || grid.blocks > 0x7fffffff) {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        format("launch of `%s`: expected 0 to 2147483647 blocks, got %lld",
                               launch.name, static_cast<long long>(grid.blocks)));
  }
  const int resident = resident_blocks(grid);
  if (resident == 0) {
    return Status::fail(
        FRNN_INVALID_ARGUMENT,
        format("launch of `%s`: expected 1 to %d threads and 0 to %d bytes of shared memory, got "
               "%d and %d",
               launch.name, kMaxThreads, kSharedBytesPerBlock, grid.threads, grid.shared_bytes));
  }
  if (grid.cluster < 1 || grid.blocks % grid.cluster != 0 || resident_clusters(grid) == 0) {
    return Status::fail(
        FRNN_INVALID_ARGUMENT,
        format("launch of `%s`: %lld blocks in clusters of %d: expected a multiple, clusters of 1 "
               "to %d, and no more blocks in one than can be alive at once, %d of this shape",
               launch.name, static_cast<long long>(grid.blocks), grid.cluster, kMostClusterBlocks,
               resident * kMultiprocessors));
  }
  const int64_t most = static_cast<int64_t>(resident) * kMultiprocessors;
  if (grid.cooperative && grid.blocks > most) {
    return Status::fail(
        FRNN_INVALID_ARGUMENT,
        format("launch of `%s`: %lld blocks cannot be alive at once, at most %lld of this shape",
               launch.name, static_cast<long long>(grid.blocks), static_cast<long long>(most)));
  }
  return Status::success();
}

Status Machine::launch(Launch launch, Stream stream, int64_t args_bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  Queue* queue = nullptr;
  FRNN_TRY(find_stream(stream, &queue));
  FRNN_TRY(check_grid(launch));
  if (launch.grid.blocks == 0) return Status::success();
  const size_t words =
      (static_cast<size_t>(args_bytes) + sizeof(std::max_align_t) - 1) / sizeof(std::max_align_t);
  const auto args = std::make_shared<std::vector<std::max_align_t>>(words);
  std::memcpy(args->data(), launch.args, static_cast<size_t>(args_bytes));
  launch.args = args->data();
  launch.seed = seed_;
  const auto work = [this, launch, args](uint64_t number) {
    Launch numbered = launch;
    numbered.number = number;
    return run_launch(numbered);
  };
  submit(stream, queue, work, Recording::Kind::kKernel);
  return Status::success();
}

Status Machine::run_launch(const Launch& launch) {
  const Failure failure = run_on_workers(launch);
  const std::string replay =
      format(" [seed %llu, launch %llu]", static_cast<unsigned long long>(launch.seed),
             static_cast<unsigned long long>(launch.number));
  if (failure.fault && !failure.stack) {
    const std::string place = failure.in_shared
                                  ? std::string("outside the block's shared memory")
                                  : memory_.describe(reinterpret_cast<int64_t>(failure.address));
    return Status::fail(
        FRNN_DEVICE_ERROR,
        failure.text +
            format(": illegal %s at %p: ", failure.write ? "write" : "read", failure.address) +
            place + replay);
  }
  if (failure.failed) return Status::fail(FRNN_DEVICE_ERROR, failure.text + replay);
  if (memory_.live_count() <= kAllocationsToWatch) {
    const Status damage = memory_.damage();
    if (!damage.ok()) {
      return Status::fail(damage.code, format("kernel `%s`: ", launch.name) + damage.text + replay);
    }
  }
  return Status::success();
}

Failure Machine::run_on_workers(const Launch& launch) {
  const int64_t threads = launch.grid.blocks * launch.grid.threads;
  int count = 1;
  if (!launch.grid.cooperative && threads >= kThreadsWorthSharing) {
    count = static_cast<int>(std::min<int64_t>(workers_, launch.grid.blocks / launch.grid.cluster));
  }
  while (static_cast<int>(runners_.size()) < count)
    runners_.push_back(std::make_unique<Runner>());
  BlockSource source(launch);
  if (count == 1) return runners_[0]->run(launch, &source);
  std::vector<Failure> failures(static_cast<size_t>(count));
  pool_.run(count, [&](int i) {
    const size_t at = static_cast<size_t>(i);
    failures[at] = runners_[at]->run(launch, &source);
  });
  for (Failure& failure : failures) {
    if (failure.failed) return std::move(failure);
  }
  return Failure();
}

}  // namespace frnn::machine::emulated
