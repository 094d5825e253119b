#include "host/gpu_device.h"

#include "host/gpu_rnn.h"
#include "host/json_text.h"

namespace frnn {
namespace {

using Wide = long long;

// CUDA's and cuBLAS's version numbers in words: 13000 is 13.0, 130002 is 13.0.2.
std::string cuda_version(int version) {
  return version == 0 ? "none" : format("%d.%d", version / 1000, version % 1000 / 10);
}
std::string blas_version(int version) {
  if (version < 100000) return format("%d", version);
  return format("%d.%d.%d", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace

Status GpuDevice::open(int64_t ordinal, const std::string& cublas,
                       std::unique_ptr<Device>* device) {
  std::unique_ptr<GpuDevice> opened(new GpuDevice);
  FRNN_TRY(machine::Context::open(ordinal, &opened->context_));
  opened->planner_ = std::make_unique<Planner>(opened->context_->properties());
  FRNN_TRY(opened->context_->activate());
  FRNN_TRY(opened->blas_.open(cublas));
  *device = std::move(opened);
  return Status::success();
}

std::string GpuDevice::describe() {
  const machine::Properties& p = context_->properties();
  std::string out = format("{\"backend\": \"%s\", \"name\": %s, \"ordinal\": %d",
                           p.emulated ? "emulated" : "cuda", json_text(p.name).c_str(), p.ordinal);
  out += format(", \"compute_capability\": \"%d.%d\", \"multiprocessors\": %d", p.major, p.minor,
                p.multiprocessors);
  out += format(", \"memory_bytes\": %lld, \"l2_bytes\": %lld", static_cast<Wide>(p.memory_bytes),
                static_cast<Wide>(p.l2_bytes));
  out += format(", \"shared_bytes_per_multiprocessor\": %lld, \"shared_bytes_per_block\": %lld",
                static_cast<Wide>(p.shared_bytes_per_multiprocessor),
                static_cast<Wide>(p.shared_bytes_per_block));
  out += format(", \"registers_per_multiprocessor\": %d, \"threads_per_multiprocessor\": %d",
                p.registers_per_multiprocessor, p.threads_per_multiprocessor);
  out += format(", \"clock_mhz\": %d, \"cooperative\": %s", p.clock_khz / 1000,
                p.cooperative ? "true" : "false");
  out += format(", \"driver\": \"%s\", \"runtime\": \"%s\"", cuda_version(p.driver_version).c_str(),
                cuda_version(p.runtime_version).c_str());
  out += format(", \"blas\": {\"path\": %s, \"version\": \"%s\"}}",
                json_text(blas_.library().path).c_str(),
                blas_version(blas_.library().version).c_str());
  return out;
}

Status GpuDevice::set(const std::string& key, int64_t value) {
  if (key != "cluster") return context_->set(key, value);
  if (value != 0 && value != 2 && value != 4 && value != 8 && value != 16) {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        format("cluster: expected 2, 4, 8 or 16 blocks, or 0 for the planner's "
                               "choice, got %lld",
                               static_cast<Wide>(value)));
  }
  planner_->set_cluster(static_cast<int>(value));
  return Status::success();
}
Status GpuDevice::counter(const std::string& key, int64_t* value) {
  return context_->counter(key, value);
}
Status GpuDevice::synchronize() {
  return context_->synchronize();
}

Status GpuDevice::alloc(int64_t bytes, int64_t* address) {
  return context_->alloc(bytes, address);
}
Status GpuDevice::free(int64_t address) {
  return context_->free(address);
}
Status GpuDevice::copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind,
                       int64_t stream) {
  return context_->copy(destination, source, bytes, kind, stream);
}
Status GpuDevice::fill(int64_t address, int byte_value, int64_t bytes, int64_t stream) {
  return context_->fill(address, byte_value, bytes, stream);
}

Status GpuDevice::stream_create(int64_t* stream) {
  return context_->stream_create(stream);
}
Status GpuDevice::stream_destroy(int64_t stream) {
  return context_->stream_destroy(stream);
}
Status GpuDevice::stream_synchronize(int64_t stream) {
  return context_->stream_synchronize(stream);
}
Status GpuDevice::stream_wait(int64_t stream, int64_t event) {
  return context_->stream_wait(stream, event);
}

Status GpuDevice::event_create(int64_t* event) {
  return context_->event_create(event);
}
Status GpuDevice::event_destroy(int64_t event) {
  return context_->event_destroy(event);
}
Status GpuDevice::event_record(int64_t event, int64_t stream) {
  return context_->event_record(event, stream);
}
Status GpuDevice::event_synchronize(int64_t event) {
  return context_->event_synchronize(event);
}
Status GpuDevice::event_done(int64_t event, int64_t* done) {
  bool is_done = false;
  FRNN_TRY(context_->event_done(event, &is_done));
  *done = is_done ? 1 : 0;
  return Status::success();
}
Status GpuDevice::event_elapsed_us(int64_t start, int64_t end, double* us) {
  return context_->event_elapsed_us(start, end, us);
}

Status GpuDevice::capture_begin(int64_t stream) {
  return context_->capture_begin(stream);
}
Status GpuDevice::capture_end(int64_t stream, int64_t* graph) {
  return context_->capture_end(stream, graph);
}
Status GpuDevice::graph_launch(int64_t graph, int64_t stream) {
  return context_->graph_launch(graph, stream);
}
Status GpuDevice::graph_destroy(int64_t graph) {
  return context_->graph_destroy(graph);
}
Status GpuDevice::host_register(int64_t address, int64_t bytes) {
  return context_->host_register(address, bytes);
}
Status GpuDevice::host_unregister(int64_t address) {
  return context_->host_unregister(address);
}

Status GpuDevice::rnn_forward(const frnn_rnn& rnn) {
  return gpu_rnn_forward({*context_, rnn.stream}, blas_, *planner_, rnn);
}
Status GpuDevice::rnn_backward(const frnn_rnn& rnn, int64_t before_dx) {
  return gpu_rnn_backward({*context_, rnn.stream, before_dx}, blas_, *planner_, rnn);
}

}  // namespace frnn
