// Goal: captured work on the emulated device: recorded and not run, run again at each launch with
// the order that its streams and events asked for and no other, in new random orders; and what
// remains after faults, aborted captures and memory that was given back.
// Method: kernels that append to a log in device memory, over many seeds.

#include <algorithm>
#include <set>

#include "emulated_device.h"

namespace m = frnn::machine;
using frnn::Status;
using frnn::testing::EmulatedDevice;

namespace {

struct Args {
  int* log = nullptr;  // log[0] counts the entries behind it
  int value = 0;
};

FRNN_KERNEL void append(Args a) {
  a.log[1 + m::atomic_add(a.log, 1)] = a.value + static_cast<int>(m::block_index());
}
FRNN_KERNEL void fault(Args a) {
  a.log[1 << 20] = a.value;
}

class Log {
 public:
  explicit Log(EmulatedDevice& device) : device_(device) {
    log_ = device.upload(std::vector<int>(200, 0));
  }
  void add(int value, m::Stream stream, int blocks = 1) {
    FRNN_CHECK_OK(device_->launch("append", append, {blocks, 1}, stream, {log_, value}));
  }
  std::vector<int> take() {
    FRNN_CHECK_OK(device_->synchronize());
    std::vector<int> values(log_ + 1, log_ + 1 + log_[0]);
    log_[0] = 0;
    return values;
  }
  int* memory() { return log_; }

 private:
  EmulatedDevice& device_;
  int* log_;
};

m::Stream new_stream(EmulatedDevice& device) {
  m::Stream stream = 0;
  FRNN_CHECK_OK(device->stream_create(&stream));
  return stream;
}

m::Event new_event(EmulatedDevice& device) {
  m::Event event = 0;
  FRNN_CHECK_OK(device->event_create(&event));
  return event;
}

int64_t counted(EmulatedDevice& device, const char* key) {
  int64_t value = 0;
  FRNN_CHECK_OK(device->counter(key, &value));
  return value;
}

int64_t end(EmulatedDevice& device, m::Stream stream) {
  int64_t graph = 0;
  FRNN_CHECK_OK(device->capture_end(stream, &graph));
  return graph;
}

void test_recorded_not_run() {
  EmulatedDevice device;
  Log log(device);
  const m::Stream stream = new_stream(device), other = new_stream(device);
  log.add(1, stream);
  FRNN_CHECK_OK(device->capture_begin(stream));
  log.add(2, stream);
  log.add(3, stream);
  log.add(4, other);  // not part of it
  const int64_t graph = end(device, stream);
  FRNN_CHECK(counted(device, "launches") == 2);
  std::vector<int> got = log.take();
  std::sort(got.begin(), got.end());
  FRNN_CHECK(got == (std::vector<int>{1, 4}));
  for (int n = 0; n < 3; ++n)
    FRNN_CHECK_OK(device->graph_launch(graph, stream));
  log.add(5, stream);
  FRNN_CHECK(log.take() == (std::vector<int>{2, 3, 2, 3, 2, 3, 5}));
  FRNN_CHECK(counted(device, "launches") == 9 && counted(device, "graph_launches") == 3);
  FRNN_CHECK_OK(device->graph_launch(graph, other));
  FRNN_CHECK_OK(device->graph_destroy(graph));  // what was launched still runs
  FRNN_CHECK(log.take() == (std::vector<int>{2, 3}));
  FRNN_CHECK_REPORT_CODE(device->graph_launch(graph, other), FRNN_INVALID_ARGUMENT,
                         "not a live graph");
  FRNN_CHECK_REPORT_CODE(device->graph_destroy(graph), FRNN_INVALID_ARGUMENT, "not a live graph");
}

// 1, then 2 and 3 in any order, then 4; work of other streams lies anywhere between.
void test_fork_and_join() {
  std::set<std::vector<int>> orders;
  for (int64_t seed = 0; seed < 40; ++seed) {
    EmulatedDevice device(seed);
    Log log(device);
    const m::Stream stream = new_stream(device), side = new_stream(device);
    const m::Event fork = new_event(device), join = new_event(device);
    FRNN_CHECK_OK(device->capture_begin(stream));
    log.add(1, stream);
    FRNN_CHECK_OK(device->event_record(fork, stream));
    FRNN_CHECK_OK(device->stream_wait(side, fork));
    log.add(2, stream);
    log.add(3, side);
    FRNN_CHECK_OK(device->event_record(join, side));
    FRNN_CHECK_OK(device->stream_wait(stream, join));
    log.add(4, stream);
    const int64_t graph = end(device, stream);
    FRNN_CHECK_OK(device->graph_launch(graph, stream));
    FRNN_CHECK_OK(device->graph_launch(graph, side));  // waits for the first launch
    std::vector<int> got = log.take();
    FRNN_CHECK(got.size() == 8);
    for (size_t n = 0; n < got.size(); n += 4) {
      std::vector<int> once(got.begin() + static_cast<int64_t>(n),
                            got.begin() + static_cast<int64_t>(n) + 4);
      FRNN_CHECK(once.front() == 1 && once.back() == 4);
      orders.insert(once);
    }
    FRNN_CHECK_REPORT_CODE(device->event_synchronize(join), FRNN_INVALID_ARGUMENT,
                           "was last recorded in a capture");
    FRNN_CHECK_OK(device->event_record(join, side));
    FRNN_CHECK_OK(device->event_synchronize(join));
  }
  FRNN_CHECK(orders.size() == 2);
}

// Each launch draws the order of its blocks anew.
void test_launches_differ() {
  EmulatedDevice device;
  Log log(device);
  const m::Stream stream = new_stream(device);
  FRNN_CHECK_OK(device->capture_begin(stream));
  log.add(0, stream, 6);
  const int64_t graph = end(device, stream);
  std::set<std::vector<int>> orders;
  for (int n = 0; n < 20; ++n) {
    FRNN_CHECK_OK(device->graph_launch(graph, stream));
    orders.insert(log.take());
  }
  FRNN_CHECK(orders.size() > 5);
}

void test_unjoined() {
  EmulatedDevice device;
  Log log(device);
  const m::Stream stream = new_stream(device), side = new_stream(device);
  const m::Event fork = new_event(device);
  for (const bool keep : {true, false}) {
    FRNN_CHECK_OK(device->capture_begin(stream));
    FRNN_CHECK_OK(device->event_record(fork, stream));
    FRNN_CHECK_OK(device->stream_wait(side, fork));
    log.add(1, side);
    FRNN_CHECK_REPORT_CODE(device->capture_end(side, nullptr), FRNN_INVALID_ARGUMENT,
                           "joined a capture that began on stream");
    int64_t graph = 0;
    const Status ended = device->capture_end(stream, keep ? &graph : nullptr);
    if (keep) {
      FRNN_CHECK_REPORT_CODE(ended, FRNN_INVALID_ARGUMENT, "took part and was not waited for");
    } else {
      FRNN_CHECK_OK(ended);
    }
    FRNN_CHECK_REPORT_CODE(device->stream_wait(stream, fork), FRNN_INVALID_ARGUMENT,
                           "in a capture, which has ended");
    log.add(2, stream);
    log.add(2, side);
    FRNN_CHECK(log.take() == (std::vector<int>{2, 2}));
  }
}

void test_captures_apart() {
  EmulatedDevice device;
  const m::Stream a = new_stream(device), b = new_stream(device);
  const m::Event of_a = new_event(device), outside = new_event(device);
  FRNN_CHECK_OK(device->event_record(outside, b));
  FRNN_CHECK_OK(device->capture_begin(a));
  FRNN_CHECK_REPORT_CODE(device->capture_begin(a), FRNN_INVALID_ARGUMENT, "captures already");
  FRNN_CHECK_OK(device->capture_begin(b));
  FRNN_CHECK_OK(device->event_record(of_a, a));
  FRNN_CHECK_REPORT_CODE(device->stream_wait(b, of_a), FRNN_INVALID_ARGUMENT, "two captures");
  FRNN_CHECK_REPORT_CODE(device->stream_wait(a, outside), FRNN_INVALID_ARGUMENT,
                         "was not recorded in that capture");
  FRNN_CHECK_REPORT_CODE(device->stream_wait(0, of_a), FRNN_INVALID_ARGUMENT,
                         "default stream cannot join");
  (void)end(device, a);
  (void)end(device, b);
}

// A fault in a replayed kernel is reported as any, and the device's owner can still clean up.
void test_fault_in_a_launch() {
  EmulatedDevice device;
  Log log(device);
  const m::Stream stream = new_stream(device);
  FRNN_CHECK_OK(device->capture_begin(stream));
  FRNN_CHECK_OK(device->launch("fault", fault, {1, 1}, stream, {log.memory(), 1}));
  const int64_t graph = end(device, stream);
  const m::Stream other = new_stream(device);
  FRNN_CHECK_OK(device->capture_begin(other));
  FRNN_CHECK_OK(device->graph_launch(graph, stream));
  FRNN_CHECK_REPORT(device->stream_synchronize(stream), "kernel `fault`", "illegal write");
  int64_t none = 0;
  FRNN_CHECK_REPORT(device->capture_end(other, &none), "kernel `fault`");
  FRNN_CHECK_OK(device->stream_destroy(other));
  FRNN_CHECK_OK(device->graph_destroy(graph));
}

void test_page_locked_memory() {
  EmulatedDevice device;
  const m::Stream stream = new_stream(device);
  std::vector<int> values(3);
  const int64_t host = EmulatedDevice::address(values.data());
  int* memory = device.alloc<int>(2);
  FRNN_CHECK_OK(device->host_register(host, 8));
  FRNN_CHECK_OK(device->capture_begin(stream));
  FRNN_CHECK_OK(
      device->copy(EmulatedDevice::address(memory), host, 8, FRNN_HOST_TO_DEVICE, stream));
  FRNN_CHECK_REPORT_CODE(
      device->copy(EmulatedDevice::address(memory), host + 4, 8, FRNN_HOST_TO_DEVICE, stream),
      FRNN_INVALID_ARGUMENT, "expected page-locked host memory");
  const int64_t graph = end(device, stream);
  for (int n = 0; n < 3; ++n) {
    values[0] = n;
    FRNN_CHECK_OK(device->graph_launch(graph, stream));
    FRNN_CHECK_OK(device->stream_synchronize(stream));
    FRNN_CHECK(memory[0] == n);
  }
  FRNN_CHECK_REPORT_CODE(device->host_unregister(host + 4), FRNN_INVALID_ARGUMENT,
                         "no memory that begins at");
  FRNN_CHECK_OK(device->graph_launch(graph, stream));
  FRNN_CHECK_OK(device->host_unregister(host));  // waits
  FRNN_CHECK_OK(device->graph_launch(graph, stream));
  FRNN_CHECK_REPORT(device->stream_synchronize(stream), "was unregistered before the copy");
}

}  // namespace

int main() {
  test_recorded_not_run();
  test_fork_and_join();
  test_launches_differ();
  test_unjoined();
  test_captures_apart();
  test_fault_in_a_launch();
  test_page_locked_memory();
  return frnn::testing::report();
}
