// Captures, graphs and page-locked memory of an emulated device. A graph is what its streams were
// given, in the order of the calls; a launch enqueues it anew: the first stream's part on the
// stream of the launch, every other stream's on a queue of its own, with the waits between them as
// they were. Kernels get new numbers, and with them new random orders, at each launch.

#include "machine.h"

namespace frnn::machine::emulated {

namespace {

unsigned long long shown(int64_t handle) {
  return static_cast<unsigned long long>(handle);
}

}  // namespace

Status Machine::capture_begin(Stream stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  Queue* queue = nullptr;
  FRNN_TRY(find_stream(stream, &queue));
  return captures_.begin(stream);
}

// A capture can be ended on a poisoned device too.
Status Machine::capture_end(Stream stream, int64_t* graph) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(captures_.may_end(stream));
  Graph made;
  const Status joined = captures_.end(stream, &made.recording);
  if (graph == nullptr) return Status::success();
  FRNN_TRY(error_);
  FRNN_TRY(joined);
  *graph = new_handle();
  graphs_[*graph] = std::move(made);
  return Status::success();
}

Status Machine::graph_launch(int64_t graph, Stream stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  Queue* queue = nullptr;
  FRNN_TRY(find_stream(stream, &queue));
  const auto found = graphs_.find(graph);
  if (found == graphs_.end()) {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        format("graph 0x%llx: not a live graph of this device", shown(graph)));
  }
  FRNN_TRY(captures_.may_launch_graph(stream));
  Graph& launched = found->second;
  // As on a GPU, launches of one graph follow one another whatever their streams.
  if (launched.last_number != 0) push_wait(queue, launched.last_stream, launched.last_number);
  enqueue_recording(launched.recording, stream);
  launched.last_stream = stream;
  launched.last_number = push(queue, nullptr);
  gemms_ += launched.recording.gemms;
  ++graph_launches_;
  return Status::success();
}

void Machine::enqueue_recording(const Recording& recording, Stream stream) {
  std::map<Stream, Stream> lanes = {{recording.origin, stream}};
  std::vector<std::pair<Stream, uint64_t>> placed;
  for (const Recording::Node& node : recording.nodes) {
    auto lane = lanes.find(node.stream);
    if (lane == lanes.end()) lane = lanes.emplace(node.stream, new_handle()).first;
    Queue& queue = queues_[lane->second];
    if (node.kind == Recording::Kind::kWait) {
      const auto& [on, number] = placed[static_cast<size_t>(node.after)];
      push_wait(&queue, on, number);
    } else {
      push(&queue, node.work, node.kind);
    }
    placed.emplace_back(lane->second, queue.operations.back().number);
  }
  // Nobody has the handles of the other lanes; they end when they have run empty.
  for (const auto& [captured, lane] : lanes) {
    if (captured != recording.origin) queues_[lane].destroyed = true;
  }
}

// What is in the streams already still runs, for it holds its own copy of the work.
Status Machine::graph_destroy(int64_t graph) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (graphs_.erase(graph) == 1) return Status::success();
  return Status::fail(FRNN_INVALID_ARGUMENT,
                      format("graph 0x%llx: not a live graph of this device", shown(graph)));
}

Status Machine::host_register(int64_t address, int64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(error_);
  FRNN_TRY(captures_.may_allocate("host_register"));
  return page_locked_.add(address, bytes);
}

// Waits for the device, so that no copy finds the memory gone.
Status Machine::host_unregister(int64_t address) {
  std::lock_guard<std::mutex> lock(mutex_);
  FRNN_TRY(captures_.may_allocate("host_unregister"));
  FRNN_TRY(page_locked_.check(address));
  const Status status = error_.ok() ? run_all() : Status::success();
  FRNN_TRY(page_locked_.remove(address));
  return status;
}

}  // namespace frnn::machine::emulated
