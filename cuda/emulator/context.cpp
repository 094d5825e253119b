// The host side of the seam: machine/host.h over an emulated device.

#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include "current.h"
#include "fault.h"
#include "machine.h"
#include "machine/host.h"

namespace frnn::machine {

namespace emulated {

namespace {

thread_local std::weak_ptr<Machine> current;

std::mutex primary_lock;
std::weak_ptr<Machine> primary;

constexpr int64_t kMostMemory = int64_t{16} << 30;

// Half of what the computer has, for an emulated device's memory is the computer's.
int64_t memory_bytes() {
  const int64_t pages = sysconf(_SC_PHYS_PAGES);
  const int64_t page = sysconf(_SC_PAGESIZE);
  return std::min(kMostMemory, std::max<int64_t>(int64_t{1} << 28, pages * page / 2));
}

int default_workers() {
  return static_cast<int>(std::min(4u, std::max(1u, std::thread::hardware_concurrency())));
}

std::shared_ptr<Machine> new_machine() {
  return std::make_shared<Machine>(memory_bytes(), default_workers());
}

}  // namespace

std::shared_ptr<Machine> current_machine() {
  return current.lock();
}
void set_current_machine(const std::shared_ptr<Machine>& machine) {
  current = machine;
}

std::shared_ptr<Machine> primary_machine() {
  const std::lock_guard<std::mutex> guard(primary_lock);
  std::shared_ptr<Machine> machine = primary.lock();
  if (machine == nullptr) primary = machine = new_machine();
  return machine;
}

std::shared_ptr<Machine> machine_of_its_own() {
  return new_machine();
}

}  // namespace emulated

Context::Context(std::shared_ptr<emulated::Machine> machine) : machine_(std::move(machine)) {
  properties_.name = "emulated GPU";
  properties_.major = 9;
  properties_.minor = 0;
  properties_.multiprocessors = emulated::kMultiprocessors;
  properties_.threads_per_multiprocessor = emulated::kThreadsPerMultiprocessor;
  properties_.registers_per_multiprocessor = 65536;
  properties_.memory_bytes = machine_->memory().capacity_bytes();
  properties_.l2_bytes = int64_t{50} << 20;
  properties_.shared_bytes_per_multiprocessor = emulated::kSharedBytesPerMultiprocessor;
  properties_.shared_bytes_per_block = emulated::kSharedBytesPerBlock;
  properties_.clock_khz = 1000000;
  properties_.cooperative = true;
  properties_.clusters = true;
  properties_.largest_cluster = emulated::kMostClusterBlocks;
  properties_.emulated = true;
}

Context::~Context() = default;

std::unique_ptr<Context> Context::over(std::shared_ptr<emulated::Machine> machine) {
  return std::unique_ptr<Context>(new Context(std::move(machine)));
}

Status Context::device_count(int64_t* count) {
  *count = 1;
  return Status::success();
}

Status Context::open(int64_t ordinal, std::unique_ptr<Context>* context) {
  if (ordinal != 0) {
    return Status::fail(FRNN_UNAVAILABLE, format("emulated device %lld: there is one, number 0",
                                                 static_cast<long long>(ordinal)));
  }
  FRNN_TRY(emulated::install_fault_handler());
  std::shared_ptr<emulated::Machine> machine;
  {
    const std::lock_guard<std::mutex> guard(emulated::primary_lock);
    machine = emulated::primary.lock();
  }
  *context = over(machine != nullptr ? machine : emulated::new_machine());
  return Status::success();
}

Status Context::activate() {
  emulated::set_current_machine(machine_);
  return Status::success();
}

Status Context::synchronize() {
  return machine_->synchronize();
}

Status Context::alloc(int64_t bytes, int64_t* address) {
  return machine_->alloc(bytes, address);
}
Status Context::free(int64_t address) {
  return machine_->free(address);
}
Status Context::copy(int64_t destination, int64_t source, int64_t bytes, int64_t kind,
                     Stream stream) {
  return machine_->copy(destination, source, bytes, kind, stream);
}
Status Context::fill(int64_t address, int byte_value, int64_t bytes, Stream stream) {
  return machine_->fill(address, byte_value, bytes, stream);
}

Status Context::stream_create(Stream* stream) {
  return machine_->stream_create(stream);
}
Status Context::stream_destroy(Stream stream) {
  return machine_->stream_destroy(stream);
}
Status Context::stream_synchronize(Stream stream) {
  return machine_->stream_synchronize(stream);
}
Status Context::stream_wait(Stream stream, Event event) {
  return machine_->stream_wait(stream, event);
}

Status Context::event_create(Event* event) {
  return machine_->event_create(event);
}
Status Context::event_destroy(Event event) {
  return machine_->event_destroy(event);
}
Status Context::event_record(Event event, Stream stream) {
  return machine_->event_record(event, stream);
}
Status Context::event_synchronize(Event event) {
  return machine_->event_synchronize(event);
}
Status Context::event_done(Event event, bool* done) {
  return machine_->event_done(event, done);
}
Status Context::event_elapsed_us(Event start, Event end, double* us) {
  return machine_->event_elapsed_us(start, end, us);
}

Status Context::launch_bytes(const char* name, void (*kernel)(), emulated::Invoke invoke,
                             const Grid& grid, Stream stream, const void* args,
                             int64_t args_bytes) {
  return machine_->launch({name, kernel, invoke, grid, args, 0, 0}, stream, args_bytes);
}

Status Context::resident_blocks_of(const Grid& grid, int* per_multiprocessor) {
  *per_multiprocessor = emulated::resident_blocks(grid);
  return Status::success();
}

Status Context::resident_clusters_of(const Grid& grid, int* count) {
  *count = emulated::resident_clusters(grid);
  return Status::success();
}

Status Context::capture_begin(Stream stream) {
  return machine_->capture_begin(stream);
}
Status Context::capture_end(Stream stream, int64_t* graph) {
  return machine_->capture_end(stream, graph);
}
Status Context::graph_launch(int64_t graph, Stream stream) {
  return machine_->graph_launch(graph, stream);
}
Status Context::graph_destroy(int64_t graph) {
  return machine_->graph_destroy(graph);
}
Status Context::host_register(int64_t address, int64_t bytes) {
  return machine_->host_register(address, bytes);
}
Status Context::host_unregister(int64_t address) {
  return machine_->host_unregister(address);
}

Status Context::counter(const std::string& key, int64_t* value) {
  return machine_->counter(key, value);
}
Status Context::set(const std::string& key, int64_t value) {
  return machine_->set(key, value);
}
void Context::count_gemm(Stream stream) {
  machine_->count_gemm(stream);
}

}  // namespace frnn::machine
