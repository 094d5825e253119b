#include "machine.h"

#include <algorithm>
#include <cstring>

#include "fault.h"

namespace frnn::machine::emulated {

namespace {

// Stream and event handles count up through the process, so that one device's is no other's.
std::atomic<int64_t> next_handle{0x5000};

unsigned char* bytes_at(int64_t address) {
  return reinterpret_cast<unsigned char*>(address);
}
unsigned long long shown(int64_t address) {
  return static_cast<unsigned long long>(address);
}

}  // namespace

int64_t Machine::new_handle() {
  return next_handle += 16;
}

// ---- Queues -----------------------------------------------------------------------------------

Status Machine::find_stream(Stream stream, Queue** queue) {
  const auto found = queues_.find(stream);
  if (found == queues_.end() && stream == 0) {
    *queue = &queues_[0];
  } else if (found == queues_.end() || found->second.destroyed) {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        format("stream 0x%llx: not a live stream of this device", shown(stream)));
  } else {
    *queue = &found->second;
  }
  return Status::success();
}

Status Machine::find_event(Event event, EventState** state) {
  const auto found = events_.find(event);
  if (found == events_.end()) {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        format("event 0x%llx: not a live event of this device", shown(event)));
  }
  *state = &found->second;
  return Status::success();
}

uint64_t Machine::push(Queue* queue, Recording::Work work, Recording::Kind kind) {
  Operation operation;
  operation.number = next_number_++;
  operation.work = std::move(work);
  if (kind == Recording::Kind::kKernel) operation.launch = static_cast<uint64_t>(++launches_);
  queue->operations.push_back(std::move(operation));
  return queue->operations.back().number;
}

void Machine::push_wait(Queue* queue, Stream stream, uint64_t number) {
  push(queue, nullptr);
  queue->operations.back().wait_stream = stream;
  queue->operations.back().wait_number = number;
}

void Machine::submit(Stream stream, Queue* queue, Recording::Work work, Recording::Kind kind) {
  if (captures_.holds(stream)) {
    captures_.add(stream, kind, std::move(work));
  } else {
    push(queue, std::move(work), kind);
  }
}

bool Machine::pending(Stream stream, uint64_t number) const {
  const auto q = queues_.find(stream);
  return q != queues_.end() && !q->second.operations.empty() &&
         q->second.operations.front().number <= number;
}

// Runs `stream` up to and with operation `number`, and before that what it waits for. A wait names
// an operation that was enqueued before it, so this ends.
Status Machine::run_until(Stream stream, uint64_t number) {
  std::vector<std::pair<Stream, uint64_t>> goals = {{stream, number}};
  while (!goals.empty()) {
    const auto [at, until] = goals.back();
    if (!pending(at, until)) {
      goals.pop_back();
      continue;
    }
    Queue& queue = queues_[at];
    const Operation& first = queue.operations.front();
    if (first.wait_number != 0 && pending(first.wait_stream, first.wait_number)) {
      goals.emplace_back(first.wait_stream, first.wait_number);
      continue;
    }
    const Recording::Work work = std::move(queue.operations.front().work);
    const uint64_t launch = queue.operations.front().launch;
    queue.operations.pop_front();
    if (work) {
      Status status = work(launch);
      if (!status.ok()) return poison(std::move(status));
    }
    if (queue.destroyed && queue.operations.empty()) queues_.erase(at);
  }
  return error_;
}

// Everything, hopping from stream to stream at random.
Status Machine::run_all() {
  for (;;) {
    std::vector<Stream> busy;
    for (const auto& [stream, queue] : queues_) {
      if (!queue.operations.empty()) busy.push_back(stream);
    }
    if (busy.empty()) return error_;
    const Stream stream = busy[random_.below(static_cast<uint32_t>(busy.size()))];
    const auto& operations = queues_[stream].operations;
    const size_t some = busy.size() == 1
                            ? operations.size()
                            : 1 + random_.below(static_cast<uint32_t>(operations.size()));
    FRNN_TRY(run_until(stream, operations[some - 1].number));
  }
}

Status Machine::poison(Status error) {
  error_ = Status::fail(FRNN_DEVICE_ERROR, std::move(error.text));
  for (auto& [stream, queue] : queues_)
    queue.operations.clear();
  return error_;
}

// ---- Waiting ----------------------------------------------------------------------------------

Status Machine::synchronize() {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(captures_.may_wait_for_device());
  ++synchronizations_;
  return run_all();
}

Status Machine::stream_synchronize(Stream stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  Queue* queue = nullptr;
  FRNN_TRY(find_stream(stream, &queue));
  FRNN_TRY(captures_.may_wait_for_stream(stream));
  ++synchronizations_;
  if (queue->operations.empty()) return Status::success();
  return run_until(stream, queue->operations.back().number);
}

Status Machine::event_synchronize(Event event) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  EventState* state = nullptr;
  FRNN_TRY(find_event(event, &state));
  FRNN_TRY(captures_.may_ask_event(event));
  ++synchronizations_;
  if (state->completed >= state->recorded) return Status::success();
  return run_until(state->stream, state->recorded);
}

// ---- Memory -----------------------------------------------------------------------------------

Status Machine::alloc(int64_t bytes, int64_t* address) {
  std::lock_guard<std::mutex> lock(mutex_);
  *address = 0;
  FRNN_TRY(error_);
  if (bytes == 0) return Status::success();
  if (bytes < 0) {
    return Status::fail(FRNN_INVALID_ARGUMENT, "alloc: expected a size of at least 0");
  }
  FRNN_TRY(captures_.may_allocate("alloc"));
  FRNN_TRY(memory_.alloc(bytes, address));
  ++allocations_;
  return Status::success();
}

// As cudaFree, waits for the device. On a poisoned device memory can still be given back.
Status Machine::free(int64_t address) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(captures_.may_allocate("free"));
  const bool was_usable = error_.ok();
  const Status status = was_usable ? run_all() : Status::success();
  const Status freed = memory_.free(address);
  return status.ok() ? freed : status;
}

Status Machine::check_copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind) const {
  if (kind == FRNN_HOST_TO_DEVICE || kind == FRNN_DEVICE_TO_DEVICE) {
    FRNN_TRY(memory_.check(destination, bytes, "copy: destination"));
  }
  if (kind == FRNN_DEVICE_TO_HOST || kind == FRNN_DEVICE_TO_DEVICE) {
    FRNN_TRY(memory_.check(source, bytes, "copy: source"));
  }
  const int64_t host = kind == FRNN_HOST_TO_DEVICE   ? source
                       : kind == FRNN_DEVICE_TO_HOST ? destination
                                                     : 0;
  if (kind != FRNN_DEVICE_TO_DEVICE && (host == 0 || memory_.maps(host))) {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        format("copy: expected host memory, got 0x%llx", shown(host)));
  }
  if (kind == FRNN_DEVICE_TO_DEVICE && destination < source + bytes &&
      source < destination + bytes) {
    return Status::fail(FRNN_INVALID_ARGUMENT, "copy: source and destination overlap");
  }
  return Status::success();
}

Status Machine::copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind,
                     Stream stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  Queue* queue = nullptr;
  FRNN_TRY(find_stream(stream, &queue));
  if (bytes == 0) return Status::success();
  if (kind != FRNN_HOST_TO_DEVICE && kind != FRNN_DEVICE_TO_HOST && kind != FRNN_DEVICE_TO_DEVICE) {
    return Status::fail(FRNN_INVALID_ARGUMENT, "copy: unknown kind of copy");
  }
  FRNN_TRY(check_copy(destination, source, bytes, kind));
  const int64_t host = kind == FRNN_HOST_TO_DEVICE ? source : destination;
  const bool locked = kind == FRNN_DEVICE_TO_DEVICE || page_locked_.hold(host, bytes);
  FRNN_TRY(captures_.may_copy_host(stream, locked));
  submit(stream, queue, [=](uint64_t) {
    FRNN_TRY(check_copy(destination, source, bytes, kind));
    if (locked && kind != FRNN_DEVICE_TO_DEVICE && !page_locked_.hold(host, bytes)) {
      return Status::fail(
          FRNN_DEVICE_ERROR,
          format("copy: the memory at 0x%llx was unregistered before the copy", shown(host)));
    }
    std::memcpy(bytes_at(destination), bytes_at(source), static_cast<size_t>(bytes));
    return Status::success();
  });
  return Status::success();
}

Status Machine::fill(int64_t address, int byte_value, int64_t bytes, Stream stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  Queue* queue = nullptr;
  FRNN_TRY(find_stream(stream, &queue));
  if (bytes == 0) return Status::success();
  FRNN_TRY(memory_.check(address, bytes, "fill"));
  submit(stream, queue, [=](uint64_t) {
    FRNN_TRY(memory_.check(address, bytes, "fill"));
    std::memset(bytes_at(address), byte_value, static_cast<size_t>(bytes));
    return Status::success();
  });
  return Status::success();
}

Status Machine::check_memory(int64_t address, int64_t bytes, const char* what) {
  std::lock_guard<std::mutex> lock(mutex_);
  return memory_.check(address, bytes, what);
}

Status Machine::range(int64_t address, int64_t* base, int64_t* bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  return memory_.range(address, base, bytes);
}

// ---- Streams and events -----------------------------------------------------------------------

Status Machine::stream_create(Stream* stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  *stream = new_handle();
  queues_[*stream];
  return Status::success();
}

bool Machine::has_stream(Stream stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  Queue* queue = nullptr;
  return find_stream(stream, &queue).ok();
}

// As in CUDA, work that is still in the stream is done all the same, when something waits for it.
Status Machine::stream_destroy(Stream stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  Queue* queue = nullptr;
  if (stream == 0) {
    return Status::fail(FRNN_INVALID_ARGUMENT, "the default stream cannot be destroyed");
  }
  FRNN_TRY(find_stream(stream, &queue));
  FRNN_TRY(captures_.may_destroy_stream(stream));
  queue->destroyed = true;
  if (queue->operations.empty()) queues_.erase(stream);
  return Status::success();
}

Status Machine::stream_wait(Stream stream, Event event) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  Queue* queue = nullptr;
  EventState* state = nullptr;
  FRNN_TRY(find_stream(stream, &queue));
  FRNN_TRY(find_event(event, &state));
  bool captured = false;
  FRNN_TRY(captures_.wait(stream, event, &captured));
  if (!captured && state->recorded != 0) push_wait(queue, state->stream, state->recorded);
  return Status::success();
}

Status Machine::event_create(Event* event) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  *event = new_handle();
  events_[*event];
  return Status::success();
}

Status Machine::event_destroy(Event event) {
  std::lock_guard<std::mutex> lock(mutex_);
  EventState* state = nullptr;
  FRNN_TRY(find_event(event, &state));
  captures_.forget_event(event);
  events_.erase(event);
  return Status::success();
}

Status Machine::event_record(Event event, Stream stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  Queue* queue = nullptr;
  EventState* state = nullptr;
  FRNN_TRY(find_stream(stream, &queue));
  FRNN_TRY(find_event(event, &state));
  bool captured = false;
  captures_.record(event, stream, &captured);
  if (captured) return Status::success();
  const uint64_t number = next_number_;
  push(queue, [this, event, number](uint64_t) {
    const auto found = events_.find(event);
    if (found != events_.end() && found->second.completed < number) {
      found->second.completed = number;
      found->second.time = Clock::now();
    }
    return Status::success();
  });
  state->stream = stream;
  state->recorded = number;
  return Status::success();
}

// Says how things stand, and then does the work: who asks again and again will hear that it is
// done.
Status Machine::event_done(Event event, bool* done) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  EventState* state = nullptr;
  FRNN_TRY(find_event(event, &state));
  FRNN_TRY(captures_.may_ask_event(event));
  *done = state->completed >= state->recorded;
  return *done ? Status::success() : run_until(state->stream, state->recorded);
}

Status Machine::event_elapsed_us(Event start, Event end, double* us) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  EventState* states[2] = {nullptr, nullptr};
  FRNN_TRY(find_event(start, &states[0]));
  FRNN_TRY(find_event(end, &states[1]));
  FRNN_TRY(captures_.may_ask_event(start));
  FRNN_TRY(captures_.may_ask_event(end));
  for (const EventState* state : states) {
    if (state->recorded == 0 || state->completed < state->recorded) {
      return Status::fail(FRNN_INVALID_ARGUMENT,
                          "event_elapsed_us: both events must be recorded and done");
    }
  }
  *us = std::chrono::duration<double, std::micro>(states[1]->time - states[0]->time).count();
  return Status::success();
}

Status Machine::enqueue(Stream stream, std::function<Status()> work) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  Queue* queue = nullptr;
  FRNN_TRY(find_stream(stream, &queue));
  submit(stream, queue, [work = std::move(work)](uint64_t) { return work(); });
  return Status::success();
}

// ---- Settings and counters --------------------------------------------------------------------

Status Machine::set(const std::string& key, int64_t value) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (key == "seed") {
    seed_ = static_cast<uint64_t>(value);
    random_ = Random(seed_);
  } else if (key == "workers") {
    if (value < 1 || value > 256) {
      return Status::fail(FRNN_INVALID_ARGUMENT, format("workers: expected 1 to 256, got %lld",
                                                        static_cast<long long>(value)));
    }
    workers_ = static_cast<int>(value);
  } else {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        "the emulated device's settings are seed and workers, not " + key);
  }
  return Status::success();
}

Status Machine::counter(const std::string& key, int64_t* value) {
  std::lock_guard<std::mutex> lock(mutex_);
  const std::pair<const char*, int64_t> counters[] = {{"allocations", allocations_},
                                                      {"synchronizations", synchronizations_},
                                                      {"launches", launches_},
                                                      {"gemms", gemms_},
                                                      {"graph_launches", graph_launches_},
                                                      {"live_allocations", memory_.live_count()},
                                                      {"live_bytes", memory_.live_bytes()}};
  for (const auto& [name, count] : counters) {
    if (key == name) {
      *value = count;
      return Status::success();
    }
  }
  return Status::fail(FRNN_INVALID_ARGUMENT,
                      "counter: expected allocations, synchronizations, launches, gemms, "
                      "graph_launches, live_allocations or live_bytes, got " +
                          key);
}

void Machine::count_gemm(Stream stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!captures_.add_gemm(stream)) ++gemms_;
}

}  // namespace frnn::machine::emulated
