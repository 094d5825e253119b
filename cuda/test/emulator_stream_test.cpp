// Goal: streams and events of the emulated device: nothing runs before something waits, order and
// dependencies hold, several OS threads may share a device, errors come once and stick.
// Method: kernels that append to a log in device memory.

#include <thread>

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
  a.log[1 + m::atomic_add(a.log, 1)] = a.value;
}
FRNN_KERNEL void fault(Args a) {
  a.log[1 << 20] = a.value;
}

class Log {
 public:
  explicit Log(EmulatedDevice& device) : device_(device) {
    log_ = device.upload(std::vector<int>(100, 0));
  }
  void add(int value, m::Stream stream) {
    FRNN_CHECK_OK(device_->launch("append", append, {1, 1}, stream, {log_, value}));
  }
  std::vector<int> peek() const {  // as it stands: emulated memory is readable from here
    return {log_ + 1, log_ + 1 + log_[0]};
  }
  int* memory() { return log_; }

 private:
  EmulatedDevice& device_;
  int* log_;
};

m::Stream new_stream(EmulatedDevice& device) {
  m::Stream stream = 0;
  FRNN_CHECK_OK(device->stream_create(&stream));
  FRNN_CHECK(stream != 0);
  return stream;
}

m::Event new_event(EmulatedDevice& device) {
  m::Event event = 0;
  FRNN_CHECK_OK(device->event_create(&event));
  return event;
}

void test_work_is_deferred() {
  EmulatedDevice device;
  Log log(device);
  const m::Stream a = new_stream(device), b = new_stream(device);
  log.add(1, a);
  log.add(2, b);
  log.add(3, a);
  log.add(4, 0);
  FRNN_CHECK(log.peek().empty());
  FRNN_CHECK_OK(device->stream_synchronize(a));
  FRNN_CHECK(log.peek() == (std::vector<int>{1, 3}));
  FRNN_CHECK_OK(device->stream_synchronize(0));
  FRNN_CHECK(log.peek() == (std::vector<int>{1, 3, 4}));
  FRNN_CHECK_OK(device->synchronize());
  FRNN_CHECK(log.peek() == (std::vector<int>{1, 3, 4, 2}));
}

// A host buffer is read when the copy runs, so that giving it back early shows.
void test_host_memory_is_read_late() {
  EmulatedDevice device;
  int host = 1;
  int* memory = device.alloc<int>(1);
  FRNN_CHECK_OK(device->copy(EmulatedDevice::address(memory), EmulatedDevice::address(&host), 4,
                             FRNN_HOST_TO_DEVICE, 0));
  host = 2;
  FRNN_CHECK(device.download(memory, 1)[0] == 2);
}

void test_events_order_streams() {
  for (int64_t seed = 0; seed < 10; ++seed) {
    EmulatedDevice device(seed);
    Log log(device);
    const m::Stream a = new_stream(device), b = new_stream(device);
    const m::Event event = new_event(device);
    log.add(1, a);
    FRNN_CHECK_OK(device->event_record(event, a));
    log.add(2, a);
    FRNN_CHECK_OK(device->stream_wait(b, event));
    log.add(3, b);
    // The wait meant the record before it, not this one.
    FRNN_CHECK_OK(device->event_record(event, b));
    FRNN_CHECK_OK(device->stream_synchronize(b));
    FRNN_CHECK(log.peek() == (std::vector<int>{1, 3}));
    FRNN_CHECK_OK(device->synchronize());
    FRNN_CHECK(log.peek() == (std::vector<int>{1, 3, 2}));
  }
}

// A long chain between two streams, waited for at its end.
void test_long_chain() {
  EmulatedDevice device;
  Log log(device);
  const m::Stream streams[] = {new_stream(device), new_stream(device)};
  const m::Event event = new_event(device);
  for (int i = 0; i < 90; ++i) {
    const m::Stream stream = streams[i % 2];
    FRNN_CHECK_OK(device->stream_wait(stream, event));
    log.add(i, stream);
    FRNN_CHECK_OK(device->event_record(event, stream));
  }
  FRNN_CHECK_OK(device->event_synchronize(event));
  const std::vector<int> got = log.peek();
  FRNN_CHECK(got.size() == 90);
  for (size_t i = 0; i < got.size(); ++i)
    FRNN_CHECK(got[i] == static_cast<int>(i));
}

void test_event_queries() {
  EmulatedDevice device;
  Log log(device);
  const m::Event never = new_event(device), start = new_event(device), end = new_event(device);
  bool done = false;
  double us = -1;
  FRNN_CHECK_OK(device->event_done(never, &done));
  FRNN_CHECK(done);
  FRNN_CHECK_OK(device->event_synchronize(never));
  FRNN_CHECK_OK(device->stream_wait(0, never));
  FRNN_CHECK_OK(device->event_record(start, 0));
  log.add(1, 0);
  FRNN_CHECK_OK(device->event_record(end, 0));
  FRNN_CHECK_REPORT_CODE(device->event_elapsed_us(start, end, &us), FRNN_INVALID_ARGUMENT,
                         "both events must be recorded and done");
  FRNN_CHECK_REPORT_CODE(device->event_elapsed_us(never, end, &us), FRNN_INVALID_ARGUMENT,
                         "both events must be recorded and done");
  // Asking is what makes it come about, for who asks in a loop.
  FRNN_CHECK_OK(device->event_done(end, &done));
  FRNN_CHECK(!done);
  FRNN_CHECK_OK(device->event_done(end, &done));
  FRNN_CHECK(done && log.peek().size() == 1);
  FRNN_CHECK_OK(device->event_elapsed_us(start, end, &us));
  FRNN_CHECK(us >= 0);
}

void test_handles() {
  EmulatedDevice device, other;
  const m::Stream stream = new_stream(device);
  const m::Event event = new_event(device);
  FRNN_CHECK_REPORT_CODE(other->stream_synchronize(stream), FRNN_INVALID_ARGUMENT,
                         "not a live stream of this device");
  FRNN_CHECK_REPORT_CODE(other->event_record(event, 0), FRNN_INVALID_ARGUMENT,
                         "not a live event of this device");
  Log log(device);
  log.add(1, stream);
  FRNN_CHECK_OK(device->stream_destroy(stream));  // its work is still done
  FRNN_CHECK_OK(device->event_destroy(event));
  FRNN_CHECK_REPORT_CODE(device->stream_destroy(stream), FRNN_INVALID_ARGUMENT, "not a live");
  FRNN_CHECK_REPORT_CODE(device->event_destroy(event), FRNN_INVALID_ARGUMENT, "not a live");
  FRNN_CHECK_REPORT_CODE(device->stream_destroy(0), FRNN_INVALID_ARGUMENT, "default stream");
  FRNN_CHECK_OK(device->synchronize());
  FRNN_CHECK(log.peek() == std::vector<int>{1});
}

void test_free_waits() {
  EmulatedDevice device;
  Log log(device);
  float* memory = device.alloc<float>(10);
  log.add(1, new_stream(device));
  FRNN_CHECK_OK(device->free(EmulatedDevice::address(memory)));
  FRNN_CHECK(log.peek() == std::vector<int>{1});
}

void test_errors_stick() {
  EmulatedDevice device;
  Log log(device);
  const m::Stream stream = new_stream(device);
  const m::Event event = new_event(device);
  FRNN_CHECK_OK(device->launch("fault", fault, {1, 1}, stream, {log.memory(), 1}));
  log.add(2, stream);
  log.add(3, 0);
  FRNN_CHECK_OK(device->stream_synchronize(0));  // has nothing to do with the other stream
  FRNN_CHECK(log.peek() == std::vector<int>{3});
  const Status first = device->stream_synchronize(stream);
  FRNN_CHECK_REPORT(first, "kernel `fault`", "illegal write");
  FRNN_CHECK(log.peek() == std::vector<int>{3});  // what stood behind it did not run
  bool done = false;
  m::Stream created = 0;
  FRNN_CHECK(device->stream_synchronize(0).text == first.text);
  FRNN_CHECK(device->event_record(event, 0).text == first.text);
  FRNN_CHECK(device->event_done(event, &done).text == first.text);
  FRNN_CHECK(device->stream_create(&created).text == first.text);
  FRNN_CHECK(device->fill(EmulatedDevice::address(log.memory()), 0, 4, 0).text == first.text);
  // What the caller owns can still be given back.
  FRNN_CHECK_OK(device->free(EmulatedDevice::address(log.memory())));
  FRNN_CHECK_OK(device->event_destroy(event));
  FRNN_CHECK_OK(device->stream_destroy(stream));
}

void test_several_threads() {
  EmulatedDevice device(1, 3);
  constexpr int kThreads = 4, kRounds = 50;
  std::vector<std::thread> threads;
  std::vector<int> sums(kThreads, 0);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&device, &sums, i] {
      Log log(device);
      const m::Stream stream = new_stream(device);
      for (int k = 0; k < kRounds; ++k) {
        log.add(k, stream);
        if (k % 7 == 0) FRNN_CHECK_OK(device->stream_synchronize(stream));
      }
      FRNN_CHECK_OK(device->stream_synchronize(stream));
      for (int v : log.peek())
        sums[static_cast<size_t>(i)] += v;
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  for (int sum : sums)
    FRNN_CHECK(sum == kRounds * (kRounds - 1) / 2);
  int64_t launches = 0;
  FRNN_CHECK_OK(device->counter("launches", &launches));
  FRNN_CHECK(launches == kThreads * kRounds);
}

void test_settings() {
  EmulatedDevice device;
  int64_t value = 0;
  FRNN_CHECK_REPORT_CODE(device->set("threads", 1), FRNN_INVALID_ARGUMENT,
                         "settings are seed and workers, not threads");
  FRNN_CHECK_REPORT_CODE(device->set("workers", 0), FRNN_INVALID_ARGUMENT,
                         "workers: expected 1 to 256, got 0");
  FRNN_CHECK_REPORT_CODE(device->counter("joy", &value), FRNN_INVALID_ARGUMENT, "got joy");
  std::unique_ptr<m::Context> none;
  FRNN_CHECK_REPORT_CODE(m::Context::open(1, &none), FRNN_UNAVAILABLE, "there is one, number 0");
}

}  // namespace

int main() {
  test_work_is_deferred();
  test_host_memory_is_read_late();
  test_events_order_streams();
  test_long_chain();
  test_event_queries();
  test_handles();
  test_free_waits();
  test_errors_stick();
  test_several_threads();
  test_settings();
  return frnn::testing::report();
}
