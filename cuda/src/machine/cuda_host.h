// The seam's host side over the CUDA runtime. The contract is in host.h, which includes this; the
// definitions are in cuda/context.cpp. Launches are templates so that nvcc sees the kernel's type.

#ifndef FUSEDRNN_SRC_MACHINE_CUDA_HOST_H_
#define FUSEDRNN_SRC_MACHINE_CUDA_HOST_H_

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

#include "host/captures.h"

namespace frnn::machine {

class Context {
 public:
  static Status device_count(int64_t* count);
  static Status open(int64_t ordinal, std::unique_ptr<Context>* context);
  ~Context();

  const Properties& properties() const { return properties_; }
  Status activate();
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

  template <class Args>
  Status launch(const char* name, void (*kernel)(Args), const Grid& grid, Stream stream,
                const typename TypeOf<Args>::type& args) {
    return launch_bytes(name, reinterpret_cast<const void*>(kernel), grid, stream, &args);
  }
  template <class Args>
  Status resident_blocks(void (*kernel)(Args), const Grid& grid, int* per_multiprocessor) {
    return resident_blocks_of(reinterpret_cast<const void*>(kernel), grid, per_multiprocessor);
  }

  template <class Args>
  Status resident_clusters(void (*kernel)(Args), const Grid& grid, int* count) {
    return resident_clusters_of(reinterpret_cast<const void*>(kernel), grid, count);
  }

  Status capture_begin(Stream stream);
  Status capture_end(Stream stream, int64_t* graph);
  Status graph_launch(int64_t graph, Stream stream);
  Status graph_destroy(int64_t graph);
  Status host_register(int64_t address, int64_t bytes);
  Status host_unregister(int64_t address);

  Status counter(const std::string& key, int64_t* value);
  Status set(const std::string& key, int64_t value);
  void count_gemm(Stream stream) {
    if (!captures_.add_gemm(stream)) ++gemms_;
  }

 private:
  Context() = default;
  Status read_properties();
  Status launch_bytes(const char* name, const void* kernel, const Grid& grid, Stream stream,
                      const void* args);
  Status resident_blocks_of(const void* kernel, const Grid& grid, int* per_multiprocessor);
  Status resident_clusters_of(const void* kernel, const Grid& grid, int* count);

  // A cudaGraphExec_t, and what a launch of it adds to the counters.
  struct Graph {
    void* executable;
    int64_t kernels;
    int64_t gemms;
  };
  Status instantiate(void* recorded, const Recording& recording, int64_t* graph);
  bool page_locked(int64_t address) const;

  Properties properties_;
  Captures captures_;
  std::mutex graphs_lock_;
  std::map<int64_t, Graph> graphs_;
  int64_t next_graph_ = 1;
  std::atomic<int64_t> allocations_{0};
  std::atomic<int64_t> synchronizations_{0};
  std::atomic<int64_t> launches_{0};
  std::atomic<int64_t> gemms_{0};
  std::atomic<int64_t> graph_launches_{0};
};

}  // namespace frnn::machine

#endif  // FUSEDRNN_SRC_MACHINE_CUDA_HOST_H_
