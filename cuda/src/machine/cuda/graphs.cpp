// Captures, graphs and page-locked memory over the CUDA runtime.
//
// A capture is local to its thread: other threads may go on allocating and waiting. Its rules are
// kept by Captures before the runtime sees a call, for the runtime gives up a whole capture at the
// first call that it refuses.

#include "machine/cuda/runtime.h"

namespace frnn::machine {

namespace {

// Destroys what was recorded when it goes.
struct RecordedGraph {
  ~RecordedGraph() {
    if (graph != nullptr) (void)cudaGraphDestroy(graph);
  }
  cudaGraph_t graph = nullptr;
};

Status bad_graph(int64_t graph) {
  return Status::fail(FRNN_INVALID_ARGUMENT, format("graph 0x%llx: not a live graph of this device",
                                                    static_cast<unsigned long long>(graph)));
}

}  // namespace

// A capture that was never ended would leave its streams of no use to whoever made them.
Context::~Context() {
  (void)activate();
  for (const Stream stream : captures_.origins()) {
    RecordedGraph recorded;
    (void)check(cudaStreamEndCapture(stream_of(stream), &recorded.graph), "dropping a capture");
  }
  for (const auto& [handle, graph] : graphs_)
    (void)cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph.executable));
}

Status Context::capture_begin(Stream stream) {
  FRNN_TRY(activate());
  FRNN_TRY(captures_.begin(stream));
  Status begun = check(cudaStreamBeginCapture(stream_of(stream), cudaStreamCaptureModeThreadLocal),
                       "beginning a capture");
  if (begun.ok()) return begun;
  Recording nothing;
  (void)captures_.end(stream, &nothing);
  return begun;
}

Status Context::capture_end(Stream stream, int64_t* graph) {
  FRNN_TRY(activate());
  FRNN_TRY(captures_.may_end(stream));
  Recording recording;
  const Status joined = captures_.end(stream, &recording);
  RecordedGraph recorded;
  const Status ended =
      check(cudaStreamEndCapture(stream_of(stream), &recorded.graph), "ending a capture");
  if (graph == nullptr) return Status::success();
  FRNN_TRY(joined);
  FRNN_TRY(ended);
  return instantiate(recorded.graph, recording, graph);
}

Status Context::instantiate(void* recorded, const Recording& recording, int64_t* graph) {
  cudaGraphExec_t executable = nullptr;
  FRNN_TRY(check(cudaGraphInstantiate(&executable, static_cast<cudaGraph_t>(recorded), 0),
                 "making a graph that can be launched"));
  const std::lock_guard<std::mutex> lock(graphs_lock_);
  *graph = next_graph_++;
  graphs_[*graph] = {executable, recording.kernels, recording.gemms};
  return Status::success();
}

Status Context::graph_launch(int64_t graph, Stream stream) {
  FRNN_TRY(activate());
  FRNN_TRY(captures_.may_launch_graph(stream));
  const std::lock_guard<std::mutex> lock(graphs_lock_);
  const auto found = graphs_.find(graph);
  if (found == graphs_.end()) return bad_graph(graph);
  const Graph& launched = found->second;
  FRNN_TRY(
      check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(launched.executable), stream_of(stream)),
            "launching a graph"));
  ++graph_launches_;
  launches_ += launched.kernels;
  gemms_ += launched.gemms;
  return Status::success();
}

// What has been launched still runs to its end.
Status Context::graph_destroy(int64_t graph) {
  FRNN_TRY(activate());
  const std::lock_guard<std::mutex> lock(graphs_lock_);
  const auto found = graphs_.find(graph);
  if (found == graphs_.end()) return bad_graph(graph);
  const auto executable = static_cast<cudaGraphExec_t>(found->second.executable);
  graphs_.erase(found);
  return check(cudaGraphExecDestroy(executable), "destroying a graph");
}

Status Context::host_register(int64_t address, int64_t bytes) {
  FRNN_TRY(captures_.may_allocate("host_register"));
  FRNN_TRY(activate());
  return check(
      cudaHostRegister(pointer_of(address), static_cast<size_t>(bytes), cudaHostRegisterPortable),
      "page-locking host memory");
}

Status Context::host_unregister(int64_t address) {
  FRNN_TRY(captures_.may_allocate("host_unregister"));
  FRNN_TRY(activate());
  FRNN_TRY(check(cudaDeviceSynchronize(), "waiting for the device"));
  return check(cudaHostUnregister(pointer_of(address)), "giving back page-locked memory");
}

// Also what a caller allocated or registered by CUDA's own functions.
bool Context::page_locked(int64_t address) const {
  cudaPointerAttributes attributes = {};
  const RelaxedCapture relaxed;
  const Status asked =
      check(cudaPointerGetAttributes(&attributes, pointer_of(address)), "asking for an address");
  return asked.ok() &&
         (attributes.type == cudaMemoryTypeHost || attributes.type == cudaMemoryTypeManaged);
}

}  // namespace frnn::machine
