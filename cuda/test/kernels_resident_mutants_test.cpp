// Goal: every barrier, wait, arrival and publication in the resident kernels is needed, and the
// cases below notice when it is missing.
// Method: the emulated machine tells of each call of one in the kernels' source by file and line.
// The cases run once as they are. Then each call in turn is left out, as if its line were not
// there, and the cases run over orders of warps and blocks until one of them fails or gives other
// bits. A call that no case misses is a missing test or a superfluous barrier; one in the source
// that no case reaches is named, too.

#include <filesystem>
#include <fstream>
#include <mutex>
#include <regex>
#include <set>

#include "machine/device.h"
#include "problems.h"

namespace frnn {

namespace {
int cluster_to_take = 0;
}

std::unique_ptr<Device> open_device(int64_t seed) {
  auto device = testing::open_gpu(seed);
  if (device != nullptr) FRNN_CHECK_OK(device->set("cluster", cluster_to_take));
  return device;
}

frnn_rnn_sizes sizes_of(const frnn_rnn& rnn) {
  return gpu_rnn_sizes(rnn);
}

namespace {

using namespace testing;
namespace fs = std::filesystem;

constexpr int kOrders = 30;  // that a mutant must be noticed in, in each case

// A call, by its file's name and line.
using Place = std::pair<std::string, int>;

std::mutex lock;  // of what follows: launches may share themselves out to several OS threads
std::set<Place> reached;
Place left_out;

bool on_barrier(const machine::emulated::Site& site) {
  const std::string file = fs::path(site.file).filename();
  if (file.rfind("resident", 0) != 0) return false;
  const std::lock_guard<std::mutex> guard(lock);
  const Place place = {file, site.line};
  reached.insert(place);
  return place == left_out;
}

std::set<Place> in_source() {
  const std::regex call(
      "machine::(sync_block|sync_warp|sync_cluster|cluster_arrive|cluster_wait|barrier_init|"
      "publish_barriers|barrier_arrive|barrier_arrive_expect|barrier_arrive_remote|barrier_wait)"
      "\\(");
  std::set<Place> places;
  for (const auto& entry : fs::directory_iterator(FRNN_KERNELS)) {
    const std::string file = entry.path().filename();
    if (file.rfind("resident", 0) != 0) continue;
    std::ifstream lines(entry.path());
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
      if (std::regex_search(line, call)) places.insert({file, number});
    }
  }
  return places;
}

struct Case {
  int64_t cell, dtype, H;
  int cluster;  // 1: K1
};
constexpr Case kCases[] = {
    {FRNN_LSTM, FRNN_F32, 21, 2},     {FRNN_GRU_RESET_BEFORE, FRNN_BF16, 35, 2},
    {FRNN_LSTM, FRNN_F32, 13, 1},     {FRNN_GRU_RESET_BEFORE, FRNN_F32, 37, 1},
    {FRNN_RNN_TANH, FRNN_F32, 65, 4}, {FRNN_LSTM, FRNN_F16, 9, 4}};

Problem problem_of(const Case& c) {
  Random random(static_cast<uint64_t>(c.H));
  Problem p;
  frnn_rnn& r = p.rnn;
  r.struct_bytes = sizeof r;
  r.cell = c.cell, r.dtype = c.dtype, r.T = 4, r.B = 3, r.I = 2, r.H = c.H;
  r.flags = FRNN_TRAINING | FRNN_REVERSE;
  p.forward_kernel = p.backward_kernel = c.cluster == 1 ? FRNN_KERNEL_SM : FRNN_KERNEL_CLUSTER;
  // Forward deals out tiles of 8 or 16 units: here there are fewer of them than blocks.
  if (c.H < 16 && c.cluster > 2) p.forward_kernel = FRNN_KERNEL_STEP;
  const auto fill = [&](const char* name, int64_t count) {
    const int64_t stored = dtype_of(name, c.dtype);
    p.in[name] = decode(encode(random.uniforms<float>(count, -0.4, 0.4), stored), stored);
  };
  const int64_t rows = gates_of(c.cell) * c.H, state = r.B * c.H;
  fill("w_ih", rows * r.I), fill("w_hh", rows * c.H), fill("x", r.T * r.B * r.I);
  fill("h0", state), fill("dy", r.T * state), fill("dhT", state);
  return p;
}

// Nothing of what a mutant does wrong is a failure of the test.
struct Outcome {
  bool failed;
  Results results;
};
Outcome run(const Case& c, const Problem& p, int64_t order) {
  const int before = failures();
  failures() = 1000;  // beyond what is printed
  cluster_to_take = c.cluster == 1 ? 0 : c.cluster;
  Outcome outcome = {false, Call(p, order).run()};
  outcome.failed = failures() != 1000;
  failures() = before;
  return outcome;
}

bool same(const Results& a, const Results& b) {
  for (const auto& [tensor, values] : a) {
    if (!same_bits(values, b.at(tensor))) return false;
  }
  return true;
}

struct Trial {
  Case c;
  Problem problem;
  Results expected;
};

bool noticed(const std::vector<Trial>& trials) {
  for (int order = 1; order <= kOrders; ++order) {
    for (const Trial& trial : trials) {
      const Outcome outcome = run(trial.c, trial.problem, order);
      if (outcome.failed || !same(trial.expected, outcome.results)) return true;
    }
  }
  return false;
}

void check_mutants() {
  std::vector<Trial> trials;
  machine::emulated::barrier_hook = on_barrier;
  for (const Case& c : kCases) {
    Trial trial = {c, problem_of(c), {}};
    const Outcome outcome = run(c, trial.problem, 1000);
    if (outcome.failed) fail(__FILE__, __LINE__, "a case fails as it is");
    trial.expected = outcome.results;
    trials.push_back(trial);
  }
  for (const Place& place : in_source()) {
    if (reached.count(place) != 0) continue;
    fail(__FILE__, __LINE__, place.first + format(":%d: no case reaches it", place.second));
  }
  const std::set<Place> mutants = reached;
  for (const Place& place : mutants) {
    left_out = place;
    const bool found = noticed(trials);
    std::printf("%s:%d %s\n", place.first.c_str(), place.second, found ? "noticed" : "SURVIVES");
    if (found) continue;
    fail(__FILE__, __LINE__, place.first + format(":%d: left out, nothing fails", place.second));
  }
  FRNN_CHECK(!mutants.empty());
  machine::emulated::barrier_hook = nullptr;
}

}  // namespace
}  // namespace frnn

int main() {
  frnn::check_mutants();
  return frnn::testing::report();
}
