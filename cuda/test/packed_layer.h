// What the tests of weights packed once share: a layer with all its memory, and refusals.

#ifndef FUSEDRNN_TEST_PACKED_LAYER_H_
#define FUSEDRNN_TEST_PACKED_LAYER_H_

#include <algorithm>
#include <cmath>
#include <memory>

#include "door_device.h"

namespace frnn {
namespace testing {

inline void refused(int got, int expected, const char* piece) {
  if (got == expected && std::strstr(frnn_last_error(), piece) != nullptr) return;
  fail(__FILE__, __LINE__,
       std::string("expected a refusal with '") + piece + "', got " + std::to_string(got) + " " +
           (got == FRNN_OK ? "" : frnn_last_error()));
}

inline bool cpu(const Place& place) {
  return std::strcmp(place.backend, "cpu") == 0;
}

struct Sizes {
  int64_t cell, T, B, I, H;
  bool bias = true;
};

// One layer in one direction, with memory for all that a call has.
class Layer {
 public:
  Layer(const DoorDevice& device, const Place& place, const Sizes& s, int64_t flags = 0)
      : device_(device), place_(place) {
    rnn.struct_bytes = sizeof rnn;
    rnn.cell = s.cell, rnn.dtype = place.dtype, rnn.flags = flags;
    rnn.T = s.T, rnn.B = s.B, rnn.I = s.I, rnn.H = s.H;
    const int64_t rows = (s.cell == FRNN_LSTM ? 4 : s.cell >= FRNN_RNN_TANH ? 1 : 3) * s.H;
    rnn.w_ih = random(rows * s.I), rnn.w_hh = random(rows * s.H);
    if (s.bias) rnn.b_ih = random(rows), rnn.b_hh = random(rows);
    rnn.x = random(s.T * s.B * s.I), rnn.h0 = random(s.B * s.H);
    rnn.y = output(s.T * s.B * s.H), rnn.hT = output(s.B * s.H);
    if (s.cell == FRNN_LSTM) {
      rnn.c0 = number(s.B * s.H), rnn.cT = number(s.B * s.H);
    }
    if ((flags & FRNN_TRAINING) != 0) {
      rnn.dy = random(s.T * s.B * s.H);
      rnn.dx = output(s.T * s.B * s.I), rnn.dw_ih = output(rows * s.I);
      rnn.dw_hh = output(rows * s.H), rnn.db_hh = output(rows);
    }
    frnn_rnn_sizes sizes{};
    must(frnn_rnn_bytes(place.backend, &rnn, &sizes), "rnn_bytes");
    rnn.reserve_bytes = sizes.reserve_bytes, rnn.reserve = room(sizes.reserve_bytes);
    rnn.workspace_bytes = std::max(sizes.forward_workspace_bytes, sizes.backward_workspace_bytes);
    rnn.workspace = room(rnn.workspace_bytes);
  }

  // Makes room for packed weights, which hold nothing yet: no more than was asked for, at no more
  // than the alignment that the door asks.
  void make_room(int64_t packed_dtype = FRNN_F32) {
    rnn.packed_dtype = packed_dtype;
    must(frnn_rnn_packed_bytes(place_.backend, &rnn, &rnn.packed_bytes), "packed_bytes");
    rooms_.push_back(std::make_unique<Bytes>(device_, rnn.packed_bytes + 2 * kGuard));
    rnn.packed = rooms_.back()->address() + kGuard;
    packed_ = rooms_.back().get();
  }
  // Nothing was written beside them.
  bool guards_intact() const {
    std::vector<unsigned char> all(at(packed_->size()));
    packed_->get(all.data());
    const auto untouched = [](unsigned char byte) { return byte == 0xff; };
    return std::all_of(all.begin(), all.begin() + kGuard, untouched) &&
           std::all_of(all.end() - kGuard, all.end(), untouched);
  }
  void pack() { must(frnn_rnn_pack(device_.handle(), &rnn), "pack"); }

  int forward() { return frnn_rnn_forward(device_.handle(), &rnn); }
  // Everything that a call writes.
  std::vector<Floats> run() {
    for (const auto& tensor : outputs_)
      must(frnn_fill(device_.handle(), tensor->address(), 0xff, tensor->size(), 0), "fill");
    must(frnn_device_synchronize(device_.handle()), "synchronize");
    must(forward(), "forward");
    if ((rnn.flags & FRNN_TRAINING) != 0)
      must(frnn_rnn_backward(device_.handle(), &rnn), "backward");
    return results();
  }
  std::vector<Floats> results() const {
    std::vector<Floats> all;
    for (const auto& tensor : outputs_)
      all.push_back(tensor->read());
    return all;
  }
  // New weights in the same memory, on both sides, or what bf16 makes of those that are there.
  void change_weights() {
    change([&](float) { return random_.uniforms<float>(1, -0.5, 0.5)[0]; });
  }
  void round_weights() {
    change([](float v) { return rounded(v, FRNN_BF16); });
  }

  frnn_rnn rnn{};

 private:
  template <typename Change>
  void change(Change change) {
    for (size_t n = 0; n < 2; ++n) {
      Floats values = inputs_[n]->read();
      for (float& v : values)
        v = rounded(change(v), place_.dtype);
      const Elements fresh(device_, place_, values);
      must(frnn_copy(device_.handle(), inputs_[n]->address(), fresh.address(), fresh.size(),
                     FRNN_DEVICE_TO_DEVICE, 0),
           "copy");
      must(frnn_device_synchronize(device_.handle()), "synchronize");
    }
  }
  int64_t random(int64_t count) {
    inputs_.push_back(
        std::make_unique<Elements>(device_, place_, draw(random_, place_, count, 0.5)));
    return inputs_.back()->address();
  }
  int64_t output(int64_t count) {
    outputs_.push_back(std::make_unique<Elements>(device_, place_, count));
    return outputs_.back()->address();
  }
  // A cell state, zero.
  int64_t number(int64_t count) {
    rooms_.push_back(std::make_unique<Values<float>>(device_, Floats(at(count))));
    return rooms_.back()->address();
  }
  int64_t room(int64_t bytes) {
    rooms_.push_back(std::make_unique<Bytes>(device_, bytes));
    return rooms_.back()->address();
  }

  static constexpr int64_t kGuard = 64;

  const DoorDevice& device_;
  const Place place_;
  Random random_{5};
  std::vector<std::unique_ptr<Elements>> inputs_, outputs_;
  std::vector<std::unique_ptr<Bytes>> rooms_;
  const Bytes* packed_ = nullptr;
};

}  // namespace testing
}  // namespace frnn

#endif  // FUSEDRNN_TEST_PACKED_LAYER_H_
