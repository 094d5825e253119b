// Sequences on the emulated machine against naive double loops: every cell, odd shapes, with and
// without each optional tensor, `=` and `+=`; the same bits whatever order warps and blocks run in.

#include <map>
#include <string>

#include "gpu.h"
#include "host/plan.h"
#include "naive_rnn.h"

namespace frnn {
namespace {

using namespace testing;

struct Case {
  int64_t cell, T, B, I, H;
  bool optional;    // biases, h0, c0, dhT, dcT, hT, cT are there
  bool accumulate;  // weight gradients are +=
};

std::string name_of(const Case& c) {
  return format("cell=%d T=%d B=%d I=%d H=%d%s%s", static_cast<int>(c.cell), static_cast<int>(c.T),
                static_cast<int>(c.B), static_cast<int>(c.I), static_cast<int>(c.H),
                c.optional ? " all" : " bare", c.accumulate ? " +=" : " =");
}

// All tensors of a call, by name; those that are absent are not in the map.
class Run {
 public:
  Run(const Case& c, uint64_t data_seed, int64_t machine_seed)
      : case_(c), device_(open_gpu(machine_seed)) {
    Random random(data_seed);
    const int64_t G = gates_of(c.cell), rows = G * c.H, state = c.B * c.H;
    const double weight = 1 / std::sqrt(static_cast<double>(c.H));
    const bool lstm = c.cell == FRNN_LSTM;
    input("w_ih", random.uniforms<float>(rows * c.I, -weight, weight));
    input("w_hh", random.uniforms<float>(rows * c.H, -weight, weight));
    input("x", random.uniforms<float>(c.T * c.B * c.I, -1, 1));
    input("dy", random.uniforms<float>(c.T * state, -1, 1));
    if (c.optional) {
      input("b_ih", random.uniforms<float>(rows, -1, 1));
      input("b_hh", random.uniforms<float>(rows, -1, 1));
      input("h0", random.uniforms<float>(state, -1, 1));
      input("dhT", random.uniforms<float>(state, -1, 1));
      if (lstm) input("c0", random.uniforms<float>(state, -1, 1));
      if (lstm) input("dcT", random.uniforms<float>(state, -1, 1));
      output("hT", state);
      output("dh0", state);
      if (lstm) output("cT", state);
      if (lstm) output("dc0", state);
    }
    output("y", c.T * state);
    output("dx", c.T * c.B * c.I);
    const std::map<std::string, int64_t> weights = {
        {"dw_ih", rows * c.I}, {"dw_hh", rows * c.H}, {"db_ih", rows}, {"db_hh", rows}};
    for (const auto& [name, count] : weights) {
      if (c.accumulate) {
        input(name, random.uniforms<float>(count, -1, 1));
      } else {
        output(name, count);
      }
    }
  }

  frnn_rnn call(int64_t flags) {
    frnn_rnn rnn{};
    rnn.struct_bytes = sizeof rnn;
    rnn.cell = case_.cell;
    rnn.dtype = FRNN_F32;
    rnn.flags = flags;
    rnn.kernel = FRNN_KERNEL_STEP;
    rnn.T = case_.T, rnn.B = case_.B, rnn.I = case_.I, rnn.H = case_.H;
    rnn.w_ih = at("w_ih"), rnn.w_hh = at("w_hh"), rnn.b_ih = at("b_ih"), rnn.b_hh = at("b_hh");
    rnn.x = at("x"), rnn.h0 = at("h0"), rnn.c0 = at("c0");
    rnn.y = at("y"), rnn.hT = at("hT"), rnn.cT = at("cT");
    rnn.dy = at("dy"), rnn.dhT = at("dhT"), rnn.dcT = at("dcT");
    rnn.dx = at("dx"), rnn.dh0 = at("dh0"), rnn.dc0 = at("dc0");
    rnn.dw_ih = at("dw_ih"), rnn.dw_hh = at("dw_hh");
    rnn.db_ih = at("db_ih"), rnn.db_hh = at("db_hh");
    return rnn;
  }

  void train() {
    frnn_rnn rnn = call(FRNN_TRAINING | (case_.accumulate ? FRNN_ACCUMULATE : 0));
    const frnn_rnn_sizes sizes = gpu_rnn_sizes(rnn);
    Tensor<char> reserve(*device_, sizes.reserve_bytes);
    Tensor<char> forward(*device_, sizes.forward_workspace_bytes);
    Tensor<char> backward(*device_, sizes.backward_workspace_bytes);
    rnn.reserve = reserve.address(), rnn.reserve_bytes = sizes.reserve_bytes;
    rnn.workspace = forward.address(), rnn.workspace_bytes = sizes.forward_workspace_bytes;
    FRNN_CHECK_OK(device_->rnn_forward(rnn));
    rnn.workspace = backward.address(), rnn.workspace_bytes = sizes.backward_workspace_bytes;
    FRNN_CHECK_OK(device_->rnn_backward(rnn));
    FRNN_CHECK_OK(device_->synchronize());
  }

  void infer() { infer(call(0)); }
  void infer_in_place() {
    frnn_rnn rnn = call(0);
    rnn.hT = rnn.h0;
    rnn.cT = rnn.c0;
    infer(rnn);
  }

  std::vector<float> read(const std::string& name) { return tensors_.at(name)->read(); }
  Doubles given(const std::string& name) const {
    const auto found = inputs_.find(name);
    return found == inputs_.end() ? Doubles() : widened(found->second);
  }
  const std::vector<std::string>& names() const { return names_; }

 private:
  void infer(frnn_rnn rnn) {
    const frnn_rnn_sizes sizes = gpu_rnn_sizes(rnn);
    FRNN_CHECK(sizes.reserve_bytes == 0);
    Tensor<char> workspace(*device_, sizes.forward_workspace_bytes);
    rnn.workspace = workspace.address(), rnn.workspace_bytes = sizes.forward_workspace_bytes;
    FRNN_CHECK_OK(device_->rnn_forward(rnn));
    FRNN_CHECK_OK(device_->synchronize());
  }
  void input(const std::string& name, const std::vector<float>& values) {
    inputs_[name] = values;
    output(name, static_cast<int64_t>(values.size()));
    tensors_.at(name)->write(values);
  }
  void output(const std::string& name, int64_t count) {
    names_.push_back(name);
    tensors_[name] = std::make_unique<Tensor<float>>(*device_, count);
  }
  int64_t at(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? 0 : found->second->address();
  }

  Case case_;
  std::unique_ptr<Device> device_;
  std::map<std::string, std::vector<float>> inputs_;
  std::map<std::string, std::unique_ptr<Tensor<float>>> tensors_;
  std::vector<std::string> names_;
};

NaiveRnn expected_of(const Case& c, const Run& run) {
  NaiveRnn naive{};
  naive.cell = c.cell, naive.T = c.T, naive.B = c.B, naive.I = c.I, naive.H = c.H;
  naive.w_ih = run.given("w_ih"), naive.w_hh = run.given("w_hh");
  naive.b_ih = run.given("b_ih"), naive.b_hh = run.given("b_hh");
  naive.x = run.given("x"), naive.h0 = run.given("h0"), naive.c0 = run.given("c0");
  naive.dy = run.given("dy"), naive.dhT = run.given("dhT"), naive.dcT = run.given("dcT");
  naive.run();
  const std::pair<const char*, Doubles*> weights[] = {{"dw_ih", &naive.dw_ih},
                                                      {"dw_hh", &naive.dw_hh},
                                                      {"db_ih", &naive.db_ih},
                                                      {"db_hh", &naive.db_hh}};
  for (const auto& [name, gradient] : weights) {
    const Doubles before = run.given(name);
    for (size_t k = 0; k < before.size(); ++k)
      (*gradient)[k] += before[k];
  }
  return naive;
}

void check_case(const Case& c, uint64_t seed) {
  const std::string name = name_of(c);
  Run run(c, seed, 1);
  run.train();
  const NaiveRnn naive = expected_of(c, run);
  // A preactivation collects I + H + 2 roundings, the state is fed back over T steps; gradients sum
  // T * B of such terms. 8 is the slack over a plain fp32 loop's own error.
  const double forward = 8 * std::sqrt(static_cast<double>(c.I + c.H + 2)) * std::sqrt(c.T + 1.0);
  const double backward = 4 * forward;
  const std::tuple<const char*, const Doubles*, double> outputs[] = {
      {"y", &naive.y, forward},          {"hT", &naive.hT, forward},
      {"cT", &naive.cT, forward},        {"dx", &naive.dx, backward},
      {"dh0", &naive.dh0, backward},     {"dc0", &naive.dc0, backward},
      {"dw_ih", &naive.dw_ih, backward}, {"dw_hh", &naive.dw_hh, backward},
      {"db_ih", &naive.db_ih, backward}, {"db_hh", &naive.db_hh, backward}};
  for (const auto& [tensor, values, factor] : outputs) {
    const auto& names = run.names();
    if (std::find(names.begin(), names.end(), tensor) == names.end()) continue;
    check_close((name + " " + tensor).c_str(), run.read(tensor), *values, factor);
  }

  Run again(c, seed, 77);  // another order of warps and blocks
  again.train();
  for (const std::string& tensor : run.names()) {
    if (same_bits(run.read(tensor), again.read(tensor))) continue;
    fail(__FILE__, __LINE__, name + " " + tensor + ": two runs differ in their bits");
  }
  if (c.accumulate) return;
  Run inference(c, seed, 3);
  inference.infer();
  for (const char* tensor : {"y", "hT", "cT"}) {
    const auto& names = run.names();
    if (std::find(names.begin(), names.end(), tensor) == names.end()) continue;
    if (same_bits(run.read(tensor), inference.read(tensor))) continue;
    fail(__FILE__, __LINE__, name + " " + tensor + ": inference differs from training");
  }
}

// So long that inference computes its input products in several runs of steps (64 MiB each).
void check_chunks() {
  const Case c = {FRNN_LSTM, 46, 24000, 1, 4, false, false};
  Run training(c, 5, 1), inference(c, 5, 1);
  frnn_rnn rnn = training.call(0);
  FRNN_CHECK(gpu_rnn_sizes(rnn).forward_workspace_bytes < 4 * c.T * c.B * 4 * c.H + (34 << 20));
  training.train();
  inference.infer();
  FRNN_CHECK(same_bits(training.read("y"), inference.read("y")));
}

// hT may be the memory of h0, and cT of c0, where nothing is kept for backward.
void check_state_in_place() {
  for (const int64_t cell : {FRNN_LSTM, FRNN_GRU, FRNN_GRU_RESET_BEFORE, FRNN_RNN_TANH}) {
    for (const int64_t T : {1, 3}) {
      const Case c = {cell, T, 3, 5, 7, true, false};
      Run apart(c, 9, 1), together(c, 9, 1);
      apart.infer();
      together.infer_in_place();
      FRNN_CHECK(same_bits(apart.read("y"), together.read("y")));
      FRNN_CHECK(same_bits(apart.read("hT"), together.read("h0")));
      if (cell == FRNN_LSTM) FRNN_CHECK(same_bits(apart.read("cT"), together.read("c0")));
    }
  }
}

}  // namespace
}  // namespace frnn

int main() {
  uint64_t seed = 1;
  for (const int64_t cell :
       {FRNN_LSTM, FRNN_GRU, FRNN_GRU_RESET_BEFORE, FRNN_RNN_TANH, FRNN_RNN_RELU}) {
    for (const bool optional : {true, false}) {
      frnn::check_case({cell, 1, 1, 1, 1, optional, false}, seed++);
      frnn::check_case({cell, 5, 3, 7, 31, optional, true}, seed++);
      frnn::check_case({cell, 2, 9, 5, 33, optional, false}, seed++);
      frnn::check_case({cell, 3, 33, 8, 64, optional, !optional}, seed++);  // packs of four
    }
  }
  frnn::check_chunks();
  frnn::check_state_in_place();
  return frnn::testing::report();
}
