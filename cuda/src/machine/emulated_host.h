// The seam's host side over the emulated machine (cuda/emulator). The contract is in host.h, which
// includes this.
//
// Streams are deferred: what is enqueued runs when something waits for it, and not before. So a
// missing wait, or a buffer given back too early, shows every time instead of now and then.
// Settings: "seed" fixes the order in which warps and blocks run; "workers" (1 or more) is the
// number of OS threads that share the blocks of an ordinary launch: 1 makes a run repeat exactly.

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

  Status counter(const std::string& key, int64_t* value);
  Status set(const std::string& key, int64_t value);
  void count_gemm();

  emulated::Machine& machine() { return *machine_; }  // for the emulator's own libraries

 private:
  Context();
  Status launch_bytes(const char* name, void (*kernel)(), emulated::Invoke invoke, const Grid& grid,
                      Stream stream, const void* args, int64_t args_bytes);
  Status resident_blocks_of(const Grid& grid, int* per_multiprocessor);
  Status resident_clusters_of(const Grid& grid, int* count);

  Properties properties_;
  std::unique_ptr<emulated::Machine> machine_;
};

}  // namespace frnn::machine

#endif  // FUSEDRNN_SRC_MACHINE_EMULATED_HOST_H_
