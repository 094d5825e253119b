// Goal: a captured training pass gives, at each launch, the bits that the plain calls give for what
// memory holds by then; recording runs nothing; what a capture cannot hold is refused without harm;
// and an error in the middle leaves stream and device of use.
// Method: a net of two layers and directions with dropout, whose masks follow a word on the device,
// on every native backend that needs no GPU; data come from page-locked memory.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "fusedrnn.h"
#include "testing.h"

namespace {

using frnn::testing::Random;

constexpr int64_t kT = 5, kB = 3, kI = 4, kH = 7, kL = 2, kD = 2, kG = 4;

void must(int status, const char* what) {
  if (status != FRNN_OK) {
    frnn::testing::fail(__FILE__, __LINE__, std::string(what) + ": " + frnn_last_error());
  }
}

void refused(int status, const char* piece) {
  if (status == FRNN_INVALID_ARGUMENT && std::strstr(frnn_last_error(), piece) != nullptr) return;
  frnn::testing::fail(__FILE__, __LINE__,
                      std::string("expected a refusal with '") + piece + "', got " +
                          std::to_string(status) + " " + frnn_last_error());
}

class Pass {
 public:
  explicit Pass(const char* backend) : backend_(backend) {
    must(frnn_device_open(backend, 0, &device), "open");
    must(frnn_stream_create(device, &stream), "stream");
    host_x = reinterpret_cast<int64_t>(host_memory_.data());
    must(frnn_host_register(device, host_x, bytes(x_count()) + 8), "host_register");
    host_offset = host_x + bytes(x_count());
    build();
  }
  ~Pass() {
    must(frnn_stream_destroy(device, stream), "destroy");
    for (const int64_t address : addresses_)
      must(frnn_free(device, address), "free");
    must(frnn_host_unregister(device, host_x), "host_unregister");
    must(frnn_device_close(device), "close");
  }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  // Copies the data in, then forward and backward.
  void enqueue() {
    must(frnn_copy(device, net.x, host_x, bytes(x_count()), FRNN_HOST_TO_DEVICE, stream), "copy x");
    must(frnn_copy(device, net.offset_address, host_offset, 8, FRNN_HOST_TO_DEVICE, stream),
         "copy offset");
    must(frnn_net_forward(device, &net), "net_forward");
    must(frnn_net_backward(device, &net), "net_backward");
  }

  void data(uint64_t seed) {
    const std::vector<float> values = Random(seed).uniforms<float>(x_count(), -1, 1);
    std::memcpy(reinterpret_cast<void*>(host_x), values.data(), values.size() * 4);
    const int64_t offset = static_cast<int64_t>(seed * 17);
    std::memcpy(reinterpret_cast<void*>(host_offset), &offset, 8);
  }

  // Everything that a pass writes.
  std::vector<float> results() {
    std::vector<float> all;
    for (const auto& [address, count] : outputs_) {
      std::vector<float> values(static_cast<size_t>(count));
      must(frnn_copy(device, reinterpret_cast<int64_t>(values.data()), address, bytes(count),
                     FRNN_DEVICE_TO_HOST, stream),
           "read");
      must(frnn_stream_synchronize(device, stream), "read");
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }
  void spoil() {
    for (const auto& [address, count] : outputs_)
      must(frnn_fill(device, address, 0xFF, bytes(count), stream), "fill");
  }

  int64_t capture() {
    int64_t graph = 0;
    must(frnn_capture_begin(device, stream), "capture_begin");
    enqueue();
    must(frnn_capture_end(device, stream, &graph), "capture_end");
    return graph;
  }

  int64_t counted(const char* key) {
    int64_t value = 0;
    must(frnn_device_counter(device, key, &value), key);
    return value;
  }

  int64_t device = 0, stream = 0;
  int64_t host_x = 0, host_offset = 0;
  frnn_net net{};

 private:
  static int64_t bytes(int64_t floats) { return 4 * floats; }
  static int64_t x_count() { return kT * kB * kI; }

  int64_t room(int64_t count) {
    int64_t address = 0;
    must(frnn_alloc(device, bytes(count), &address), "alloc");
    must(frnn_fill(device, address, 0xFF, bytes(count), 0), "fill");
    addresses_.push_back(address);
    return address;
  }
  int64_t output(int64_t count) {
    outputs_.emplace_back(room(count), count);
    return outputs_.back().first;
  }
  int64_t random(int64_t count) {
    const std::vector<float> values = random_.uniforms<float>(count, -0.7, 0.7);
    const int64_t address = room(count);
    must(frnn_copy(device, address, reinterpret_cast<int64_t>(values.data()), bytes(count),
                   FRNN_HOST_TO_DEVICE, 0),
         "write");
    must(frnn_device_synchronize(device), "write");
    return address;
  }

  void build() {
    const int64_t rows = kG * kH, states = kL * kD * kB * kH, ys = kT * kB * kD * kH;
    for (int64_t n = 0; n < kL * kD; ++n) {
      const int64_t input = n < kD ? kI : kD * kH;
      frnn_weights w{}, g{};
      w.w_ih = random(rows * input), w.w_hh = random(rows * kH), w.b_ih = random(rows);
      g.w_ih = output(rows * input), g.w_hh = output(rows * kH), g.b_ih = output(rows);
      weights_.push_back(w), gradients_.push_back(g);
    }
    net.struct_bytes = sizeof net;
    net.cell = FRNN_LSTM, net.dtype = FRNN_F32, net.flags = FRNN_TRAINING;
    net.T = kT, net.B = kB, net.I = kI, net.H = kH, net.L = kL, net.D = kD;
    net.dropout = 0.4, net.seed = 3, net.offset = 1, net.offset_address = room(2);
    net.weights = reinterpret_cast<int64_t>(weights_.data());
    net.gradients = reinterpret_cast<int64_t>(gradients_.data());
    net.x = room(x_count()), net.y = output(ys), net.hT = output(states), net.cT = output(states);
    net.dy = random(ys), net.dx = output(x_count());
    net.stream = stream;
    frnn_rnn_sizes sizes{};
    must(frnn_net_bytes(backend_, &net, &sizes), "net_bytes");
    net.reserve = room(sizes.reserve_bytes / 4 + 1), net.reserve_bytes = sizes.reserve_bytes;
    net.workspace_bytes = std::max(sizes.forward_workspace_bytes, sizes.backward_workspace_bytes);
    net.workspace = room(net.workspace_bytes / 4 + 1);
    must(frnn_device_synchronize(device), "synchronize");
  }

  const char* const backend_;
  std::vector<float> host_memory_ = std::vector<float>(static_cast<size_t>(x_count() + 2));
  std::vector<int64_t> addresses_;
  std::vector<std::pair<int64_t, int64_t>> outputs_;
  std::vector<frnn_weights> weights_, gradients_;
  Random random_{11};
};

bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), 4 * a.size()) == 0;
}
bool all_nan(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isnan(v); });
}
bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

// With the data of a seed, by plain calls.
std::vector<float> plain(Pass& pass, uint64_t seed) {
  pass.data(seed);
  pass.spoil();
  pass.enqueue();
  return pass.results();
}

std::vector<float> launched(Pass& pass, int64_t graph, uint64_t seed) {
  pass.data(seed);
  pass.spoil();
  must(frnn_graph_launch(pass.device, graph, pass.stream), "graph_launch");
  return pass.results();
}

void replay_equals_plain(const char* backend) {
  Pass pass(backend);
  const std::vector<float> first = plain(pass, 1), second = plain(pass, 2);
  FRNN_CHECK(all_finite(first) && !same(first, second));
  pass.spoil();
  const int64_t kernels = pass.counted("launches"), gemms = pass.counted("gemms");
  const int64_t graph = pass.capture();
  FRNN_CHECK(pass.counted("launches") == kernels && pass.counted("gemms") == gemms);
  FRNN_CHECK(all_nan(pass.results()));
  FRNN_CHECK(same(launched(pass, graph, 1), first));
  const int64_t kernels_each = pass.counted("launches") - kernels;
  FRNN_CHECK(kernels_each > 4 && pass.counted("gemms") > gemms);
  const int64_t allocations = pass.counted("allocations");
  FRNN_CHECK(same(launched(pass, graph, 2), second));
  FRNN_CHECK(same(launched(pass, graph, 1), first));
  FRNN_CHECK(pass.counted("launches") == kernels + 3 * kernels_each);
  FRNN_CHECK(pass.counted("graph_launches") == 3);
  FRNN_CHECK(pass.counted("allocations") == allocations);
  FRNN_CHECK(same(plain(pass, 2), second));  // plain calls go on as before
  must(frnn_graph_destroy(pass.device, graph), "graph_destroy");
  refused(frnn_graph_launch(pass.device, graph, pass.stream), "graph");
  refused(frnn_graph_destroy(pass.device, graph), "graph");
}

// Each refused call leaves the capture as it was.
void refusals_in_a_capture(const char* backend) {
  Pass pass(backend);
  const int64_t d = pass.device, s = pass.stream;
  const std::vector<float> expected = plain(pass, 5);
  int64_t event = 0, captured_event = 0, address = 0, graph = 0, done = 0, number = 7;
  double us = 0;
  must(frnn_event_create(d, &event), "event");
  must(frnn_event_create(d, &captured_event), "event");
  must(frnn_event_record(d, event, 0), "record");
  refused(frnn_capture_begin(d, 0), "the default stream cannot capture");
  refused(frnn_capture_end(d, s, &graph), "does not capture");
  must(frnn_capture_begin(d, s), "begin");
  refused(frnn_capture_begin(d, s), "captures already");
  refused(frnn_stream_synchronize(d, s), "recorded, not run");
  refused(frnn_device_synchronize(d), "cannot be waited for");
  refused(frnn_alloc(d, 16, &address), "cannot be recorded");
  refused(frnn_free(d, pass.net.y), "cannot be recorded");
  refused(frnn_host_register(d, reinterpret_cast<int64_t>(&number), 8), "cannot be recorded");
  refused(frnn_host_unregister(d, pass.host_x), "cannot be recorded");
  refused(frnn_copy(d, pass.net.x, reinterpret_cast<int64_t>(&number), 8, FRNN_HOST_TO_DEVICE, s),
          "expected page-locked host memory");
  refused(frnn_stream_wait(d, s, event), "was not recorded in that capture");
  refused(frnn_stream_destroy(d, s), "end the capture first");
  must(frnn_event_record(d, captured_event, s), "record");
  refused(frnn_event_synchronize(d, captured_event), "last recorded in a capture");
  refused(frnn_event_done(d, captured_event, &done), "last recorded in a capture");
  refused(frnn_event_elapsed_us(d, event, captured_event, &us), "last recorded in a capture");
  must(frnn_event_synchronize(d, event), "an event from outside may be waited for");
  int status = FRNN_OK;
  std::thread([&] { status = frnn_capture_end(d, s, nullptr); }).join();
  FRNN_CHECK(status == FRNN_INVALID_ARGUMENT);
  std::thread([&] {
    must(frnn_alloc(d, 16, &address), "another thread may allocate");
    must(frnn_free(d, address), "another thread may free");
  }).join();
  pass.enqueue();
  must(frnn_capture_end(d, s, &graph), "end");
  FRNN_CHECK(same(launched(pass, graph, 5), expected));
  must(frnn_graph_destroy(d, graph), "destroy");
  must(frnn_event_destroy(d, event), "event_destroy");
  must(frnn_event_destroy(d, captured_event), "event_destroy");
}

// An error in the middle, on two streams at once; then everything again.
void aborted_capture(const char* backend) {
  Pass pass(backend);
  const std::vector<float> expected = plain(pass, 9);
  int64_t side = 0, fork = 0;
  must(frnn_stream_create(pass.device, &side), "stream");
  must(frnn_event_create(pass.device, &fork), "event");
  for (int n = 0; n < 3; ++n) {
    must(frnn_capture_begin(pass.device, pass.stream), "begin");
    must(frnn_event_record(pass.device, fork, pass.stream), "record");
    must(frnn_stream_wait(pass.device, side, fork), "wait");
    pass.enqueue();
    must(frnn_fill(pass.device, pass.net.y, 0, 4, side), "fill");
    frnn_net wrong = pass.net;
    wrong.x = 0;
    FRNN_CHECK(frnn_net_forward(pass.device, &wrong) == FRNN_INVALID_ARGUMENT);
    int64_t graph = -1;
    if (n == 0) {
      refused(frnn_capture_end(pass.device, pass.stream, &graph), "was not waited for");
      FRNN_CHECK(graph == -1);
    } else {
      must(frnn_capture_end(pass.device, pass.stream, nullptr), "drop");
    }
    must(frnn_stream_synchronize(pass.device, side), "the other stream is free again");
    FRNN_CHECK(same(plain(pass, 9), expected));
  }
  const int64_t graph = pass.capture();
  FRNN_CHECK(same(launched(pass, graph, 9), expected));
  must(frnn_graph_destroy(pass.device, graph), "destroy");
  must(frnn_event_destroy(pass.device, fork), "event_destroy");
  must(frnn_stream_destroy(pass.device, side), "stream_destroy");
}

// Graphs and captures that nobody ended go with their device.
void close_with_all_open(const char* backend) {
  int64_t device = 0, stream = 0, other = 0, graph = 0, address = 0;
  must(frnn_device_open(backend, 0, &device), "open");
  must(frnn_stream_create(device, &stream), "stream");
  must(frnn_stream_create(device, &other), "stream");
  must(frnn_alloc(device, 64, &address), "alloc");
  must(frnn_capture_begin(device, stream), "begin");
  must(frnn_fill(device, address, 1, 64, stream), "fill");
  must(frnn_capture_end(device, stream, &graph), "end");
  must(frnn_capture_begin(device, other), "begin");
  must(frnn_device_close(device), "close");
}

void registering(const char* backend) {
  int64_t device = 0;
  char memory[64];
  const int64_t at = reinterpret_cast<int64_t>(memory);
  must(frnn_device_open(backend, 0, &device), "open");
  refused(frnn_host_register(device, 0, 8), "address: expected an address");
  refused(frnn_host_register(device, at, 0), "bytes: expected at least 1, got 0");
  must(frnn_host_register(device, at + 16, 16), "register");
  refused(frnn_host_register(device, at, 17), "is registered already");
  refused(frnn_host_register(device, at + 31, 17), "is registered already");
  refused(frnn_host_unregister(device, at), "no memory that begins at");
  must(frnn_host_register(device, at, 16), "register");
  must(frnn_host_register(device, at + 32, 16), "register");
  must(frnn_host_unregister(device, at + 16), "unregister");
  refused(frnn_host_unregister(device, at + 16), "no memory that begins at");
  must(frnn_device_close(device), "close");
}

}  // namespace

int main() {
  for (const char* const backend : {"cpu", "emulated"}) {
    replay_equals_plain(backend);
    refusals_in_a_capture(backend);
    aborted_capture(backend);
    close_with_all_open(backend);
    registering(backend);
  }
  return frnn::testing::report();
}
