// The CPU as a device. Every call has done its work when it returns, so streams and events keep
// order by themselves; their handles are checked all the same, as on a device that has real ones.

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <unordered_map>
#include <unordered_set>

#include "cpu/isa.h"
#include "cpu/ops.h"
#include "cpu/pool.h"
#include "host/plan.h"
#include "host/provider.h"

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace frnn::cpu {
namespace {

using Clock = std::chrono::steady_clock;

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) out += c;
  }
  return out;
}

std::string processor_name() {
  std::string name;
  if (std::FILE* f = std::fopen("/proc/cpuinfo", "r")) {
    char line[512];
    while (name.empty() && std::fgets(line, sizeof line, f) != nullptr) {
      const char* colon = std::strchr(line, ':');
      if (std::strncmp(line, "model name", 10) == 0 && colon != nullptr) name = colon + 2;
    }
    std::fclose(f);
  }
  while (!name.empty() && (name.back() == '\n' || name.back() == ' '))
    name.pop_back();
  return name.empty() ? "unknown processor" : name;
}

int64_t memory_bytes() {
#if defined(__linux__)
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
#else
  return 0;
#endif
}

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
        "{\"backend\": \"cpu\", \"name\": \"%s\", \"ordinal\": %lld, \"memory_bytes\": %lld, "
        "\"processors\": %d, \"threads\": %d, \"isa\": \"%s\", \"vector_floats\": %d, "
        "\"blas\": \"own sgemm\"}",
        escaped(processor_name()).c_str(), static_cast<long long>(ordinal_),
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
    } else {
      return Status::fail(FRNN_INVALID_ARGUMENT,
                          format("key: expected allocations, synchronizations, launches or gemms, "
                                 "got \"%s\"",
                                 key.c_str()));
    }
    return Status::success();
  }

  Status synchronize() override {
    ++synchronizations_;
    return Status::success();
  }

  Status alloc(int64_t bytes, int64_t* address) override {
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

  Status copy(int64_t destination, int64_t source, int64_t bytes, int64_t,
              int64_t stream) override {
    FRNN_TRY(check_stream(stream));
    std::memmove(reinterpret_cast<void*>(destination), reinterpret_cast<const void*>(source),
                 static_cast<size_t>(bytes));
    return Status::success();
  }

  Status fill(int64_t address, int byte_value, int64_t bytes, int64_t stream) override {
    FRNN_TRY(check_stream(stream));
    std::memset(reinterpret_cast<void*>(address), byte_value, static_cast<size_t>(bytes));
    return Status::success();
  }

  Status stream_create(int64_t* stream) override {
    std::lock_guard<std::mutex> lock(mutex_);
    *stream = next_handle_++;
    streams_.insert(*stream);
    return Status::success();
  }

  Status stream_destroy(int64_t stream) override {
    std::lock_guard<std::mutex> lock(mutex_);
    return streams_.erase(stream) == 1 ? Status::success() : bad_handle("stream", stream);
  }

  Status stream_synchronize(int64_t stream) override {
    FRNN_TRY(check_stream(stream));
    ++synchronizations_;
    return Status::success();
  }

  Status stream_wait(int64_t stream, int64_t event) override {
    FRNN_TRY(check_stream(stream));
    std::lock_guard<std::mutex> lock(mutex_);
    return events_.count(event) == 1 ? Status::success() : bad_handle("event", event);
  }

  Status event_create(int64_t* event) override {
    std::lock_guard<std::mutex> lock(mutex_);
    *event = next_handle_++;
    events_[*event] = Clock::time_point();
    return Status::success();
  }

  Status event_destroy(int64_t event) override {
    std::lock_guard<std::mutex> lock(mutex_);
    return events_.erase(event) == 1 ? Status::success() : bad_handle("event", event);
  }

  Status event_record(int64_t event, int64_t stream) override {
    FRNN_TRY(check_stream(stream));
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = events_.find(event);
    if (found == events_.end()) return bad_handle("event", event);
    found->second = Clock::now();
    return Status::success();
  }

  Status event_synchronize(int64_t event) override {
    ++synchronizations_;
    std::lock_guard<std::mutex> lock(mutex_);
    return events_.count(event) == 1 ? Status::success() : bad_handle("event", event);
  }

  Status event_done(int64_t event, int64_t* done) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (events_.count(event) == 0) return bad_handle("event", event);
    *done = 1;  // also before it was ever recorded, as on CUDA
    return Status::success();
  }

  Status event_elapsed_us(int64_t start, int64_t end, double* us) override {
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

  bool serves_16_bit() const override {
    return false;
  }
  Status rnn_forward(const frnn_rnn& rnn) override {
    return launch(rnn.stream, 2, [&](const Machine& m) { cpu::rnn_forward(m, rnn); });
  }
  using Device::rnn_backward;
  Status rnn_backward(const frnn_rnn& rnn, int64_t before_dx) override {
    if (before_dx != 0) FRNN_TRY(stream_wait(rnn.stream, before_dx));
    return launch(rnn.stream, 4, [&](const Machine& m) { cpu::rnn_backward(m, rnn); });
  }
  Status mask_add(const MaskAdd& what) override {
    return launch(what.stream, 0, [&](const Machine& m) { cpu::mask_add(m, what); });
  }
  Status clip_by_global_norm(const frnn_clip& clip) override {
    return launch(clip.stream, 0, [&](const Machine& m) { cpu::clip_by_global_norm(m, clip); });
  }
  Status optimizer_step(const frnn_optimizer& optimizer) override {
    return launch(optimizer.stream, 0,
                  [&](const Machine& m) { cpu::optimizer_step(m, optimizer); });
  }
  Status linear_forward(const frnn_linear& linear) override {
    return launch(linear.stream, 1, [&](const Machine& m) { cpu::linear_forward(m, linear); });
  }
  Status linear_backward(const frnn_linear& linear) override {
    return launch(linear.stream, 2, [&](const Machine& m) { cpu::linear_backward(m, linear); });
  }
  Status embedding_forward(const frnn_embedding& embedding) override {
    return launch(embedding.stream, 0,
                  [&](const Machine& m) { cpu::embedding_forward(m, embedding); });
  }
  Status embedding_backward(const frnn_embedding& embedding) override {
    return launch(embedding.stream, 0,
                  [&](const Machine& m) { cpu::embedding_backward(m, embedding); });
  }
  Status softmax_xent_forward_backward(const frnn_softmax_xent& xent) override {
    return launch(xent.stream, 0,
                  [&](const Machine& m) { cpu::softmax_xent_forward_backward(m, xent); });
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

  template <typename F>
  Status launch(int64_t stream, int gemms, const F& work) {
    FRNN_TRY(check_stream(stream));
    ++launches_;
    gemms_ += gemms;
    try {
      work(Machine{*pool_, kernels_, threads_});
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
  std::mutex mutex_;  // guards all below
  int64_t next_handle_ = 1;
  std::unordered_set<int64_t> blocks_, streams_;
  std::unordered_map<int64_t, Clock::time_point> events_;
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
