// The CPU as a device. Every call has done its work when it returns, so streams and events keep
// order by themselves; their handles are checked all the same, as on a device that has real ones.
// While a stream captures, its calls are kept and done at each launch of the graph, one by one in
// the order in which they came.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>

#include "cpu/computer.h"
#include "cpu/family_layout.h"
#include "cpu/isa.h"
#include "cpu/lists.h"
#include "cpu/ops.h"
#include "cpu/packed.h"
#include "cpu/pool.h"
#include "host/captures.h"
#include "host/host_ranges.h"
#include "host/json_text.h"
#include "host/plan.h"
#include "host/provider.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace frnn::cpu {
namespace {

using Clock = std::chrono::steady_clock;

class CpuDevice : public Device {
 public:
  explicit CpuDevice(int64_t ordinal)
      : ordinal_(ordinal),
        kernels_(selected_kernels()),
        pool_(Pool::shared()),
        threads_(usable_processors()) {}

  ~CpuDevice() override {
    for (int64_t address : blocks_)
      std::free(reinterpret_cast<void*>(address));
  }

  std::string describe() override {
    return format(
        "{\"backend\": \"cpu\", \"name\": %s, \"ordinal\": %lld, \"memory_bytes\": %lld, "
        "\"processors\": %d, \"threads\": %d, \"isa\": \"%s\", \"vector_floats\": %d, "
        "\"blas\": \"own sgemm\"}",
        json_text(processor_name()).c_str(), static_cast<long long>(ordinal_),
        static_cast<long long>(memory_bytes()), usable_processors(), threads_.load(), kernels_.name,
        kernels_.width);
  }

  Status set(const std::string& key, int64_t value) override {
    if (key != "threads") {
      return Status::fail(
          FRNN_INVALID_ARGUMENT,
          format("key: the cpu backend knows \"threads\", got \"%s\"", key.c_str()));
    }
    if (value < 1 || value > kMostThreads) {
      return Status::fail(FRNN_INVALID_ARGUMENT,
                          format("threads: expected 1 to %d, got %lld", kMostThreads,
                                 static_cast<long long>(value)));
    }
    threads_ = static_cast<int>(value);
    return Status::success();
  }

  Status counter(const std::string& key, int64_t* value) override {
    if (key == "allocations") {
      *value = allocations_;
    } else if (key == "synchronizations") {
      *value = synchronizations_;
    } else if (key == "launches") {
      *value = launches_;
    } else if (key == "gemms") {
      *value = gemms_;
    } else if (key == "graph_launches") {
      *value = graph_launches_;
    } else {
      return Status::fail(FRNN_INVALID_ARGUMENT,
                          format("key: expected allocations, synchronizations, launches, gemms or "
                                 "graph_launches, got \"%s\"",
                                 key.c_str()));
    }
    return Status::success();
  }

  Status synchronize() override {
    FRNN_TRY(captures_.may_wait_for_device());
    ++synchronizations_;
    return Status::success();
  }

  Status alloc(int64_t bytes, int64_t* address) override {
    FRNN_TRY(captures_.may_allocate("alloc"));
    // Large blocks lie on huge pages where the system gives them.
    const size_t alignment = bytes >= kHugePage ? kHugePage : 256;
    void* memory = nullptr;
    if (posix_memalign(&memory, alignment, static_cast<size_t>(bytes)) != 0) {
      return Status::fail(FRNN_OUT_OF_MEMORY,
                          format("alloc: no memory for %lld bytes", static_cast<long long>(bytes)));
    }
#if defined(MADV_HUGEPAGE)
    if (bytes >= kHugePage) madvise(memory, static_cast<size_t>(bytes), MADV_HUGEPAGE);
#endif
    std::lock_guard<std::mutex> lock(mutex_);
    *address = reinterpret_cast<int64_t>(memory);
    blocks_.insert(*address);
    ++allocations_;
    return Status::success();
  }

  Status free(int64_t address) override {
    FRNN_TRY(captures_.may_allocate("free"));
    std::lock_guard<std::mutex> lock(mutex_);
    if (blocks_.erase(address) == 0) {
      return Status::fail(
          FRNN_INVALID_ARGUMENT,
          format("free: 0x%llx was not allocated by this device, or is free already",
                 static_cast<unsigned long long>(address)));
    }
    std::free(reinterpret_cast<void*>(address));
    return Status::success();
  }

  Status copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind,
              int64_t stream) override {
    FRNN_TRY(check_stream(stream));
    const int64_t host = kind == FRNN_HOST_TO_DEVICE ? source : destination;
    const bool locked = kind == FRNN_DEVICE_TO_DEVICE || page_locked(host, bytes);
    FRNN_TRY(captures_.may_copy_host(stream, locked));
    return submit(stream, [=](uint64_t) {
      copy_bytes(Machine{*pool_, kernels_, threads_}, destination, source, bytes);
      return Status::success();
    });
  }

  Status fill(int64_t address, int byte_value, int64_t bytes, int64_t stream) override {
    FRNN_TRY(check_stream(stream));
    return submit(stream, [=](uint64_t) {
      std::memset(reinterpret_cast<void*>(address), byte_value, static_cast<size_t>(bytes));
      return Status::success();
    });
  }

  Status stream_create(int64_t* stream) override {
    std::lock_guard<std::mutex> lock(mutex_);
    *stream = next_handle_++;
    streams_.insert(*stream);
    return Status::success();
  }

  Status stream_destroy(int64_t stream) override {
    FRNN_TRY(captures_.may_destroy_stream(stream));
    std::lock_guard<std::mutex> lock(mutex_);
    return streams_.erase(stream) == 1 ? Status::success() : bad_handle("stream", stream);
  }

  Status stream_synchronize(int64_t stream) override {
    FRNN_TRY(check_stream(stream));
    FRNN_TRY(captures_.may_wait_for_stream(stream));
    ++synchronizations_;
    return Status::success();
  }

  Status stream_wait(int64_t stream, int64_t event) override {
    FRNN_TRY(check_stream(stream));
    std::lock_guard<std::mutex> lock(mutex_);
    if (events_.count(event) == 0) return bad_handle("event", event);
    bool captured = false;
    return captures_.wait(stream, event, &captured);
  }

  Status event_create(int64_t* event) override {
    std::lock_guard<std::mutex> lock(mutex_);
    *event = next_handle_++;
    events_[*event] = Clock::time_point();
    return Status::success();
  }

  Status event_destroy(int64_t event) override {
    captures_.forget_event(event);
    std::lock_guard<std::mutex> lock(mutex_);
    return events_.erase(event) == 1 ? Status::success() : bad_handle("event", event);
  }

  Status event_record(int64_t event, int64_t stream) override {
    FRNN_TRY(check_stream(stream));
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = events_.find(event);
    if (found == events_.end()) return bad_handle("event", event);
    bool captured = false;
    captures_.record(event, stream, &captured);
    if (!captured) found->second = Clock::now();
    return Status::success();
  }

  Status event_synchronize(int64_t event) override {
    FRNN_TRY(captures_.may_ask_event(event));
    ++synchronizations_;
    std::lock_guard<std::mutex> lock(mutex_);
    return events_.count(event) == 1 ? Status::success() : bad_handle("event", event);
  }

  Status event_done(int64_t event, int64_t* done) override {
    FRNN_TRY(captures_.may_ask_event(event));
    std::lock_guard<std::mutex> lock(mutex_);
    if (events_.count(event) == 0) return bad_handle("event", event);
    *done = 1;  // also before it was ever recorded, as on CUDA
    return Status::success();
  }

  Status event_elapsed_us(int64_t start, int64_t end, double* us) override {
    FRNN_TRY(captures_.may_ask_event(start));
    FRNN_TRY(captures_.may_ask_event(end));
    std::lock_guard<std::mutex> lock(mutex_);
    const auto first = events_.find(start), last = events_.find(end);
    if (first == events_.end()) return bad_handle("start", start);
    if (last == events_.end()) return bad_handle("end", end);
    if (first->second == Clock::time_point() || last->second == Clock::time_point()) {
      return Status::fail(FRNN_INVALID_ARGUMENT,
                          "event_elapsed_us: both events must have been recorded");
    }
    *us = std::chrono::duration<double, std::micro>(last->second - first->second).count();
    return Status::success();
  }

  Status capture_begin(int64_t stream) override {
    FRNN_TRY(check_stream(stream));
    return captures_.begin(stream);
  }

  Status capture_end(int64_t stream, int64_t* graph) override {
    FRNN_TRY(captures_.may_end(stream));
    auto recording = std::make_shared<Recording>();
    const Status joined = captures_.end(stream, recording.get());
    if (graph == nullptr) return Status::success();
    FRNN_TRY(joined);
    std::lock_guard<std::mutex> lock(mutex_);
    *graph = next_handle_++;
    graphs_[*graph] = std::move(recording);
    return Status::success();
  }

  Status graph_launch(int64_t graph, int64_t stream) override {
    FRNN_TRY(check_stream(stream));
    FRNN_TRY(captures_.may_launch_graph(stream));
    std::shared_ptr<const Recording> recording;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const auto found = graphs_.find(graph);
      if (found == graphs_.end()) return bad_handle("graph", graph);
      recording = found->second;
    }
    ++graph_launches_;
    launches_ += recording->kernels;
    gemms_ += recording->gemms;
    for (const Recording::Node& node : recording->nodes) {
      if (node.work) FRNN_TRY(node.work(0));
    }
    return Status::success();
  }

  Status graph_destroy(int64_t graph) override {
    std::lock_guard<std::mutex> lock(mutex_);
    return graphs_.erase(graph) == 1 ? Status::success() : bad_handle("graph", graph);
  }

  Status host_register(int64_t address, int64_t bytes) override {
    FRNN_TRY(captures_.may_allocate("host_register"));
    std::lock_guard<std::mutex> lock(mutex_);
    return page_locked_.add(address, bytes);
  }

  Status host_unregister(int64_t address) override {
    FRNN_TRY(captures_.may_allocate("host_unregister"));
    std::lock_guard<std::mutex> lock(mutex_);
    return page_locked_.remove(address);
  }

  bool serves_16_bit() const override {
    return false;
  }
  Planner* planner() const override {
    return nullptr;
  }
  Status rnn_pack(const frnn_rnn& rnn) override {
    return launch(rnn, 0, cpu::rnn_pack);
  }
  // A recording may pack what its next call reads: that is told when it runs.
  Status check_packed(const frnn_rnn& rnn) const override {
    if (captures_.holds(rnn.stream) || !plain_call(rnn)) return Status::success();
    return cpu::check_packed(rnn, kernels_);
  }
  Status rnn_forward(const frnn_rnn& rnn) override {
    return launch(rnn, 2, cpu::rnn_forward);
  }
  using Device::rnn_backward;
  Status rnn_backward(const frnn_rnn& rnn, int64_t before_dx) override {
    if (before_dx != 0) FRNN_TRY(stream_wait(rnn.stream, before_dx));
    return launch(rnn, 4, cpu::rnn_backward);
  }
  Status mask_add(const MaskAdd& what) override {
    return launch(what, 0, cpu::mask_add);
  }
  Status write_word(const WordWrite& write) override {
    return launch(write, 0, cpu::write_word);
  }
  Status clip_by_global_norm(const frnn_clip& clip) override {
    return launch(clip, 0, cpu::clip_by_global_norm);
  }
  Status optimizer_step(const frnn_optimizer& optimizer) override {
    return launch(optimizer, 0, cpu::optimizer_step);
  }
  Status linear_forward(const frnn_linear& linear) override {
    return launch(linear, 1, cpu::linear_forward);
  }
  Status linear_backward(const frnn_linear& linear) override {
    return launch(linear, 2, cpu::linear_backward);
  }
  Status embedding_forward(const frnn_embedding& embedding) override {
    return launch(embedding, 0, cpu::embedding_forward);
  }
  Status embedding_backward(const frnn_embedding& embedding) override {
    return launch(embedding, 0, cpu::embedding_backward);
  }
  Status softmax_xent_forward_backward(const frnn_softmax_xent& xent) override {
    return launch(xent, 0, cpu::softmax_xent_forward_backward);
  }
  Status mse_forward_backward(const frnn_mse& mse) override {
    return launch(mse, 0, cpu::mse_forward_backward);
  }
  Status sample(const frnn_sample& what) override {
    return launch(what, 0, cpu::sample);
  }

 private:
  static constexpr int64_t kHugePage = 2 << 20;
  static constexpr int kMostThreads = 1024;

  static Status bad_handle(const char* what, int64_t handle) {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        format("%s: %lld is not an open handle of this device", what,
                               static_cast<long long>(handle)));
  }

  Status check_stream(int64_t stream) {
    if (stream == 0) return Status::success();
    std::lock_guard<std::mutex> lock(mutex_);
    return streams_.count(stream) == 1 ? Status::success() : bad_handle("stream", stream);
  }

  bool page_locked(int64_t address, int64_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    return page_locked_.hold(address, bytes);
  }

  // Does the work, or records it where the stream captures.
  template <typename F>
  Status submit(int64_t stream, const F& work) {
    if (!captures_.holds(stream)) return work(0);
    captures_.add(stream, Recording::Kind::kWork, work);
    return Status::success();
  }

  // `compute` with the arguments, which a recording keeps as they are now.
  template <typename Args, typename Result>
  Status launch(const Args& args, int gemms, Result (*compute)(const Machine&, const Args&)) {
    FRNN_TRY(check_stream(args.stream));
    const bool captured = captures_.holds(args.stream);
    if (captured) {
      for (int n = 0; n < gemms; ++n)
        captures_.add_gemm(args.stream);
      captures_.add(args.stream, Recording::Kind::kKernel,
                    [this, args, compute](uint64_t) { return run(args, compute); });
      return Status::success();
    }
    ++launches_;
    gemms_ += gemms;
    return run(args, compute);
  }

  template <typename Args, typename Result>
  Status run(const Args& args, Result (*compute)(const Machine&, const Args&)) {
    const Machine machine{*pool_, kernels_, threads_};
    try {
      if constexpr (std::is_same_v<Result, Status>) {
        return compute(machine, args);
      } else {
        compute(machine, args);
      }
    } catch (const std::bad_alloc&) {
      return Status::fail(FRNN_OUT_OF_MEMORY, "no memory for the scratch space of a thread");
    }
    return Status::success();
  }

  const int64_t ordinal_;
  const Kernels& kernels_;
  const std::shared_ptr<Pool> pool_;
  std::atomic<int> threads_;
  std::atomic<int64_t> allocations_{0}, synchronizations_{0}, launches_{0}, gemms_{0};
  std::atomic<int64_t> graph_launches_{0};
  Captures captures_;
  std::mutex mutex_;  // guards all below
  int64_t next_handle_ = 1;
  std::unordered_set<int64_t> blocks_, streams_;
  std::unordered_map<int64_t, Clock::time_point> events_;
  std::unordered_map<int64_t, std::shared_ptr<const Recording>> graphs_;
  HostRanges page_locked_;
};

class CpuProvider : public Provider {
 public:
  std::string build_info() override {
    std::string names;
    for (const Kernels* kernels : usable_kernels()) {
      names += format("%s\"%s\"", names.empty() ? "" : ", ", kernels->name);
    }
    return format("{\"backend\": \"cpu\", \"usable_isa\": [%s], \"selected_isa\": \"%s\"}",
                  names.c_str(), selected_kernels().name);
  }
  Status set_option(const std::string& key, const std::string& value) override {
    return key == "cpu.isa" ? select_isa(value) : Status::success();
  }
  Status device_count(int64_t* count) override {
    *count = 1;
    return Status::success();
  }
  Status open(int64_t ordinal, std::unique_ptr<Device>* device) override {
    if (ordinal != 0) {
      return Status::fail(FRNN_INVALID_ARGUMENT,
                          format("ordinal: there is one cpu device, number 0; got %lld",
                                 static_cast<long long>(ordinal)));
    }
    *device = std::make_unique<CpuDevice>(ordinal);
    return Status::success();
  }
};

}  // namespace
}  // namespace frnn::cpu

frnn::Provider& frnn::cpu_provider() {
  static cpu::CpuProvider provider;
  return provider;
}
