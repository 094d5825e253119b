// The seam's host side over the emulated machine (cuda/emulator). The contract is in host.h, which
// includes this.
//
// Streams are deferred: what is enqueued runs when something waits for it, and not before. So a
// missing wait, or a buffer given back too early, shows every time instead of now and then.
// Settings: "seed" fixes the order in which warps and blocks run; "workers" (1 or more) is the
// number of OS threads that share the blocks of an ordinary launch: 1 makes a run repeat exactly.
//
// Each device that is opened has a machine of its own, unless a stand-in of CUDA's driver
// (cuda/emulator/standins) holds the primary context: then all devices share its machine, as they
// do on a GPU. The stand-ins are libraries of their own, so what they call is virtual.

#ifndef FUSEDRNN_SRC_MACHINE_EMULATED_HOST_H_
#define FUSEDRNN_SRC_MACHINE_EMULATED_HOST_H_

#include <memory>
#include <type_traits>

namespace frnn::machine {

namespace emulated {

class Machine;

// Calls `kernel` (a function of one Args by value) with the arguments at `args`.
using Invoke = void (*)(void (*kernel)(), const void* args);

template <class Args>
void invoke(void (*kernel)(), const void* args) {
  reinterpret_cast<void (*)(Args)>(kernel)(*static_cast<const Args*>(args));
}

}  // namespace emulated

class Context {
 public:
  static Status device_count(int64_t* count);
  static Status open(int64_t ordinal, std::unique_ptr<Context>* context);
  virtual ~Context();

  const Properties& properties() const { return properties_; }
  virtual Status activate();
  virtual Status synchronize();

  virtual Status alloc(int64_t bytes, int64_t* address);
  virtual Status free(int64_t address);
  virtual Status copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind,
                      Stream stream);
  virtual Status fill(int64_t address, int byte_value, int64_t bytes, Stream stream);

  virtual Status stream_create(Stream* stream);
  virtual Status stream_destroy(Stream stream);
  virtual Status stream_synchronize(Stream stream);
  virtual Status stream_wait(Stream stream, Event event);

  virtual Status event_create(Event* event);
  virtual Status event_destroy(Event event);
  virtual Status event_record(Event event, Stream stream);
  virtual Status event_synchronize(Event event);
  virtual Status event_done(Event event, bool* done);
  virtual Status event_elapsed_us(Event start, Event end, double* us);

  template <class Args>
  Status launch(const char* name, void (*kernel)(Args), const Grid& grid, Stream stream,
                const typename TypeOf<Args>::type& args) {
    static_assert(std::is_trivially_copyable_v<Args>, "kernel arguments are copied as bytes");
    return launch_bytes(name, reinterpret_cast<void (*)()>(kernel), emulated::invoke<Args>, grid,
                        stream, &args, sizeof(Args));
  }
  template <class Args>
  Status resident_blocks(void (*)(Args), const Grid& grid, int* per_multiprocessor) {
    return resident_blocks_of(grid, per_multiprocessor);
  }

  template <class Args>
  Status resident_clusters(void (*)(Args), const Grid& grid, int* count) {
    return resident_clusters_of(grid, count);
  }

  virtual Status capture_begin(Stream stream);
  virtual Status capture_end(Stream stream, int64_t* graph);
  virtual Status graph_launch(int64_t graph, Stream stream);
  virtual Status graph_destroy(int64_t graph);
  virtual Status host_register(int64_t address, int64_t bytes);
  virtual Status host_unregister(int64_t address);

  virtual Status counter(const std::string& key, int64_t* value);
  virtual Status set(const std::string& key, int64_t value);
  virtual void count_gemm(Stream stream);

  // A kernel whose arguments lie as bytes; `name` must live until the kernel has run.
  virtual Status launch_bytes(const char* name, void (*kernel)(), emulated::Invoke invoke,
                              const Grid& grid, Stream stream, const void* args,
                              int64_t args_bytes);

  // For the emulator's own libraries.
  const std::shared_ptr<emulated::Machine>& machine() const { return machine_; }
  static std::unique_ptr<Context> over(std::shared_ptr<emulated::Machine> machine);

 private:
  explicit Context(std::shared_ptr<emulated::Machine> machine);
  Status resident_blocks_of(const Grid& grid, int* per_multiprocessor);
  Status resident_clusters_of(const Grid& grid, int* count);

  Properties properties_;
  std::shared_ptr<emulated::Machine> machine_;
};

}  // namespace frnn::machine

#endif  // FUSEDRNN_SRC_MACHINE_EMULATED_HOST_H_
