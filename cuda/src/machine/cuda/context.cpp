// The seam's host side over the CUDA runtime: see machine/host.h for what each call promises.

#include "machine/cuda/runtime.h"
#include "machine/host.h"

namespace frnn::machine {

namespace {

int code_of(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return FRNN_OUT_OF_MEMORY;
    case cudaErrorInvalidValue:
    case cudaErrorInvalidResourceHandle:
    case cudaErrorInvalidConfiguration:
      return FRNN_INVALID_ARGUMENT;
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorInsufficientDriver:
      return FRNN_UNAVAILABLE;
    default:
      return FRNN_DEVICE_ERROR;
  }
}

}  // namespace

Status check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return Status::success();
  (void)cudaGetLastError();  // clears what is not sticky, so that the next call starts clean
  return Status::fail(code_of(error), format("%s: %s (%s)", what, cudaGetErrorString(error),
                                             cudaGetErrorName(error)));
}

namespace {

// Eight blocks are portable (CUDA programming guide, thread block clusters); compute capabilities
// 9.0 and 10.x take sixteen where the kernel says that it knows.
int largest_cluster(const cudaDeviceProp& p) {
  if (p.clusterLaunch == 0) return 1;
  return p.major == 9 || p.major == 10 ? 16 : 8;
}

}  // namespace

Status Context::device_count(int64_t* count) {
  int n = 0;
  const cudaError_t error = cudaGetDeviceCount(&n);
  *count = error == cudaSuccess ? n : 0;
  Status status = check(error, "counting CUDA devices");
  if (status.code == FRNN_UNAVAILABLE) return Status::success();  // none is an answer, not a fault
  return status;
}

Status Context::open(int64_t ordinal, std::unique_ptr<Context>* context) {
  std::unique_ptr<Context> opened(new Context);
  opened->properties_.ordinal = static_cast<int>(ordinal);
  FRNN_TRY(opened->activate());
  FRNN_TRY(opened->read_properties());
  *context = std::move(opened);
  return Status::success();
}

Status Context::read_properties() {
  Properties& to = properties_;
  cudaDeviceProp p;
  FRNN_TRY(check(cudaGetDeviceProperties(&p, to.ordinal), "reading device properties"));
  to.name = p.name;
  to.major = p.major;
  to.minor = p.minor;
  to.multiprocessors = p.multiProcessorCount;
  to.threads_per_multiprocessor = p.maxThreadsPerMultiProcessor;
  to.registers_per_multiprocessor = p.regsPerMultiprocessor;
  to.memory_bytes = static_cast<int64_t>(p.totalGlobalMem);
  to.l2_bytes = p.l2CacheSize;
  to.shared_bytes_per_multiprocessor = static_cast<int64_t>(p.sharedMemPerMultiprocessor);
  to.shared_bytes_per_block = static_cast<int64_t>(p.sharedMemPerBlockOptin);
  to.cooperative = p.cooperativeLaunch != 0;
  to.clusters = p.clusterLaunch != 0;
  to.largest_cluster = largest_cluster(p);
  FRNN_TRY(check(cudaDeviceGetAttribute(&to.clock_khz, cudaDevAttrClockRate, to.ordinal),
                 "reading the clock rate"));
  int memory_khz = 0, memory_bits = 0;
  FRNN_TRY(check(cudaDeviceGetAttribute(&memory_khz, cudaDevAttrMemoryClockRate, to.ordinal),
                 "reading the memory's clock rate"));
  FRNN_TRY(check(cudaDeviceGetAttribute(&memory_bits, cudaDevAttrGlobalMemoryBusWidth, to.ordinal),
                 "reading the memory's width"));
  to.memory_bytes_per_second = int64_t{2} * 1000 * memory_khz * (memory_bits / 8);
  FRNN_TRY(check(cudaDriverGetVersion(&to.driver_version), "reading the driver version"));
  return check(cudaRuntimeGetVersion(&to.runtime_version), "reading the runtime version");
}

Status Context::activate() {
  return check(cudaSetDevice(properties_.ordinal), "selecting the device");
}

Status Context::synchronize() {
  FRNN_TRY(captures_.may_wait_for_device());
  FRNN_TRY(activate());
  ++synchronizations_;
  return check(cudaDeviceSynchronize(), "waiting for the device");
}

Status Context::alloc(int64_t bytes, int64_t* address) {
  *address = 0;
  if (bytes == 0) return Status::success();
  FRNN_TRY(captures_.may_allocate("alloc"));
  FRNN_TRY(activate());
  void* memory = nullptr;
  const std::string what = format("allocating %lld bytes", static_cast<long long>(bytes));
  FRNN_TRY(check(cudaMalloc(&memory, static_cast<size_t>(bytes)), what.c_str()));
  ++allocations_;
  *address = reinterpret_cast<int64_t>(memory);
  return Status::success();
}

Status Context::free(int64_t address) {
  FRNN_TRY(captures_.may_allocate("free"));
  FRNN_TRY(activate());
  return check(cudaFree(pointer_of(address)), "freeing device memory");
}

Status Context::copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind,
                     Stream stream) {
  if (bytes == 0) return Status::success();
  FRNN_TRY(activate());
  if (captures_.holds(stream)) {
    const int64_t host = kind == FRNN_HOST_TO_DEVICE ? source : destination;
    const bool locked = kind == FRNN_DEVICE_TO_DEVICE || page_locked(host);
    FRNN_TRY(captures_.may_copy_host(stream, locked));
    captures_.add(stream, Recording::Kind::kWork);
  }
  const cudaMemcpyKind direction = kind == FRNN_HOST_TO_DEVICE   ? cudaMemcpyHostToDevice
                                   : kind == FRNN_DEVICE_TO_HOST ? cudaMemcpyDeviceToHost
                                                                 : cudaMemcpyDeviceToDevice;
  return check(cudaMemcpyAsync(pointer_of(destination), pointer_of(source),
                               static_cast<size_t>(bytes), direction, stream_of(stream)),
               "copying memory");
}

Status Context::fill(int64_t address, int byte_value, int64_t bytes, Stream stream) {
  if (bytes == 0) return Status::success();
  FRNN_TRY(activate());
  if (captures_.holds(stream)) captures_.add(stream, Recording::Kind::kWork);
  return check(cudaMemsetAsync(pointer_of(address), byte_value, static_cast<size_t>(bytes),
                               stream_of(stream)),
               "filling memory");
}

Status Context::stream_create(Stream* stream) {
  FRNN_TRY(activate());
  const RelaxedCapture relaxed;
  cudaStream_t created = nullptr;
  FRNN_TRY(check(cudaStreamCreateWithFlags(&created, cudaStreamNonBlocking), "creating a stream"));
  *stream = reinterpret_cast<Stream>(created);
  return Status::success();
}

Status Context::stream_destroy(Stream stream) {
  FRNN_TRY(captures_.may_destroy_stream(stream));
  FRNN_TRY(activate());
  return check(cudaStreamDestroy(stream_of(stream)), "destroying a stream");
}

Status Context::stream_synchronize(Stream stream) {
  FRNN_TRY(captures_.may_wait_for_stream(stream));
  FRNN_TRY(activate());
  const RelaxedCapture relaxed;
  ++synchronizations_;
  return check(cudaStreamSynchronize(stream_of(stream)), "waiting for a stream");
}

Status Context::stream_wait(Stream stream, Event event) {
  bool captured = false;  // the driver records it all the same
  FRNN_TRY(captures_.wait(stream, event, &captured));
  FRNN_TRY(activate());
  return check(cudaStreamWaitEvent(stream_of(stream), event_of(event), 0),
               "making a stream wait for an event");
}

Status Context::event_create(Event* event) {
  FRNN_TRY(activate());
  const RelaxedCapture relaxed;
  cudaEvent_t created = nullptr;
  FRNN_TRY(check(cudaEventCreate(&created), "creating an event"));
  *event = reinterpret_cast<Event>(created);
  return Status::success();
}

Status Context::event_destroy(Event event) {
  captures_.forget_event(event);
  FRNN_TRY(activate());
  return check(cudaEventDestroy(event_of(event)), "destroying an event");
}

Status Context::event_record(Event event, Stream stream) {
  bool captured = false;
  captures_.record(event, stream, &captured);
  FRNN_TRY(activate());
  return check(cudaEventRecord(event_of(event), stream_of(stream)), "recording an event");
}

Status Context::event_synchronize(Event event) {
  FRNN_TRY(captures_.may_ask_event(event));
  FRNN_TRY(activate());
  const RelaxedCapture relaxed;
  ++synchronizations_;
  return check(cudaEventSynchronize(event_of(event)), "waiting for an event");
}

Status Context::event_done(Event event, bool* done) {
  FRNN_TRY(captures_.may_ask_event(event));
  FRNN_TRY(activate());
  const RelaxedCapture relaxed;
  const cudaError_t error = cudaEventQuery(event_of(event));
  *done = error == cudaSuccess;
  if (error != cudaErrorNotReady) return check(error, "asking for an event");
  (void)cudaGetLastError();
  return Status::success();
}

Status Context::event_elapsed_us(Event start, Event end, double* us) {
  FRNN_TRY(captures_.may_ask_event(start));
  FRNN_TRY(captures_.may_ask_event(end));
  FRNN_TRY(activate());
  const RelaxedCapture relaxed;
  float ms = 0;
  FRNN_TRY(check(cudaEventElapsedTime(&ms, event_of(start), event_of(end)), "timing two events"));
  *us = 1000.0 * ms;
  return Status::success();
}

namespace {

// A launch as the runtime takes it. It points into itself, so it must stay where it was made.
class LaunchConfig {
 public:
  LaunchConfig(const Grid& grid, Stream stream) {
    config_.gridDim = dim3(static_cast<unsigned>(grid.blocks));
    config_.blockDim = dim3(static_cast<unsigned>(grid.threads));
    config_.dynamicSmemBytes = static_cast<size_t>(grid.shared_bytes);
    config_.stream = stream_of(stream);
    config_.attrs = attributes_;
    if (grid.cooperative) {
      cudaLaunchAttribute& attribute = attributes_[config_.numAttrs++];
      attribute.id = cudaLaunchAttributeCooperative;
      attribute.val.cooperative = 1;
    }
    if (grid.cluster > 1) {
      cudaLaunchAttribute& attribute = attributes_[config_.numAttrs++];
      attribute.id = cudaLaunchAttributeClusterDimension;
      attribute.val.clusterDim.x = static_cast<unsigned>(grid.cluster);
      attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
    }
  }
  LaunchConfig(const LaunchConfig&) = delete;
  LaunchConfig& operator=(const LaunchConfig&) = delete;
  const cudaLaunchConfig_t* get() const { return &config_; }

 private:
  cudaLaunchConfig_t config_ = {};
  cudaLaunchAttribute attributes_[2] = {};
};

// What a kernel may have only when it was asked for: more than 48 KiB of dynamic shared memory, and
// clusters of more than 8 blocks.
Status allow(const void* kernel, const Grid& grid) {
  if (grid.shared_bytes > 48 * 1024) {
    FRNN_TRY(check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                        grid.shared_bytes),
                   "asking for shared memory"));
  }
  if (grid.cluster > 8) {
    FRNN_TRY(check(cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1),
                   "asking for large clusters"));
  }
  return Status::success();
}

}  // namespace

Status Context::launch_bytes(const char* name, const void* kernel, const Grid& grid, Stream stream,
                             const void* args) {
  if (grid.blocks == 0) return Status::success();
  FRNN_TRY(activate());
  FRNN_TRY(allow(kernel, grid));
  const LaunchConfig config(grid, stream);
  void* parameters[] = {const_cast<void*>(args)};
  if (captures_.holds(stream)) {
    captures_.add(stream, Recording::Kind::kKernel);
  } else {
    ++launches_;
  }
  return check(cudaLaunchKernelExC(config.get(), kernel, parameters), name);
}

Status Context::resident_blocks_of(const void* kernel, const Grid& grid, int* per_multiprocessor) {
  FRNN_TRY(activate());
  FRNN_TRY(allow(kernel, grid));
  return check(
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(per_multiprocessor, kernel, grid.threads,
                                                    static_cast<size_t>(grid.shared_bytes)),
      "asking for a kernel's occupancy");
}

Status Context::resident_clusters_of(const void* kernel, const Grid& grid, int* count) {
  *count = 0;
  if (!properties_.clusters) return Status::success();
  FRNN_TRY(activate());
  FRNN_TRY(allow(kernel, grid));
  const LaunchConfig config(grid, 0);
  const cudaError_t error = cudaOccupancyMaxActiveClusters(count, kernel, config.get());
  if (error == cudaSuccess) return Status::success();
  *count = 0;
  // A cluster larger than this device has is an answer, not a fault.
  if (error == cudaErrorInvalidClusterSize) {
    (void)cudaGetLastError();
    return Status::success();
  }
  return check(error, "asking for a kernel's clusters");
}

Status Context::counter(const std::string& key, int64_t* value) {
  const struct {
    const char* key;
    const std::atomic<int64_t>& value;
  } counters[] = {{"allocations", allocations_},
                  {"synchronizations", synchronizations_},
                  {"launches", launches_},
                  {"gemms", gemms_},
                  {"graph_launches", graph_launches_}};
  for (const auto& counter : counters) {
    if (key == counter.key) {
      *value = counter.value;
      return Status::success();
    }
  }
  return Status::fail(
      FRNN_INVALID_ARGUMENT,
      "counter: expected allocations, synchronizations, launches, gemms or graph_launches, got " +
          key);
}

Status Context::set(const std::string& key, int64_t) {
  return Status::fail(FRNN_INVALID_ARGUMENT, "set: the cuda device has no setting " + key);
}

}  // namespace frnn::machine
