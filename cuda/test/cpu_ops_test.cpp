// The CPU as a device: memory, streams, events and the messages of refused arguments.

#include <cstring>
#include <functional>
#include <limits>

#include "host/provider.h"
#include "testing.h"

using frnn::Device;
using frnn::testing::Random;

namespace {

template <typename E>
int64_t address(std::vector<E>& v) {
  return reinterpret_cast<int64_t>(v.data());
}

void test_handles(Device& device) {
  int64_t block = 0, stream = 0, event = 0, late = 0, done = 0, value = -1;
  FRNN_CHECK_OK(device.alloc(5 << 20, &block));
  FRNN_CHECK(block % 256 == 0);
  FRNN_CHECK_OK(device.fill(block, 7, 5 << 20, 0));
  FRNN_CHECK(reinterpret_cast<char*>(block)[(5 << 20) - 1] == 7);
  FRNN_CHECK_OK(device.free(block));
  FRNN_CHECK(device.free(block).text.find("not allocated by this device") != std::string::npos);
  FRNN_CHECK_OK(device.stream_create(&stream));
  FRNN_CHECK_OK(device.event_create(&event));
  FRNN_CHECK_OK(device.event_create(&late));
  double us = -1;
  FRNN_CHECK(device.event_elapsed_us(event, late, &us).text.find("recorded") != std::string::npos);
  FRNN_CHECK_OK(device.event_record(event, stream));
  FRNN_CHECK_OK(device.event_record(late, 0));
  FRNN_CHECK_OK(device.stream_wait(stream, event));
  FRNN_CHECK_OK(device.event_done(event, &done));
  FRNN_CHECK(done == 1);
  FRNN_CHECK_OK(device.event_elapsed_us(event, late, &us));
  FRNN_CHECK(us >= 0);
  FRNN_CHECK_OK(device.stream_destroy(stream));
  FRNN_CHECK(device.stream_synchronize(stream).text.find("not an open handle") !=
             std::string::npos);
  FRNN_CHECK_OK(device.event_destroy(event));
  FRNN_CHECK(device.event_record(event, 0).code == FRNN_INVALID_ARGUMENT);
  FRNN_CHECK_OK(device.counter("allocations", &value));
  FRNN_CHECK(value == 1);
  FRNN_CHECK(device.counter("frees", &value).text.find("allocations") != std::string::npos);
  FRNN_CHECK(device.set("threads", 0).text == "threads: expected 1 to 1024, got 0");
  FRNN_CHECK(device.set("thread", 1).text.find("\"threads\"") != std::string::npos);
  FRNN_CHECK(device.describe().find("\"backend\": \"cpu\"") != std::string::npos);
  std::unique_ptr<Device> second;
  FRNN_CHECK(frnn::cpu_provider().open(1, &second).text.find("one cpu device") !=
             std::string::npos);
  FRNN_CHECK(frnn::cpu_provider().set_option("cpu.isa", "sse9").code == FRNN_INVALID_ARGUMENT);
  FRNN_CHECK_OK(frnn::cpu_provider().set_option("cublas", "anything"));
}

}  // namespace

int main() {
  for (const char* isa : {"avx512", "avx2", "portable"}) {
    if (!frnn::cpu_provider().set_option("cpu.isa", isa).ok()) continue;
    std::unique_ptr<Device> device;
    FRNN_CHECK_OK(frnn::cpu_provider().open(0, &device));
    test_handles(*device);
  }
  return frnn::testing::report();
}
