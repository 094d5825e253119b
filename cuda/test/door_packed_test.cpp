// Goal: weights packed once give, bit for bit, what the parameters give; those in bf16 give what
// rounded parameters give; a change is seen when they are packed again and not before; backends
// that pack nothing pass them over; what does not fit is refused, and writes nothing.
// Method: layers and nets of odd sizes on every instruction set of the cpu and on the emulated gpu;
// fresh memory holds NaN.

#include <algorithm>
#include <cmath>
#include <memory>

#include "door_device.h"

namespace frnn {
namespace testing {
namespace {

void refused(int got, int expected, const char* piece) {
  if (got == expected && std::strstr(frnn_last_error(), piece) != nullptr) return;
  fail(__FILE__, __LINE__,
       std::string("expected a refusal with '") + piece + "', got " + std::to_string(got) + " " +
           (got == FRNN_OK ? "" : frnn_last_error()));
}

bool cpu(const Place& place) {
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

bool same(const std::vector<Floats>& a, const std::vector<Floats>& b) {
  bool all = a.size() == b.size();
  for (size_t k = 0; all && k < a.size(); ++k)
    all = same_bits(a[k], b[k]);
  return all;
}
bool all_nan(const std::vector<Floats>& all) {
  for (const Floats& values : all) {
    if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isnan(v); }))
      return false;
  }
  return true;
}

std::vector<Sizes> grid() {
  std::vector<Sizes> all;
  for (const int64_t cell :
       {FRNN_LSTM, FRNN_GRU, FRNN_GRU_RESET_BEFORE, FRNN_RNN_TANH, FRNN_RNN_RELU}) {
    all.push_back({cell, 1, 1, 1, 1});
    all.push_back({cell, 5, 1, 7, 33, false});
    all.push_back({cell, 3, 9, 17, 31});
    all.push_back({cell, 0, 2, 3, 5});
  }
  return all;
}

void same_bits_packed_and_not(const Place& place) {
  const DoorDevice device(place);
  for (const Sizes& s : grid()) {
    for (const int64_t flags : {int64_t{0}, int64_t{FRNN_TRAINING}}) {
      Layer layer(device, place, s, flags);
      const std::vector<Floats> expected = layer.run();
      layer.make_room();
      FRNN_CHECK((layer.rnn.packed_bytes > 0) == cpu(place));
      layer.pack();
      FRNN_CHECK(same(layer.run(), expected));
      FRNN_CHECK(layer.guards_intact());
    }
  }
}

void change_is_seen_when_packed(const Place& place) {
  const DoorDevice device(place);
  Layer layer(device, place, {FRNN_GRU, 4, 3, 5, 19});
  const std::vector<Floats> first = layer.run();
  layer.make_room();
  layer.pack();
  layer.change_weights();
  const bool packs = cpu(place);
  const int64_t packed = layer.rnn.packed;
  layer.rnn.packed = 0;
  const std::vector<Floats> second = layer.run();
  FRNN_CHECK(!same(first, second));
  layer.rnn.packed = packed;
  FRNN_CHECK(same(layer.run(), packs ? first : second));
  layer.pack();
  FRNN_CHECK(same(layer.run(), second));
}

void bf16_rounds_the_weights(const Place& place) {
  const DoorDevice device(place);
  for (const Sizes& s : grid()) {
    Layer layer(device, place, s);
    layer.make_room(FRNN_BF16);
    layer.pack();
    const std::vector<Floats> got = layer.run();
    FRNN_CHECK(layer.guards_intact());
    layer.rnn.packed = 0;
    const std::vector<Floats> exact = layer.run();
    layer.round_weights();
    const std::vector<Floats> expected = layer.run();
    for (size_t k = 0; k < got.size(); ++k)
      check_near("output", place, got[k], Doubles(expected[k].begin(), expected[k].end()), 64);
    if (s.T > 0 && s.H > 1) FRNN_CHECK(!same(got, exact));
  }
}

void sizes_need_no_device(const Place& place) {
  frnn_rnn rnn{};
  rnn.struct_bytes = sizeof rnn;
  rnn.cell = FRNN_LSTM, rnn.dtype = FRNN_F32, rnn.packed_dtype = FRNN_F32;
  rnn.I = 65, rnn.H = 129;
  const auto bytes = [&] {
    int64_t count = -1;
    must(frnn_rnn_packed_bytes(place.backend, &rnn, &count), "packed_bytes");
    return count;
  };
  const int64_t plain = bytes();
  FRNN_CHECK(cpu(place) ? plain >= 4 * 4 * 129 * (65 + 129) : plain == 0);
  rnn.T = 50, rnn.B = 32;
  FRNN_CHECK(bytes() == plain);
  frnn_rnn_sizes without{}, with{};
  must(frnn_rnn_bytes(place.backend, &rnn, &without), "rnn_bytes");
  rnn.packed = 4096;
  must(frnn_rnn_bytes(place.backend, &rnn, &with), "rnn_bytes");
  FRNN_CHECK(with.forward_workspace_bytes <= without.forward_workspace_bytes);
  FRNN_CHECK(with.backward_workspace_bytes == without.backward_workspace_bytes);
  rnn.packed = 0;
  if (cpu(place)) {
    rnn.packed_dtype = FRNN_BF16;
    FRNN_CHECK(bytes() > 0 && bytes() < plain);
    rnn.packed_dtype = FRNN_F32;
  }
  for (const int64_t flag : {FRNN_REVERSE, FRNN_BATCH_FIRST}) {
    rnn.flags = flag;
    FRNN_CHECK(bytes() == 0);
  }
  rnn.flags = 0, rnn.lengths = 4096;
  FRNN_CHECK(bytes() == 0);
  rnn.packed_dtype = FRNN_BF16;
  int64_t count = 0;
  refused(frnn_rnn_packed_bytes(place.backend, &rnn, &count), FRNN_UNSUPPORTED, "use FRNN_F32");
  rnn.packed_dtype = 0;
  refused(frnn_rnn_packed_bytes(place.backend, &rnn, &count), FRNN_INVALID_ARGUMENT,
          "rnn.packed_dtype: expected FRNN_F32 (1) or FRNN_BF16 (2), got 0");
  refused(frnn_rnn_packed_bytes("tpu", &rnn, &count), FRNN_INVALID_ARGUMENT, "got 'tpu'");
  refused(frnn_rnn_packed_bytes(place.backend, &rnn, nullptr), FRNN_INVALID_ARGUMENT, "bytes");
  refused(frnn_rnn_packed_bytes(place.backend, nullptr, &count), FRNN_INVALID_ARGUMENT, "null");
}

// Whatever is wrong with them, nothing is written.
void misfits_are_refused(const Place& place) {
  const DoorDevice device(place);
  const int64_t d = device.handle();
  Layer layer(device, place, {FRNN_GRU, 2, 3, 5, 19});
  layer.make_room();
  frnn_rnn& r = layer.rnn;
  const frnn_rnn legal = r;
  const int bad = FRNN_INVALID_ARGUMENT;
  refused(layer.forward(), bad, "never packed");
  r.packed_bytes -= 1;
  const std::string small = "rnn.packed_bytes: expected at least " +
                            std::to_string(legal.packed_bytes) + " bytes for this call, got " +
                            std::to_string(r.packed_bytes);
  refused(layer.forward(), FRNN_WORKSPACE_TOO_SMALL, small.c_str());
  refused(frnn_rnn_pack(d, &r), FRNN_WORKSPACE_TOO_SMALL, small.c_str());
  r = legal, r.packed += 4;
  refused(layer.forward(), bad, "rnn.packed: expected an address aligned to 64 bytes");
  r = legal, r.packed = 0;
  refused(frnn_rnn_pack(d, &r), bad, "rnn.packed: expected the address");
  r = legal, r.packed_dtype = FRNN_I32;
  refused(layer.forward(), bad, "rnn.packed_dtype: expected FRNN_F32 (1) or FRNN_BF16 (2), got 4");
  r = legal, r.w_hh = 0;
  refused(frnn_rnn_pack(d, &r), bad, "rnn.w_hh: expected the address");
  r = legal, r.stream = 12345;
  refused(frnn_rnn_pack(d, &r), bad, "stream");
  r = legal;
  layer.pack();
  r.cell = FRNN_GRU_RESET_BEFORE;
  refused(layer.forward(), bad, "packed: expected weights of");
  r = legal, r.H = 18;
  refused(layer.forward(), bad, "packed: expected weights of");
  r = legal, r.packed_dtype = FRNN_BF16;
  refused(layer.forward(), bad, "packed: expected weights of");
  r.flags = FRNN_TRAINING;
  refused(layer.forward(), bad, "rnn.packed_dtype: FRNN_BF16 excludes FRNN_TRAINING");
  r = legal;
  FRNN_CHECK(all_nan(layer.results()));
  must(layer.forward(), "the legal call");
}

// Where there is nothing to pack, whatever `packed` holds is passed over, in fp32.
void passed_over(const Place& place) {
  const DoorDevice device(place);
  Layer layer(device, place, {FRNN_LSTM, 2, 3, 5, 7}, FRNN_REVERSE);
  const std::vector<Floats> expected = layer.run();
  layer.rnn.packed_dtype = FRNN_F32, layer.rnn.packed = 4, layer.rnn.packed_bytes = -1;
  FRNN_CHECK(same(layer.run(), expected));
  layer.pack();
  layer.rnn.packed_dtype = FRNN_BF16;
  refused(layer.forward(), FRNN_UNSUPPORTED, "rnn.packed_dtype: the ");
  refused(frnn_rnn_pack(device.handle(), &layer.rnn), FRNN_UNSUPPORTED, "use FRNN_F32");
}

void other_instruction_set() {
  const std::vector<Place> all = places();
  const DoorDevice one({"cpu", "portable", 1, FRNN_F32});
  Layer layer(one, {"cpu", "portable", 1, FRNN_F32}, {FRNN_LSTM, 2, 1, 3, 21});
  layer.make_room();
  layer.pack();
  for (const Place& place : all) {
    if (!cpu(place) || std::strcmp(place.isa, "portable") == 0) continue;
    const DoorDevice other(place);
    refused(frnn_rnn_forward(other.handle(), &layer.rnn), FRNN_INVALID_ARGUMENT,
            "packed: expected weights of");
  }
}

void captured(const Place& place) {
  const DoorDevice device(place);
  const int64_t d = device.handle();
  int64_t graph = 0;
  Layer layer(device, place, {FRNN_LSTM, 3, 2, 5, 21});
  layer.make_room();
  must(frnn_stream_create(d, &layer.rnn.stream), "stream");
  must(frnn_capture_begin(d, layer.rnn.stream), "begin");
  layer.pack();
  must(layer.forward(), "forward");
  must(frnn_capture_end(d, layer.rnn.stream, &graph), "end");
  FRNN_CHECK(all_nan(layer.results()));
  const int64_t packed = layer.rnn.packed;
  for (int n = 0; n < 2; ++n) {
    layer.rnn.packed = 0;
    const std::vector<Floats> expected = layer.run();
    layer.rnn.packed = packed;
    must(frnn_graph_launch(d, graph, layer.rnn.stream), "launch");
    must(frnn_stream_synchronize(d, layer.rnn.stream), "synchronize");
    FRNN_CHECK(same(layer.results(), expected));
    layer.change_weights();
  }
  must(frnn_graph_destroy(d, graph), "destroy");
  must(frnn_stream_destroy(d, layer.rnn.stream), "destroy");
}

// A stack of layers, each a Layer for its parameters.
class Stack {
 public:
  Stack(const DoorDevice& device, const Place& place, int64_t L, int64_t D)
      : device_(device), place_(place) {
    constexpr int64_t T = 3, B = 2, I = 5, H = 13;
    for (int64_t n = 0; n < L * D; ++n) {
      layers_.push_back(std::make_unique<Layer>(
          device, place, Sizes{FRNN_LSTM, T, B, n < D ? I : D * H, H, n % 2 == 0}));
      const frnn_rnn& r = layers_.back()->rnn;
      frnn_weights w{};
      w.w_ih = r.w_ih, w.w_hh = r.w_hh, w.b_ih = r.b_ih, w.b_hh = r.b_hh;
      weights_.push_back(w);
    }
    net.struct_bytes = sizeof net;
    net.cell = FRNN_LSTM, net.dtype = place.dtype;
    net.T = T, net.B = B, net.I = I, net.H = H, net.L = L, net.D = D;
    net.weights = reinterpret_cast<int64_t>(weights_.data());
    net.x = layers_[0]->rnn.x;
    y_ = std::make_unique<Elements>(device, place, T * B * D * H);
    net.y = y_->address();
    frnn_rnn_sizes sizes{};
    must(frnn_net_bytes(place.backend, &net, &sizes), "net_bytes");
    workspace_ = std::make_unique<Bytes>(device, sizes.forward_workspace_bytes);
    net.workspace = workspace_->address(), net.workspace_bytes = workspace_->size();
    net.packed_dtype = FRNN_F32;
    must(frnn_net_packed_bytes(place.backend, &net, &net.packed_bytes), "packed_bytes");
    packed_ = std::make_unique<Bytes>(device, net.packed_bytes);
  }
  void bind() { net.packed = packed_->address(); }
  int forward() { return frnn_net_forward(device_.handle(), &net); }
  int pack() { return frnn_net_pack(device_.handle(), &net); }
  Floats run() {
    spoil();
    must(forward(), "net_forward");
    return y_->read();
  }
  void spoil() { must(frnn_fill(device_.handle(), net.y, 0xff, y_->size(), 0), "fill"); }
  Floats y() const { return y_->read(); }
  Layer& layer(size_t n) { return *layers_[n]; }

  frnn_net net{};

 private:
  const DoorDevice& device_;
  const Place place_;
  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<frnn_weights> weights_;
  std::unique_ptr<Elements> y_;
  std::unique_ptr<Bytes> workspace_, packed_;
};

void nets(const Place& place) {
  const DoorDevice device(place);
  for (const int64_t D : {1, 2}) {
    for (const int64_t L : {1, 3}) {
      Stack stack(device, place, L, D);
      FRNN_CHECK((stack.net.packed_bytes > 0) == (cpu(place) && D == 1));
      FRNN_CHECK(stack.net.packed_bytes % 256 == 0);
      const Floats expected = stack.run();
      stack.bind();
      must(stack.pack(), "net_pack");
      FRNN_CHECK(same_bits(stack.run(), expected));
      stack.layer(at(L * D - 1)).change_weights();
      const bool old = same_bits(stack.run(), expected);
      FRNN_CHECK(old == (stack.net.packed_bytes > 0));
      must(stack.pack(), "net_pack");
      FRNN_CHECK(!same_bits(stack.run(), expected));
    }
  }
}

void net_refusals(const Place& place) {
  const DoorDevice device(place);
  Stack stack(device, place, 3, 1);
  stack.bind();
  stack.spoil();
  frnn_net& net = stack.net;
  const frnn_net legal = net;
  const int bad = FRNN_INVALID_ARGUMENT;
  refused(stack.forward(), bad, "never packed");
  net.packed_bytes -= 256;
  const std::string small = "net.packed_bytes: expected at least " +
                            std::to_string(legal.packed_bytes) + " bytes for this call, got " +
                            std::to_string(net.packed_bytes);
  refused(stack.forward(), FRNN_WORKSPACE_TOO_SMALL, small.c_str());
  refused(stack.pack(), FRNN_WORKSPACE_TOO_SMALL, small.c_str());
  net = legal, net.packed += 8;
  refused(stack.forward(), bad, "net.packed: expected an address aligned to 64 bytes");
  net = legal, net.packed = 0;
  refused(stack.pack(), bad, "net.packed: expected the address");
  net = legal, net.packed_dtype = 7;
  refused(stack.forward(), bad, "net.packed_dtype: expected FRNN_F32 (1) or FRNN_BF16 (2), got 7");
  refused(stack.pack(), bad, "net.packed_dtype: expected");
  net = legal, net.weights = 0;
  refused(stack.pack(), bad, "net.weights: expected the host address");
  net = legal, net.packed_dtype = FRNN_BF16, net.flags = FRNN_TRAINING;
  refused(stack.pack(), bad, "net.packed_dtype: FRNN_BF16 excludes FRNN_TRAINING");
  net = legal, net.packed_dtype = FRNN_BF16, net.dropout = 0.5, net.zoneout_h = 0.5;
  refused(stack.pack(), FRNN_UNSUPPORTED, "rnn.packed_dtype: the cpu backend packs");
  refused(stack.forward(), FRNN_UNSUPPORTED, "layer 0: rnn.packed_dtype: the cpu backend packs");
  net = legal;
  const Floats y = stack.y();
  FRNN_CHECK(std::all_of(y.begin(), y.end(), [](float v) { return std::isnan(v); }));
  must(stack.pack(), "the legal call");
  must(stack.forward(), "the legal call");
}

void run() {
  for (const Place& place : places()) {
    same_bits_packed_and_not(place);
    change_is_seen_when_packed(place);
    sizes_need_no_device(place);
    passed_over(place);
    captured(place);
    nets(place);
    if (!cpu(place)) continue;
    bf16_rounds_the_weights(place);
    misfits_are_refused(place);
    net_refusals(place);
  }
  other_instruction_set();
}

}  // namespace
}  // namespace testing
}  // namespace frnn

int main() {
  frnn::testing::run();
  return frnn::testing::report();
}
