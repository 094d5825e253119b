// The seam's host side over the CUDA runtime. The contract is in host.h, which includes this.

#ifndef FUSEDRNN_SRC_MACHINE_CUDA_HOST_H_
#define FUSEDRNN_SRC_MACHINE_CUDA_HOST_H_

#include <cuda_runtime_api.h>

#include <atomic>
#include <memory>

namespace frnn::machine {

namespace detail {

inline Status cuda_status(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return Status::success();
  const int code = error == cudaErrorMemoryAllocation                               ? FRNN_OUT_OF_MEMORY
                   : error == cudaErrorInvalidValue                                 ? FRNN_INVALID_ARGUMENT
                   : error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver ? FRNN_UNAVAILABLE
                                                                                    : FRNN_DEVICE_ERROR;
  (void)cudaGetLastError();  // clears what is not sticky, so that the next call starts clean
  return Status::fail(code, format("%s: %s (%s)", what, cudaGetErrorString(error),
                                   cudaGetErrorName(error)));
}
inline cudaStream_t stream_of(Stream stream) { return reinterpret_cast<cudaStream_t>(stream); }
inline cudaEvent_t event_of(Event event) { return reinterpret_cast<cudaEvent_t>(event); }
inline void* pointer_of(int64_t address) { return reinterpret_cast<void*>(address); }

}  // namespace detail

class Context {
 public:
  static Status device_count(int64_t* count) {
    int n = 0;
    const cudaError_t error = cudaGetDeviceCount(&n);
    (void)cudaGetLastError();
    *count = error == cudaSuccess ? n : 0;
    if (error == cudaSuccess || error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver) {
      return Status::success();
    }
    return detail::cuda_status(error, "counting CUDA devices");
  }

  static Status open(int64_t ordinal, std::unique_ptr<Context>* context) {
    std::unique_ptr<Context> opened(new Context);
    opened->properties_.ordinal = static_cast<int>(ordinal);
    FRNN_TRY(opened->activate());
    FRNN_TRY(opened->read_properties());
    *context = std::move(opened);
    return Status::success();
  }

  const Properties& properties() const { return properties_; }
  Status activate() { return check(cudaSetDevice(properties_.ordinal), "selecting the device"); }
  Status synchronize() {
    FRNN_TRY(activate());
    ++synchronizations_;
    return check(cudaDeviceSynchronize(), "waiting for the device");
  }

  Status alloc(int64_t bytes, int64_t* address) {
    *address = 0;
    if (bytes == 0) return Status::success();
    FRNN_TRY(activate());
    void* memory = nullptr;
    FRNN_TRY(check(cudaMalloc(&memory, static_cast<size_t>(bytes)),
                   format("allocating %lld bytes", static_cast<long long>(bytes)).c_str()));
    ++allocations_;
    *address = reinterpret_cast<int64_t>(memory);
    return Status::success();
  }
  Status free(int64_t address) {
    FRNN_TRY(activate());
    return check(cudaFree(detail::pointer_of(address)), "freeing device memory");
  }
  Status copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind, Stream stream) {
    if (bytes == 0) return Status::success();
    FRNN_TRY(activate());
    const cudaMemcpyKind direction = kind == FRNN_HOST_TO_DEVICE   ? cudaMemcpyHostToDevice
                                     : kind == FRNN_DEVICE_TO_HOST ? cudaMemcpyDeviceToHost
                                                                   : cudaMemcpyDeviceToDevice;
    return check(cudaMemcpyAsync(detail::pointer_of(destination), detail::pointer_of(source),
                                 static_cast<size_t>(bytes), direction, detail::stream_of(stream)),
                 "copying memory");
  }
  Status fill(int64_t address, int byte_value, int64_t bytes, Stream stream) {
    if (bytes == 0) return Status::success();
    FRNN_TRY(activate());
    return check(cudaMemsetAsync(detail::pointer_of(address), byte_value,
                                 static_cast<size_t>(bytes), detail::stream_of(stream)),
                 "filling memory");
  }

  Status stream_create(Stream* stream) {
    FRNN_TRY(activate());
    cudaStream_t created = nullptr;
    FRNN_TRY(check(cudaStreamCreateWithFlags(&created, cudaStreamNonBlocking), "creating a stream"));
    *stream = reinterpret_cast<Stream>(created);
    return Status::success();
  }
  Status stream_destroy(Stream stream) {
    FRNN_TRY(activate());
    return check(cudaStreamDestroy(detail::stream_of(stream)), "destroying a stream");
  }
  Status stream_synchronize(Stream stream) {
    FRNN_TRY(activate());
    ++synchronizations_;
    return check(cudaStreamSynchronize(detail::stream_of(stream)), "waiting for a stream");
  }
  Status stream_wait(Stream stream, Event event) {
    FRNN_TRY(activate());
    return check(cudaStreamWaitEvent(detail::stream_of(stream), detail::event_of(event), 0),
                 "making a stream wait for an event");
  }

  Status event_create(Event* event) {
    FRNN_TRY(activate());
    cudaEvent_t created = nullptr;
    FRNN_TRY(check(cudaEventCreate(&created), "creating an event"));
    *event = reinterpret_cast<Event>(created);
    return Status::success();
  }
  Status event_destroy(Event event) {
    FRNN_TRY(activate());
    return check(cudaEventDestroy(detail::event_of(event)), "destroying an event");
  }
  Status event_record(Event event, Stream stream) {
    FRNN_TRY(activate());
    return check(cudaEventRecord(detail::event_of(event), detail::stream_of(stream)),
                 "recording an event");
  }
  Status event_synchronize(Event event) {
    FRNN_TRY(activate());
    ++synchronizations_;
    return check(cudaEventSynchronize(detail::event_of(event)), "waiting for an event");
  }
  Status event_done(Event event, bool* done) {
    FRNN_TRY(activate());
    const cudaError_t error = cudaEventQuery(detail::event_of(event));
    *done = error == cudaSuccess;
    if (error != cudaErrorNotReady) return check(error, "asking for an event");
    (void)cudaGetLastError();
    return Status::success();
  }
  Status event_elapsed_us(Event start, Event end, double* us) {
    FRNN_TRY(activate());
    float ms = 0;
    FRNN_TRY(check(cudaEventElapsedTime(&ms, detail::event_of(start), detail::event_of(end)),
                   "timing two events"));
    *us = 1000.0 * ms;
    return Status::success();
  }

  template <class Args>
  Status launch(const char* name, void (*kernel)(Args), const Grid& grid, Stream stream,
                const typename TypeOf<Args>::type& args) {
    if (grid.blocks == 0) return Status::success();
    FRNN_TRY(activate());
    FRNN_TRY(allow_shared(reinterpret_cast<const void*>(kernel), grid));
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(static_cast<unsigned>(grid.blocks));
    config.blockDim = dim3(static_cast<unsigned>(grid.threads));
    config.dynamicSmemBytes = static_cast<size_t>(grid.shared_bytes);
    config.stream = detail::stream_of(stream);
    cudaLaunchAttribute attributes[1];
    if (grid.cooperative) {
      attributes[0].id = cudaLaunchAttributeCooperative;
      attributes[0].val.cooperative = 1;
      config.attrs = attributes;
      config.numAttrs = 1;
    }
    void* parameters[] = {const_cast<Args*>(&args)};
    ++launches_;
    return check(
        cudaLaunchKernelExC(&config, reinterpret_cast<const void*>(kernel), parameters), name);
  }

  template <class Args>
  Status resident_blocks(void (*kernel)(Args), const Grid& grid, int* per_multiprocessor) {
    FRNN_TRY(activate());
    FRNN_TRY(allow_shared(reinterpret_cast<const void*>(kernel), grid));
    return check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(
                     per_multiprocessor, reinterpret_cast<const void*>(kernel), grid.threads,
                     static_cast<size_t>(grid.shared_bytes)),
                 "asking for a kernel's occupancy");
  }

  Status counter(const std::string& key, int64_t* value) {
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
                          "counter: expected allocations, synchronizations, launches or gemms, got " +
                              key);
    }
    return Status::success();
  }
  Status set(const std::string& key, int64_t) {
    return Status::fail(FRNN_INVALID_ARGUMENT, "set: the cuda device has no setting " + key);
  }
  void count_gemm() { ++gemms_; }

 private:
  Context() = default;

  static Status check(cudaError_t error, const char* what) {
    return detail::cuda_status(error, what);
  }

  // More than 48 KiB of dynamic shared memory is granted to a kernel only when it is asked for.
  static Status allow_shared(const void* kernel, const Grid& grid) {
    if (grid.shared_bytes <= 48 * 1024) return Status::success();
    return check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                      grid.shared_bytes),
                 "asking for shared memory");
  }

  Status read_properties() {
    cudaDeviceProp p;
    FRNN_TRY(check(cudaGetDeviceProperties(&p, properties_.ordinal), "reading device properties"));
    properties_.name = p.name;
    properties_.major = p.major;
    properties_.minor = p.minor;
    properties_.multiprocessors = p.multiProcessorCount;
    properties_.threads_per_multiprocessor = p.maxThreadsPerMultiProcessor;
    properties_.registers_per_multiprocessor = p.regsPerMultiprocessor;
    properties_.memory_bytes = static_cast<int64_t>(p.totalGlobalMem);
    properties_.l2_bytes = p.l2CacheSize;
    properties_.shared_bytes_per_multiprocessor =
        static_cast<int64_t>(p.sharedMemPerMultiprocessor);
    properties_.shared_bytes_per_block = static_cast<int64_t>(p.sharedMemPerBlockOptin);
    properties_.cooperative = p.cooperativeLaunch != 0;
    FRNN_TRY(check(cudaDeviceGetAttribute(&properties_.clock_khz, cudaDevAttrClockRate,
                                          properties_.ordinal),
                   "reading the clock rate"));
    FRNN_TRY(check(cudaDriverGetVersion(&properties_.driver_version), "reading the driver version"));
    return check(cudaRuntimeGetVersion(&properties_.runtime_version), "reading the runtime version");
  }

  Properties properties_;
  std::atomic<int64_t> allocations_{0};
  std::atomic<int64_t> synchronizations_{0};
  std::atomic<int64_t> launches_{0};
  std::atomic<int64_t> gemms_{0};
};

}  // namespace frnn::machine

#endif  // FUSEDRNN_SRC_MACHINE_CUDA_HOST_H_
