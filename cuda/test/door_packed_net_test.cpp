// Goal: a net's weights packed once give, bit for bit, what its parameters give, layer by layer;
// what does not fit is refused before any layer has run. Method: stacks in one direction and two,
// of odd sizes, on every instruction set of the cpu and on the emulated gpu; fresh memory holds
// NaN.

#include "host/plan.h"
#include "packed_layer.h"

namespace frnn {
namespace testing {
namespace {

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
  void spoil() {
    must(frnn_fill(device_.handle(), net.y, 0xff, y_->size(), 0), "fill");
    must(frnn_fill(device_.handle(), net.workspace, 0xff, net.workspace_bytes, 0), "fill");
  }
  // Bytes of the packed weights of the layers before this one.
  int64_t packed_before(size_t layer) {
    int64_t before = 0;
    for (size_t n = 0; n < layer; ++n) {
      int64_t bytes = 0;
      frnn_rnn& rnn = layers_[n]->rnn;
      rnn.packed_dtype = net.packed_dtype;
      must(frnn_rnn_packed_bytes(place_.backend, &rnn, &bytes), "packed_bytes");
      before += align_256(bytes);
    }
    return before;
  }
  Floats workspace() const {
    Floats values(static_cast<size_t>(net.workspace_bytes / 4));
    must(frnn_copy(device_.handle(), reinterpret_cast<int64_t>(values.data()), net.workspace,
                   net.workspace_bytes, FRNN_DEVICE_TO_HOST, 0),
         "copy");
    return values;
  }
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
      FRNN_CHECK((stack.net.packed_bytes > 0) == cpu(place));
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
  // Weights of the last layer that are not its own: no layer has run when they are refused.
  stack.spoil();
  must(frnn_fill(device.handle(), net.packed + stack.packed_before(2), 0, 64, 0), "fill");
  refused(stack.forward(), bad, "layer 2: packed: expected weights of");
  const Floats none = stack.workspace();
  FRNN_CHECK(std::all_of(none.begin(), none.end(), [](float v) { return std::isnan(v); }));
}

void run() {
  for (const Place& place : places()) {
    nets(place);
    if (cpu(place)) net_refusals(place);
  }
}

}  // namespace
}  // namespace testing
}  // namespace frnn

int main() {
  frnn::testing::run();
  return frnn::testing::report();
}
