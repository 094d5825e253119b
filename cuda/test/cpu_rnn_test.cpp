// Recurrent sequences of the CPU backend, all cells, forward and backward, against plain loops in
// double: odd shapes, every optional tensor absent and present, every instruction set, the same
// bits for 1, 2 and 3 threads, = and +=, results in the memory of the initial state.

#include <cstring>
#include <functional>
#include <map>

#include "host/plan.h"
#include "host/provider.h"
#include "naive_rnn.h"
#include "testing.h"

using frnn::Device;
using frnn::testing::NaiveRnn;
using frnn::testing::Random;

// By name; an absent optional tensor is empty.
using Tensors = std::map<std::string, std::vector<double>>;

namespace {

constexpr float kSentinel = 777.0f;
constexpr size_t kGuard = 16;  // sentinels behind every buffer

struct Case {
  int64_t cell, T, B, I, H;
  bool optional;  // optional inputs present
  bool accumulate;
};

std::string name_of(const Case& c, const std::string& what) {
  return frnn::format("cell %ld T %ld B %ld I %ld H %ld optional %d: %s", static_cast<long>(c.cell),
                      static_cast<long>(c.T), static_cast<long>(c.B), static_cast<long>(c.I),
                      static_cast<long>(c.H), c.optional, what.c_str());
}

Tensors random_tensors(const Case& c, uint64_t seed) {
  Random random(seed);
  const int64_t G = frnn::gates_of(c.cell);
  const double scale = 1.0 / std::sqrt(static_cast<double>(c.H));
  Tensors t;
  auto fill = [&](const char* name, int64_t count, double size, bool present) {
    std::vector<double>& v = t[name];
    for (int64_t i = 0; present && i < count; ++i) {
      v.push_back(static_cast<float>(random.uniform(-size, size)));  // exact in both precisions
    }
  };
  fill("w_ih", G * c.H * c.I, scale, true);
  fill("w_hh", G * c.H * c.H, scale, true);
  fill("b_ih", G * c.H, scale, c.optional);
  fill("b_hh", G * c.H, scale, c.optional);
  fill("x", c.T * c.B * c.I, 1, true);
  fill("h0", c.B * c.H, 1, c.optional);
  fill("c0", c.B * c.H, 1, c.optional && c.cell == FRNN_LSTM);
  fill("dy", c.T * c.B * c.H, 1, c.optional || seed % 2 == 0);
  fill("dhT", c.B * c.H, 1, c.optional || seed % 2 == 1);
  fill("dcT", c.B * c.H, 1, c.optional && c.cell == FRNN_LSTM);
  return t;
}

Tensors naive_results(const Case& c, const Tensors& in) {
  NaiveRnn n{};
  n.cell = c.cell, n.T = c.T, n.B = c.B, n.I = c.I, n.H = c.H;
  n.w_ih = in.at("w_ih"), n.w_hh = in.at("w_hh"), n.b_ih = in.at("b_ih"), n.b_hh = in.at("b_hh");
  n.x = in.at("x"), n.h0 = in.at("h0"), n.c0 = in.at("c0");
  n.dy = in.at("dy"), n.dhT = in.at("dhT"), n.dcT = in.at("dcT");
  n.run();
  return {{"y", n.y},         {"hT", n.hT},      {"cT", n.cT},       {"dx", n.dx},
          {"dh0", n.dh0},     {"dc0", n.dc0},    {"dw_ih", n.dw_ih}, {"dw_hh", n.dw_hh},
          {"db_ih", n.db_ih}, {"db_hh", n.db_hh}};
}

// Float copies of named tensors, each followed by sentinels.
class Buffers {
 public:
  int64_t put(const std::string& name, const std::vector<double>& values) {
    std::vector<float>& b = map_[name];
    b.assign(values.begin(), values.end());
    b.resize(values.size() + kGuard, kSentinel);
    return reinterpret_cast<int64_t>(b.data());
  }
  int64_t make(const std::string& name, size_t size) {
    return put(name, std::vector<double>(size, std::nan("")));
  }
  const std::vector<float>& get(const std::string& name) const { return map_.at(name); }
  void check_guards(const Case& c) const {
    for (const auto& [name, b] : map_) {
      for (size_t i = b.size() - kGuard; i < b.size(); ++i) {
        if (b[i] != kSentinel) {
          frnn::testing::fail(__FILE__, __LINE__, name_of(c, "wrote behind " + name));
          break;
        }
      }
    }
  }
  std::map<std::string, std::vector<float>>& all() { return map_; }

 private:
  std::map<std::string, std::vector<float>> map_;
};

void compare(const Case& c, const std::string& name, const std::vector<float>& got,
             const std::vector<double>& expected) {
  double size = 1e-3, worst = 0;
  size_t at = 0;
  for (double e : expected)
    size = std::max(size, std::fabs(e));
  for (size_t i = 0; i < expected.size(); ++i) {
    const double off = std::fabs(got[i] - expected[i]);
    if (!(off <= worst)) worst = off, at = i;
  }
  // fp32 rounding through T steps of sums of I + H products: some tens of 2^-24 of the largest.
  if (!(worst <= 4e-6 * size)) {
    frnn::testing::fail(__FILE__, __LINE__,
                        name_of(c, frnn::format("%s[%zu] is %.9g, expected %.9g", name.c_str(), at,
                                                static_cast<double>(got[at]), expected[at])));
  }
}

struct Run {
  Buffers buffers;
  frnn_rnn rnn{};
};

void fill_sizes(const Case& c, frnn_rnn* rnn) {
  rnn->struct_bytes = sizeof(frnn_rnn);
  rnn->cell = c.cell;
  rnn->dtype = FRNN_F32;
  rnn->flags = FRNN_TRAINING | (c.accumulate ? FRNN_ACCUMULATE : 0);
  rnn->T = c.T, rnn->B = c.B, rnn->I = c.I, rnn->H = c.H;
}

// Forward and backward on a device, from the tensors of the naive computation.
// With `lengths`, all T, the call takes the path that serves the whole family.
void execute(Device& device, const Case& c, const Tensors& in, std::vector<int32_t>* lengths,
             Run* run) {
  Buffers& b = run->buffers;
  frnn_rnn& r = run->rnn;
  fill_sizes(c, &r);
  if (lengths != nullptr) r.lengths = reinterpret_cast<int64_t>(lengths->data());
  const bool lstm = c.cell == FRNN_LSTM;
  const size_t G = static_cast<size_t>(frnn::gates_of(c.cell)), H = static_cast<size_t>(c.H);
  const size_t BH = static_cast<size_t>(c.B) * H, I = static_cast<size_t>(c.I);
  auto given = [&](const char* name) {
    return in.at(name).empty() ? int64_t{0} : b.put(name, in.at(name));
  };
  r.w_ih = given("w_ih"), r.w_hh = given("w_hh"), r.b_ih = given("b_ih"), r.b_hh = given("b_hh");
  r.x = given("x"), r.h0 = given("h0"), r.c0 = lstm ? given("c0") : 0;
  r.y = b.make("y", static_cast<size_t>(c.T) * BH);
  r.hT = b.make("hT", BH);
  r.cT = lstm ? b.make("cT", BH) : 0;
  const frnn_rnn_sizes sizes = frnn::cpu_rnn_sizes(r);
  r.reserve = b.make("reserve", static_cast<size_t>(sizes.reserve_bytes / 4));
  r.workspace = b.make("workspace", static_cast<size_t>(sizes.forward_workspace_bytes / 4));
  r.reserve_bytes = sizes.reserve_bytes, r.workspace_bytes = sizes.forward_workspace_bytes;
  FRNN_CHECK_OK(device.rnn_forward(r));
  r.dy = given("dy"), r.dhT = given("dhT"), r.dcT = lstm ? given("dcT") : 0;
  const std::vector<double> start(G * H * std::max(I, H), 0.25);
  auto gradient = [&](const char* name, size_t size) {
    return c.accumulate ? b.put(name, {start.begin(), start.begin() + static_cast<long>(size)})
                        : b.make(name, size);
  };
  r.dx = b.make("dx", static_cast<size_t>(c.T * c.B) * I);
  r.dh0 = b.make("dh0", BH);
  r.dc0 = lstm ? b.make("dc0", BH) : 0;
  r.dw_ih = gradient("dw_ih", G * H * I);
  r.dw_hh = gradient("dw_hh", G * H * H);
  r.db_ih = gradient("db_ih", G * H);
  r.db_hh = gradient("db_hh", G * H);
  r.workspace = b.make("workspace2", static_cast<size_t>(sizes.backward_workspace_bytes / 4));
  r.workspace_bytes = sizes.backward_workspace_bytes;
  FRNN_CHECK_OK(device.rnn_backward(r));
  b.check_guards(c);
}

const char* const kResults[] = {"y",   "hT",    "cT",    "dx",    "dh0",
                                "dc0", "dw_ih", "dw_hh", "db_ih", "db_hh"};

void check_inference(Device& device, const Case& c, const Run& trained) {
  // Without training, hT in the memory of h0 and cT in that of c0.
  Buffers b;
  frnn_rnn r = trained.rnn;
  r.flags = 0;
  auto copy = [&](const char* name) {
    const std::vector<float>& from = trained.buffers.get(name);
    return b.put(name, {from.begin(), from.end() - kGuard});
  };
  if (r.h0 != 0) r.h0 = r.hT = copy("h0");
  if (r.c0 != 0) r.c0 = r.cT = copy("c0");
  r.y = b.make("y", static_cast<size_t>(c.T * c.B * c.H));
  const frnn_rnn_sizes sizes = frnn::cpu_rnn_sizes(r);
  FRNN_CHECK(sizes.reserve_bytes == 0);
  r.reserve = 0;
  r.workspace = b.make("workspace", static_cast<size_t>(sizes.forward_workspace_bytes / 4));
  FRNN_CHECK_OK(device.rnn_forward(r));
  b.check_guards(c);
  const std::vector<float>& y = trained.buffers.get("y");
  FRNN_CHECK(std::memcmp(y.data(), b.get("y").data(), y.size() * sizeof(float)) == 0);
  if (r.h0 != 0) FRNN_CHECK(b.get("h0") == trained.buffers.get("hT"));
  if (r.c0 != 0) FRNN_CHECK(b.get("c0") == trained.buffers.get("cT"));
}

// Each gradient alone has the bits that it has among all; the others are not touched.
void check_gradients_alone(Device& device, const Case& c, const Run& all) {
  int64_t frnn_rnn::*const gradients[] = {&frnn_rnn::dx,    &frnn_rnn::dh0,   &frnn_rnn::dc0,
                                          &frnn_rnn::dw_ih, &frnn_rnn::dw_hh, &frnn_rnn::db_ih,
                                          &frnn_rnn::db_hh};
  const char* const names[] = {"dx", "dh0", "dc0", "dw_ih", "dw_hh", "db_ih", "db_hh"};
  for (size_t wanted = 0; wanted < 7; ++wanted) {
    if (all.rnn.*gradients[wanted] == 0) continue;
    Buffers b;
    frnn_rnn r = all.rnn;
    for (auto gradient : gradients)
      r.*gradient = 0;
    const std::vector<float>& expected = all.buffers.get(names[wanted]);
    const size_t size = expected.size() - kGuard;
    r.*gradients[wanted] = c.accumulate && wanted >= 3
                               ? b.put("alone", std::vector<double>(size, 0.25))
                               : b.make("alone", size);
    FRNN_CHECK_OK(device.rnn_backward(r));
    b.check_guards(c);
    if (b.get("alone") != expected) {
      frnn::testing::fail(__FILE__, __LINE__,
                          name_of(c, std::string("alone, bits differ in ") + names[wanted]));
    }
  }
}

// The path for the whole family gives the same bits, but for the sums over all steps and rows:
// those it takes in another order.
void check_family_path(Device& device, const Case& c, const Tensors& in, const Run& plain) {
  std::vector<int32_t> lengths(static_cast<size_t>(c.B), static_cast<int32_t>(c.T));
  Run run;
  execute(device, c, in, &lengths, &run);
  for (const char* name : kResults) {
    if (run.buffers.all().count(name) == 0) continue;
    const std::vector<float>&a = plain.buffers.get(name), &b = run.buffers.get(name);
    if (std::strncmp(name, "dw", 2) == 0 || std::strncmp(name, "db", 2) == 0) {
      compare(c, std::string("family path: ") + name, b, {a.begin(), a.end()});
    } else if (a != b) {
      frnn::testing::fail(__FILE__, __LINE__,
                          name_of(c, std::string("family path: bits differ in ") + name));
    }
  }
}

// A matrix of [T, B, columns] with its times in reverse order and rows of `row` floats; the floats
// between rows are sentinels.
std::vector<float> turned(const Case& c, const float* dense, int64_t columns, int64_t row) {
  std::vector<float> out(static_cast<size_t>(c.T * c.B * row), kSentinel);
  for (int64_t n = 0; n < c.T * c.B; ++n) {
    const int64_t from = (c.T - 1 - n / c.B) * c.B + n % c.B;
    std::copy_n(dense + from * columns, columns, out.begin() + n * row);
  }
  return out;
}

// A reverse call over rows with gaps gives what a forward call gives of the sequence read
// backwards, bit for bit but for the sums over all steps and rows.
void check_reverse(Device& device, const Case& c, Run* forward) {
  Buffers& f = forward->buffers;
  frnn_rnn r = forward->rnn;
  r.flags |= FRNN_REVERSE;
  r.x_ld = c.I + 3, r.y_ld = c.H + 5;
  std::map<std::string, std::vector<float>> own;
  const auto take = [&](const char* name, std::vector<float> values) {
    std::vector<float>& kept = own[name];
    kept = std::move(values);
    return reinterpret_cast<int64_t>(kept.data());
  };
  const auto rows = [&](const char* name, int64_t columns, int64_t row) {
    return take(name, turned(c, f.get(name).data(), columns, row));
  };
  r.x = rows("x", c.I, r.x_ld);
  if (r.dy != 0) r.dy = rows("dy", c.H, r.y_ld);
  const size_t steps = static_cast<size_t>(c.T * c.B);
  r.y = take("y", std::vector<float>(steps * static_cast<size_t>(r.y_ld), kSentinel));
  r.dx = take("dx", std::vector<float>(steps * static_cast<size_t>(r.x_ld), kSentinel));
  for (auto [name, field] : {std::pair<const char*, int64_t frnn_rnn::*>{"hT", &frnn_rnn::hT},
                             {"cT", &frnn_rnn::cT},
                             {"dh0", &frnn_rnn::dh0},
                             {"dc0", &frnn_rnn::dc0},
                             {"reserve", &frnn_rnn::reserve},
                             {"dw_ih", &frnn_rnn::dw_ih},
                             {"dw_hh", &frnn_rnn::dw_hh},
                             {"db_ih", &frnn_rnn::db_ih},
                             {"db_hh", &frnn_rnn::db_hh}}) {
    if (r.*field != 0) r.*field = take(name, std::vector<float>(f.get(name).size(), 0.25f));
  }
  const frnn_rnn_sizes sizes = frnn::cpu_rnn_sizes(r);
  const int64_t bytes = std::max(sizes.forward_workspace_bytes, sizes.backward_workspace_bytes);
  r.workspace = take("workspace", std::vector<float>(static_cast<size_t>(bytes / 4), kSentinel));
  r.workspace_bytes = bytes;
  FRNN_CHECK_OK(device.rnn_forward(r));
  FRNN_CHECK_OK(device.rnn_backward(r));
  const std::vector<float> trained = own["y"];
  r.flags &= ~FRNN_TRAINING;
  r.workspace_bytes = frnn::cpu_rnn_sizes(r).forward_workspace_bytes;
  r.workspace = take("workspace", std::vector<float>(static_cast<size_t>(r.workspace_bytes / 4)));
  FRNN_CHECK_OK(device.rnn_forward(r));
  FRNN_CHECK(own["y"] == trained);
  for (const char* name : kResults) {
    if (own.count(name) == 0) continue;
    std::vector<float> expected = f.get(name);
    expected.resize(expected.size() - kGuard);
    own[name].resize(own[name].size() - (std::strchr(name, 'y') || name[1] == 'x' ? 0 : kGuard));
    if (std::strcmp(name, "y") == 0) expected = turned(c, expected.data(), c.H, r.y_ld);
    if (std::strcmp(name, "dx") == 0) expected = turned(c, expected.data(), c.I, r.x_ld);
    if (std::strncmp(name, "dw", 2) == 0 || std::strncmp(name, "db", 2) == 0) {
      compare(c, std::string("reverse: ") + name, own[name], {expected.begin(), expected.end()});
    } else if (own[name] != expected) {
      frnn::testing::fail(__FILE__, __LINE__,
                          name_of(c, std::string("reverse: bits differ in ") + name));
    }
  }
}

void run(Device& device, const Case& c, uint64_t seed) {
  const Tensors tensors = random_tensors(c, seed);
  Run first;
  for (int threads = 1; threads <= 3; ++threads) {
    FRNN_CHECK_OK(device.set("threads", threads));
    Run now;
    execute(device, c, tensors, nullptr, &now);
    check_family_path(device, c, tensors, now);
    check_gradients_alone(device, c, now);
    check_reverse(device, c, &now);
    if (threads == 1) {
      first = std::move(now);
      check_inference(device, c, first);
      continue;
    }
    check_inference(device, c, first);
    for (const char* name : kResults) {
      if (first.buffers.all().count(name) == 0) continue;
      const std::vector<float>&a = first.buffers.get(name), &b = now.buffers.get(name);
      if (std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) != 0) {
        frnn::testing::fail(__FILE__, __LINE__, name_of(c, std::string("bits differ in ") + name));
      }
    }
  }
  const Tensors results = naive_results(c, tensors);
  for (const char* name : kResults) {
    if (first.buffers.all().count(name) == 0) continue;
    std::vector<double> expected = results.at(name);
    const bool weight = std::strncmp(name, "dw", 2) == 0 || std::strncmp(name, "db", 2) == 0;
    if (weight && c.accumulate) {
      for (double& e : expected)
        e += 0.25;
    }
    compare(c, name, first.buffers.get(name), expected);
  }
}

}  // namespace

int main() {
  const int64_t shapes[][4] = {{1, 1, 1, 1},
                               {2, 1, 3, 5},
                               {3, 2, 7, 17},
                               {5, 3, 16, 16},
                               {4, 7, 5, 33},
                               {3, 13, 31, 64},
                               {6, 9, 20, 70},
                               {2, 200, 9, 20},
                               {40, 1, 12, 48},
                               {7, 19, 96, 100},
                               // backward in chunks: of many steps, of one, of one with many rows
                               {41, 9, 10, 18},
                               {5, 130, 6, 7},
                               {3, 300, 5, 9}};
  for (const char* isa : {"avx512", "avx2", "portable"}) {
    if (!frnn::cpu_provider().set_option("cpu.isa", isa).ok()) {
      std::printf("%s: not on this processor\n", isa);
      continue;
    }
    std::unique_ptr<Device> device;
    FRNN_CHECK_OK(frnn::cpu_provider().open(0, &device));
    uint64_t seed = 1;
    for (int64_t cell = FRNN_LSTM; cell <= FRNN_RNN_RELU; ++cell) {
      for (const auto& s : shapes) {
        run(*device, {cell, s[0], s[1], s[2], s[3], seed % 3 != 0, seed % 2 == 0}, seed);
        ++seed;
      }
      run(*device, {cell, 3, 5, 11, 21, false, false}, seed++);
    }
  }
  return frnn::testing::report();
}
