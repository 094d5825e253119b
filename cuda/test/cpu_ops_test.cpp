// The CPU backend's lists of tensors against plain double: clipping and optimisers, in each
// instruction set, for 1, 2 and 3 threads. Then memory, streams, events and the messages of refused
// arguments.

#include <cstring>
#include <functional>
#include <limits>

#include "host/provider.h"
#include "host/table.h"
#include "testing.h"

using frnn::Device;
using frnn::testing::Random;

namespace {

template <typename E>
int64_t address(std::vector<E>& v) {
  return reinterpret_cast<int64_t>(v.data());
}

void check_close(const char* what, const std::vector<float>& got,
                 const std::vector<double>& expected, double allowed) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!(std::fabs(got[i] - expected[i]) <= allowed)) {
      frnn::testing::fail(__FILE__, __LINE__,
                          frnn::format("%s[%zu] is %.9g, expected %.9g", what, i,
                                       static_cast<double>(got[i]), expected[i]));
      return;
    }
  }
}

// Parallel lists of tensors, and the table that kernels read.
struct Lists {
  std::vector<int64_t> lengths;
  std::vector<std::vector<std::vector<float>>> lists;  // [list][tensor]
  std::vector<char> table;
  int64_t chunks = 0;

  Lists(int count_of_lists, std::vector<int64_t> tensor_lengths, uint64_t seed)
      : lengths(std::move(tensor_lengths)) {
    Random random(seed);
    for (int l = 0; l < count_of_lists; ++l) {
      lists.emplace_back();
      for (int64_t n : lengths)
        lists.back().push_back(random.uniforms<float>(n, 0.1, 1));
    }
  }
  void write_table() {
    std::vector<frnn::Chunk> cut;
    std::vector<int64_t> addresses;
    for (size_t t = 0; t < lengths.size(); ++t) {
      for (int64_t o = 0; o < lengths[t]; o += frnn::kChunkElements) {
        cut.push_back({static_cast<int64_t>(t), o, std::min(frnn::kChunkElements, lengths[t] - o)});
      }
    }
    for (auto& list : lists) {
      for (auto& tensor : list)
        addresses.push_back(address(tensor));
    }
    chunks = static_cast<int64_t>(cut.size());
    const size_t cut_bytes = cut.size() * sizeof(frnn::Chunk);
    const frnn::TableHeader header = {static_cast<int64_t>(lengths.size()),
                                      static_cast<int64_t>(lists.size()), chunks,
                                      static_cast<int64_t>(sizeof(frnn::TableHeader) + cut_bytes)};
    table.resize(sizeof header + cut_bytes + addresses.size() * 8);
    std::memcpy(table.data(), &header, sizeof header);
    std::memcpy(table.data() + sizeof header, cut.data(), cut_bytes);
    std::memcpy(table.data() + header.addresses_offset, addresses.data(), addresses.size() * 8);
  }
};

const std::vector<int64_t> kLengths = {3, 0, 70001, 1, 4097};

frnn_clip_result clip(Device& device, Lists* lists, double max_norm, int64_t action) {
  lists->write_table();
  std::vector<double> workspace(static_cast<size_t>(lists->chunks));
  std::vector<frnn_clip_result> result(1);
  frnn_clip c{};
  c.struct_bytes = sizeof c;
  c.dtype = FRNN_F32;
  c.table = address(lists->table);
  c.chunks = lists->chunks;
  c.action = action;
  c.max_norm = max_norm;
  c.result = address(result);
  c.workspace = address(workspace);
  c.workspace_bytes = 8 * lists->chunks;
  FRNN_CHECK_OK(device.clip_by_global_norm(c));
  return result[0];
}

void test_clamp(Device& device) {
  Lists lists(1, kLengths, 6);
  lists.lists[0][0][1] = std::nanf("");
  const auto before = lists.lists[0];
  const frnn_clip_result r = clip(device, &lists, 0.25, FRNN_CLAMP_ELEMENTS);
  FRNN_CHECK(r.coefficient == 1.0 && r.finite == 0);
  for (size_t t = 0; t < before.size(); ++t) {
    for (size_t e = 0; e < before[t].size(); ++e) {
      const float g = before[t][e], got = lists.lists[0][t][e];
      FRNN_CHECK(std::isnan(g) ? std::isnan(got) : got == std::min(std::max(g, -0.25f), 0.25f));
    }
  }
}

void test_clip(Device& device) {
  Lists lists(1, kLengths, 5);
  const auto before = lists.lists[0];
  double squares = 0;
  for (const auto& t : before) {
    for (float v : t)
      squares += static_cast<double>(v) * v;
  }
  const double norm = std::sqrt(squares);
  frnn_clip_result r = clip(device, &lists, 2 * norm, 1);
  FRNN_CHECK_NEAR(r.norm, norm, 1e-12 * norm);
  FRNN_CHECK(r.coefficient == 1.0 && r.finite == 1);
  FRNN_CHECK(lists.lists[0] == before);
  r = clip(device, &lists, norm / 4, 1);
  FRNN_CHECK_NEAR(r.coefficient, 0.25, 1e-12);
  for (size_t t = 0; t < before.size(); ++t) {
    std::vector<double> quarter(before[t].begin(), before[t].end());
    for (double& v : quarter)
      v *= r.coefficient;
    check_close("clipped", lists.lists[0][t], quarter, 1e-7);
  }
  lists.lists[0][2][70000] = std::numeric_limits<float>::quiet_NaN();
  r = clip(device, &lists, 1, 0);
  FRNN_CHECK(std::isnan(r.norm) && std::isnan(r.coefficient) && r.finite == 0);
  lists.lists[0][2][70000] = std::numeric_limits<float>::infinity();
  r = clip(device, &lists, 1, 0);
  FRNN_CHECK(std::isinf(r.norm) && r.coefficient == 0.0 && r.finite == 0);
}

double naive_update(int64_t kind, const frnn_optimizer& o, double g, double p, double s1,
                    double s2) {
  if (kind == FRNN_SGD) return p - o.learning_rate * (o.beta1 * s1 + g);
  if (kind == FRNN_ADAGRAD) {
    return p - o.learning_rate * g / std::sqrt(s1 + g * g + o.epsilon);
  }
  const double m = o.beta1 * s1 + (1 - o.beta1) * g, v = o.beta2 * s2 + (1 - o.beta2) * g * g;
  const double t = static_cast<double>(o.step);
  return p - o.learning_rate * (m / (1 - std::pow(o.beta1, t))) /
                 (std::sqrt(v / (1 - std::pow(o.beta2, t))) + o.epsilon);
}

void test_optimizer(Device& device, int64_t kind) {
  Lists lists(kind == FRNN_ADAM ? 4 : 3, kLengths, 9);
  lists.write_table();
  const auto before = lists.lists;
  std::vector<frnn_clip_result> clip_result = {{2.0, 0.5, 1}};
  frnn_optimizer o{};
  o.struct_bytes = sizeof o;
  o.kind = kind;
  o.dtype = FRNN_F32;
  o.flags = FRNN_SKIP_NONFINITE;
  o.table = address(lists.table);
  o.chunks = lists.chunks;
  o.learning_rate = 0.01, o.beta1 = 0.9, o.beta2 = 0.999, o.epsilon = 1e-8, o.weight_decay = 0.03;
  o.step = 3;
  o.clip = address(clip_result);
  clip_result[0].finite = 0;
  FRNN_CHECK_OK(device.optimizer_step(o));
  FRNN_CHECK(lists.lists == before);
  clip_result[0].finite = 1;
  FRNN_CHECK_OK(device.optimizer_step(o));
  for (size_t t = 0; t < kLengths.size(); ++t) {
    std::vector<double> expected;
    for (size_t i = 0; i < before[0][t].size(); ++i) {
      const double p = before[0][t][i], g = 0.5 * before[1][t][i] + 0.03 * p;
      const double s2 = kind == FRNN_ADAM ? before[3][t][i] : 0.0;
      expected.push_back(naive_update(kind, o, g, p, before[2][t][i], s2));
    }
    check_close("parameter", lists.lists[0][t], expected, 3e-7);
    FRNN_CHECK(lists.lists[1][t] == before[1][t]);
  }
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
    for (int threads = 1; threads <= 3; ++threads) {
      FRNN_CHECK_OK(device->set("threads", threads));
      test_clip(*device);
      test_clamp(*device);
      for (int64_t kind : {FRNN_SGD, FRNN_ADAGRAD, FRNN_ADAM})
        test_optimizer(*device, kind);
    }
  }
  return frnn::testing::report();
}
