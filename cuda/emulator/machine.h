// One opened emulated device: its memory, its streams and events, and the runners of its kernels.
//
// A stream is a queue. Nothing in it runs before somebody waits: for the stream, for an event
// behind it, for the device, or for memory to be freed. Then what is waited for runs, on the
// waiting OS thread and, where a launch is large, on a few helpers, together with what it depends
// on and no more. One lock guards a device: its calls may come from any thread, and wait for one
// another.

#ifndef FUSEDRNN_EMULATOR_MACHINE_H_
#define FUSEDRNN_EMULATOR_MACHINE_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "host/captures.h"
#include "host/host_ranges.h"
#include "machine/host.h"
#include "memory.h"
#include "runner.h"
#include "workers.h"

namespace frnn::machine::emulated {

constexpr int kMultiprocessors = 4;  // and each may hold several blocks of a cluster
constexpr int kThreadsPerMultiprocessor = 2048;
constexpr int kBlocksPerMultiprocessor = 32;

// How many blocks of this shape one multiprocessor holds at once; 0 where the shape is not legal.
int resident_blocks(const Grid& grid);
// How many of its clusters the device holds at once; 0 where the shape is not legal.
int resident_clusters(const Grid& grid);

class Machine {
 public:
  Machine(int64_t memory_bytes, int workers) : memory_(memory_bytes), workers_(workers) {}

  Status synchronize();
  Status alloc(int64_t bytes, int64_t* address);
  Status free(int64_t address);
  Status copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind, Stream stream);
  Status fill(int64_t address, int byte_value, int64_t bytes, Stream stream);
  Status stream_create(Stream* stream);
  Status stream_destroy(Stream stream);
  Status stream_synchronize(Stream stream);
  Status stream_wait(Stream stream, Event event);
  Status event_create(Event* event);
  Status event_destroy(Event event);
  Status event_record(Event event, Stream stream);
  Status event_synchronize(Event event);
  Status event_done(Event event, bool* done);
  Status event_elapsed_us(Event start, Event end, double* us);
  // Copies the `args_bytes` at launch.args; sets launch.seed and launch.number.
  Status launch(Launch launch, Stream stream, int64_t args_bytes);
  // Any other work in stream order: the emulator's BLAS. `work` runs with the device's lock held.
  Status enqueue(Stream stream, std::function<Status()> work);
  Status capture_begin(Stream stream);
  Status capture_end(Stream stream, int64_t* graph);
  Status graph_launch(int64_t graph, Stream stream);
  Status graph_destroy(int64_t graph);
  Status host_register(int64_t address, int64_t bytes);
  Status host_unregister(int64_t address);
  Status counter(const std::string& key, int64_t* value);
  Status set(const std::string& key, int64_t value);
  void count_gemm(Stream stream);

  Status check_memory(int64_t address, int64_t bytes, const char* what);
  // The allocation that holds an address.
  Status range(int64_t address, int64_t* base, int64_t* bytes);
  bool has_stream(Stream stream);
  const DeviceMemory& memory() const { return memory_; }  // for work that runs in a stream

 private:
  using Clock = std::chrono::steady_clock;

  static int64_t new_handle();  // of a stream, an event or a graph

  struct Operation {
    uint64_t number;  // of all that were enqueued on this device; counts up
    Recording::Work work;
    uint64_t launch = 0;     // the number of the kernel's launch, which `work` is told
    Stream wait_stream = 0;  // where wait_number is set: the operation that must have run before
    uint64_t wait_number = 0;
  };
  struct Queue {
    std::deque<Operation> operations;
    bool destroyed = false;  // by the caller; what is in it still runs
  };
  struct Graph {
    Recording recording;
    Stream last_stream = 0;  // the end of its last launch
    uint64_t last_number = 0;
  };
  struct EventState {
    Stream stream = 0;       // of the last event_record
    uint64_t recorded = 0;   // number of its operation; 0 where there was none
    uint64_t completed = 0;  // the last such operation that ran
    Clock::time_point time;  // when it did
  };

  Status find_stream(Stream stream, Queue** queue);
  Status find_event(Event event, EventState** state);
  uint64_t push(Queue* queue, Recording::Work work, Recording::Kind kind = Recording::Kind::kWork);
  void push_wait(Queue* queue, Stream stream, uint64_t number);
  // Enqueues the work, or records it where the stream captures.
  void submit(Stream stream, Queue* queue, Recording::Work work,
              Recording::Kind kind = Recording::Kind::kWork);
  bool pending(Stream stream, uint64_t number) const;
  Status run_until(Stream stream, uint64_t number);
  Status run_all();
  void enqueue_recording(const Recording& recording, Stream stream);
  Status check_copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind) const;
  Status check_grid(const Launch& launch) const;
  Status run_launch(const Launch& launch);
  Failure run_on_workers(const Launch& launch);
  Status poison(Status error);

  std::mutex mutex_;
  DeviceMemory memory_;
  std::map<Stream, Queue> queues_;
  std::map<Event, EventState> events_;
  Captures captures_;
  std::map<int64_t, Graph> graphs_;
  HostRanges page_locked_;
  Status error_;  // the first thing that went wrong; sticks
  uint64_t next_number_ = 1;
  uint64_t seed_ = 1;
  int workers_;
  Random random_{1};
  Workers pool_;
  std::vector<std::unique_ptr<Runner>> runners_;
  int64_t allocations_ = 0;
  int64_t synchronizations_ = 0;
  int64_t launches_ = 0;
  int64_t gemms_ = 0;
  int64_t graph_launches_ = 0;
};

}  // namespace frnn::machine::emulated

#endif  // FUSEDRNN_EMULATOR_MACHINE_H_
