// Stacks layers and directions.
//
// Layer k reads in[k] and writes raw[k]; its output is out[k] = raw[k] (+ in[k], residual), and
// in[k + 1] = dropout(out[k]). Buffers that would be equal are one. A training call keeps raw and
// in in the reserve beside the layers' own reserves; an inference call needs each only until the
// next layer has run, and alternates between two slots of the workspace.
//
// On a gpu the two directions of a layer run at the same time, each in a workspace of its own. In
// the backward pass the reverse direction adds its dx to that of the other, so it waits for it
// there: the bits are those of one direction after the other.

#include "host/net.h"

#include <algorithm>
#include <vector>

#include "host/carver.h"
#include "host/checks.h"
#include "host/empty.h"
#include "host/plan.h"

namespace frnn {
namespace {

class Net {
 public:
  Net(const frnn_net& net, const std::string& backend, bool backward)
      : net_(net), backend_(backend), backward_(backward) {}

  Status check_shape() const;
  frnn_rnn sized(int64_t k) const;
  Status check_layers(const Device& device) const;
  void lay_out();
  Status open_lanes(OpenDevice& open);
  Status forward(Device& device) const;
  Status backward(Device& device) const;
  int64_t reserve_used() const { return reserve_used_; }
  int64_t workspace_used() const { return workspace_used_; }

 private:
  bool training() const { return backward_ || (net_.flags & FRNN_TRAINING) != 0; }
  bool masked() const { return training() && net_.dropout > 0; }
  bool adds(int64_t k) const { return net_.residual != 0 && k > 0; }
  bool empty() const { return net_.T == 0 || net_.B == 0; }
  // Directions that have a workspace of their own.
  int64_t workspaces() const { return backend_ == "cpu" ? 1 : net_.D; }
  int64_t width() const { return net_.D * width_of(net_.H, net_.P); }
  int64_t sequence_bytes() const { return net_.T * net_.B * width() * bytes_of(net_.dtype); }

  void lay_out_activations(Carver* slices);
  frnn_rnn layer(int64_t k, int64_t d) const;
  void bind_parameters(int64_t k, int64_t d, frnn_rnn* rnn) const;
  MaskAdd mask_add(int64_t k, int64_t a, int64_t b, int64_t out, bool mask) const;
  Status run_mask_add(Device& device, const MaskAdd& what) const;
  bool shares_results() const;
  int64_t stream_of(int64_t d) const { return lanes_ == nullptr ? net_.stream : lanes_->stream(d); }
  Status fork() const { return lanes_ == nullptr ? Status::success() : lanes_->fork(net_.D); }
  Status join() const { return lanes_ == nullptr ? Status::success() : lanes_->join(net_.D); }
  Status backward_layer(Device& device, int64_t k, int64_t dout, int64_t din) const;
  Status backward_direction(Device& device, const frnn_rnn& rnn, int64_t d) const;

  const frnn_net& net_;
  const std::string backend_;
  const bool backward_;
  std::vector<int64_t> in_, raw_;  // by layer
  std::vector<int64_t> reserve_;   // by layer * D + direction
  std::vector<int64_t> din_;       // by layer, two slots
  int64_t layer_reserve_bytes_ = 0;
  int64_t layer_workspace_[2] = {0, 0};  // by direction
  int64_t layer_workspace_bytes_ = 0;
  int64_t reserve_used_ = 0;
  int64_t workspace_used_ = 0;
  Lanes* lanes_ = nullptr;  // null: one direction after the other
};

// The layer's sizes and settings, nothing bound.
frnn_rnn Net::sized(int64_t k) const {
  frnn_rnn rnn{};
  rnn.struct_bytes = sizeof rnn;
  rnn.cell = net_.cell, rnn.dtype = net_.dtype;
  rnn.flags = net_.flags | (training() ? FRNN_TRAINING : 0);
  rnn.variant = net_.variant;
  rnn.T = net_.T, rnn.B = net_.B, rnn.H = net_.H, rnn.P = net_.P;
  rnn.I = k == 0 ? net_.I : width();
  rnn.y_ld = net_.D == 1 ? 0 : width();
  rnn.lengths = net_.lengths;
  rnn.cell_clip = net_.cell_clip;
  rnn.recurrent_dropout = net_.recurrent_dropout;
  rnn.zoneout_h = net_.zoneout_h, rnn.zoneout_c = net_.zoneout_c;
  rnn.seed = net_.seed, rnn.offset = net_.offset, rnn.offset_address = net_.offset_address;
  rnn.kernel = net_.kernel;
  rnn.norm = net_.norm;
  rnn.norm_epsilon = net_.norm_epsilon, rnn.norm_momentum = net_.norm_momentum;
  return rnn;
}

void Net::bind_parameters(int64_t k, int64_t d, frnn_rnn* rnn) const {
  const int64_t at = k * net_.D + d;
  const frnn_weights& w = reinterpret_cast<const frnn_weights*>(net_.weights)[at];
  rnn->w_ih = w.w_ih, rnn->w_hh = w.w_hh, rnn->b_ih = w.b_ih, rnn->b_hh = w.b_hh;
  rnn->w_hr = w.w_hr, rnn->w_peephole = w.w_peephole;
  rnn->norm_ih = w.norm_ih, rnn->norm_hh = w.norm_hh;
  rnn->norm_c = w.norm_c, rnn->norm_c_bias = w.norm_c_bias;
  rnn->running_mean = w.running_mean, rnn->running_var = w.running_var;
  if (!backward_ || net_.gradients == 0) return;
  const frnn_weights& g = reinterpret_cast<const frnn_weights*>(net_.gradients)[at];
  rnn->dw_ih = g.w_ih, rnn->dw_hh = g.w_hh, rnn->db_ih = g.b_ih, rnn->db_hh = g.b_hh;
  rnn->dw_hr = g.w_hr, rnn->dw_peephole = g.w_peephole;
  rnn->dnorm_ih = g.norm_ih, rnn->dnorm_hh = g.norm_hh;
  rnn->dnorm_c = g.norm_c, rnn->dnorm_c_bias = g.norm_c_bias;
}

// One layer in one direction, bound to everything but dy and dx.
frnn_rnn Net::layer(int64_t k, int64_t d) const {
  const int64_t element = bytes_of(net_.dtype), at = k * net_.D + d;
  const int64_t W = width_of(net_.H, net_.P);
  const auto state = [&](int64_t base, int64_t features, int64_t bytes) {
    return base == 0 ? 0 : base + at * net_.B * features * bytes;
  };
  const auto h = [&](int64_t base) { return state(base, W, element); };
  const auto c = [&](int64_t base) { return state(base, net_.H, state_bytes_of(net_.dtype)); };
  frnn_rnn rnn = sized(k);
  bind_parameters(k, d, &rnn);
  if (d == 1) rnn.flags |= FRNN_REVERSE;
  rnn.mask_stream = k * 2 + d;
  const size_t layer_index = static_cast<size_t>(k);
  rnn.x = in_[layer_index];
  rnn.y = raw_[layer_index] == 0 ? 0 : raw_[layer_index] + d * W * element;
  rnn.h0 = h(net_.h0), rnn.hT = h(net_.hT), rnn.dhT = h(net_.dhT), rnn.dh0 = h(net_.dh0);
  rnn.c0 = c(net_.c0), rnn.cT = c(net_.cT), rnn.dcT = c(net_.dcT), rnn.dc0 = c(net_.dc0);
  rnn.reserve = reserve_[static_cast<size_t>(at)];
  rnn.reserve_bytes = layer_reserve_bytes_;
  rnn.workspace = layer_workspace_[d], rnn.workspace_bytes = layer_workspace_bytes_;
  rnn.stream = stream_of(d), rnn.blas = net_.blas;
  return rnn;
}

// In training every layer keeps its own; otherwise two slots of each kind take turns.
void Net::lay_out_activations(Carver* slices) {
  const int64_t turns = training() ? net_.L : 2;
  const int64_t raws = std::min(turns, net_.residual != 0 && net_.L > 1 ? net_.L : net_.L - 1);
  const int64_t ins = masked() || net_.residual != 0 ? std::min(turns, net_.L - 1) : 0;
  std::vector<int64_t> raw_slots, in_slots;
  for (int64_t n = 0; n < raws; ++n)
    raw_slots.push_back(slices->take(sequence_bytes()));
  for (int64_t n = 0; n < ins; ++n)
    in_slots.push_back(slices->take(sequence_bytes()));
  const auto slot = [&](const std::vector<int64_t>& slots, int64_t k) {
    return slots[static_cast<size_t>(k % turns)];
  };
  for (int64_t k = 0; k < net_.L; ++k) {
    raw_.push_back(k + 1 == net_.L && !adds(k) ? net_.y : slot(raw_slots, k));
    const bool copied = k > 0 && (masked() || adds(k - 1));
    in_.push_back(k == 0   ? net_.x
                  : copied ? slot(in_slots, k - 1)
                           : raw_[static_cast<size_t>(k - 1)]);
  }
}

// Follows the same path with or without addresses, so that sizes and layout cannot disagree.
void Net::lay_out() {
  for (int64_t k = 0; k < std::min<int64_t>(net_.L, 2); ++k) {
    const frnn_rnn_sizes sizes = rnn_sizes(sized(k), backend_);
    layer_reserve_bytes_ = std::max(layer_reserve_bytes_, sizes.reserve_bytes);
    layer_workspace_bytes_ =
        std::max(layer_workspace_bytes_,
                 backward_ ? sizes.backward_workspace_bytes : sizes.forward_workspace_bytes);
  }
  if (!training()) layer_reserve_bytes_ = 0;
  Carver reserve(net_.reserve), workspace(net_.workspace);
  for (int64_t d = 0; d < workspaces(); ++d)
    layer_workspace_[d] = workspace.take(layer_workspace_bytes_);
  if (workspaces() == 1) layer_workspace_[1] = layer_workspace_[0];
  for (int64_t k = 0; k < net_.L * net_.D; ++k)
    reserve_.push_back(reserve.take(layer_reserve_bytes_));
  lay_out_activations(training() ? &reserve : &workspace);
  if (backward_) {
    int64_t slots[2] = {0, 0};
    for (int64_t k = 1; k < std::min<int64_t>(net_.L, 3); ++k) {
      slots[k % 2] = workspace.take(sequence_bytes());
    }
    for (int64_t k = 0; k < net_.L; ++k)
      din_.push_back(k == 0 ? net_.dx : slots[k % 2]);
  }
  reserve_used_ = reserve.bytes(), workspace_used_ = workspace.bytes();
}

// Whether the directions of some layer write to the same memory: then they must not run at once.
bool Net::shares_results() const {
  if (net_.norm == FRNN_BATCH_NORM) {
    const frnn_weights* w = reinterpret_cast<const frnn_weights*>(net_.weights);
    for (int64_t k = 0; k < net_.L; ++k, w += 2) {
      if (w[0].running_mean == w[1].running_mean || w[0].running_var == w[1].running_var)
        return true;
    }
  }
  if (!backward_ || net_.gradients == 0) return false;
  constexpr int64_t kTensors = sizeof(frnn_weights) / sizeof(int64_t);
  const int64_t* g = reinterpret_cast<const int64_t*>(net_.gradients);
  for (int64_t k = 0; k < net_.L; ++k, g += 2 * kTensors) {
    for (int64_t n = 0; n < kTensors; ++n) {
      if (g[n] != 0 && g[n] == g[kTensors + n]) return true;
    }
  }
  return false;
}

// A caller's BLAS handle stays on the caller's stream: setting another would take its workspace.
Status Net::open_lanes(OpenDevice& open) {
  if (workspaces() == 1 || empty() || net_.blas != 0 || shares_results()) return Status::success();
  return open.side_streams.lanes_of(*open.device, net_.stream, net_.D, &lanes_);
}

MaskAdd Net::mask_add(int64_t k, int64_t a, int64_t b, int64_t out, bool mask) const {
  MaskAdd what{};
  what.T = net_.T, what.B = net_.B, what.F = width();
  what.dtype = net_.dtype;
  what.batch_first = (net_.flags & FRNN_BATCH_FIRST) != 0 ? 1 : 0;
  what.a = a, what.b = b, what.out = out;
  what.p = mask ? net_.dropout : 0.0;
  what.source = {net_.seed, net_.offset, k * 2, net_.offset_address};
  what.stream = net_.stream;
  return what;
}

Status Net::run_mask_add(Device& device, const MaskAdd& what) const {
  return empty() ? Status::success() : device.mask_add(what);
}

Status Net::forward(Device& device) const {
  for (int64_t k = 0; k < net_.L; ++k) {
    FRNN_TRY(fork());
    for (int64_t d = 0; d < net_.D; ++d) {
      const frnn_rnn rnn = layer(k, d);
      FRNN_TRY(empty() ? empty_rnn_forward(device, rnn) : device.rnn_forward(rnn));
    }
    FRNN_TRY(join());
    const size_t at = static_cast<size_t>(k);
    const bool last = k + 1 == net_.L;
    const int64_t out = last ? net_.y : in_[at + 1];
    if (out == raw_[at]) continue;
    const int64_t added = adds(k) ? in_[at] : 0;
    FRNN_TRY(run_mask_add(device, mask_add(k, raw_[at], added, out, !last && masked())));
  }
  return Status::success();
}

// dout is the gradient of the layer's output (0: zero), din that of its input (0: not wanted).
Status Net::backward_layer(Device& device, int64_t k, int64_t dout, int64_t din) const {
  bool accumulate = false;
  if (adds(k) && dout != 0 && din != 0 && !empty()) {
    FRNN_TRY(device.copy(din, dout, sequence_bytes(), FRNN_DEVICE_TO_DEVICE, net_.stream));
    accumulate = true;
  }
  FRNN_TRY(fork());
  for (int64_t d = 0; d < net_.D; ++d) {
    frnn_rnn rnn = layer(k, d);
    const int64_t W = width_of(net_.H, net_.P);
    rnn.dy = dout == 0 ? 0 : dout + d * W * bytes_of(net_.dtype);
    rnn.dx = din;
    if (accumulate) rnn.flags |= FRNN_ACCUMULATE_DX;
    FRNN_TRY(backward_direction(device, rnn, d));
    accumulate = true;
  }
  return join();
}

Status Net::backward_direction(Device& device, const frnn_rnn& rnn, int64_t d) const {
  if (empty()) return empty_rnn_backward(device, rnn);
  if (d == 0 || lanes_ == nullptr) return device.rnn_backward(rnn);
  FRNN_TRY(lanes_->mark(0));
  return device.rnn_backward(rnn, lanes_->event(0));
}

Status Net::backward(Device& device) const {
  int64_t dout = net_.dy;
  for (int64_t k = net_.L - 1; k >= 0; --k) {
    const int64_t din = din_[static_cast<size_t>(k)];
    FRNN_TRY(backward_layer(device, k, dout, din));
    if (k > 0 && masked()) FRNN_TRY(run_mask_add(device, mask_add(k - 1, din, 0, din, true)));
    dout = din;
  }
  return Status::success();
}

Status Net::check_shape() const {
  if (net_.L < 1 || net_.L > 4096) {
    return Status::fail(FRNN_INVALID_ARGUMENT, format("net.L: expected 1 to 4096 layers, got %lld",
                                                      static_cast<long long>(net_.L)));
  }
  if (net_.D != 1 && net_.D != 2) {
    return Status::fail(FRNN_INVALID_ARGUMENT, format("net.D: expected 1 or 2 directions, got %lld",
                                                      static_cast<long long>(net_.D)));
  }
  if (net_.residual != 0 && net_.residual != 1) {
    return Status::fail(FRNN_INVALID_ARGUMENT, format("net.residual: expected 0 or 1, got %lld",
                                                      static_cast<long long>(net_.residual)));
  }
  if ((net_.flags & (FRNN_REVERSE | FRNN_ACCUMULATE_DX)) != 0) {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        "net.flags: FRNN_REVERSE and FRNN_ACCUMULATE_DX belong to frnn_rnn; set D "
                        "to 2 for both directions");
  }
  FRNN_TRY(check_probability("net.dropout", net_.dropout));
  FRNN_TRY(validate(sized(0), Pass::kSizes, backend_));
  return net_.L == 1 ? Status::success() : validate(sized(1), Pass::kSizes, backend_);
}

Status Net::check_layers(const Device& device) const {
  if (net_.weights == 0) {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        "net.weights: expected the host address of frnn_weights[L * D], got 0");
  }
  FRNN_TRY(check_room("net.workspace", net_.workspace, net_.workspace_bytes, workspace_used_));
  FRNN_TRY(check_room("net.reserve", net_.reserve, net_.reserve_bytes, reserve_used_));
  for (int64_t k = 0; k < net_.L; ++k) {
    for (int64_t d = 0; d < net_.D; ++d) {
      frnn_rnn rnn = layer(k, d);
      rnn.dy = k + 1 == net_.L ? net_.dy : 0;
      rnn.dx = k == 0 ? net_.dx : 0;
      const Pass pass = backward_ ? Pass::kBackward : Pass::kForward;
      Status checked = validate(rnn, pass, backend_);
      if (checked.ok()) checked = check_served(device, rnn, pass, backend_);
      if (checked.ok()) continue;
      checked.text = format("layer %lld%s: %s", static_cast<long long>(k), d == 1 ? " reverse" : "",
                            checked.text.c_str());
      return checked;
    }
  }
  return Status::success();
}

}  // namespace

Status net_layer(const frnn_net& given, int64_t k, frnn_rnn* rnn) {
  const Net net(given, "cuda", false);
  FRNN_TRY(net.check_shape());
  *rnn = net.sized(k);
  return Status::success();
}

Status net_sizes(const frnn_net& net, const std::string& backend, frnn_rnn_sizes* sizes) {
  Net forward(net, backend, false), backward(net, backend, true);
  FRNN_TRY(forward.check_shape());
  forward.lay_out();
  backward.lay_out();
  *sizes = {(net.flags & FRNN_TRAINING) != 0 ? backward.reserve_used() : 0,
            forward.workspace_used(), backward.workspace_used()};
  return Status::success();
}

Status net_forward(OpenDevice& open, const frnn_net& given) {
  Net net(given, open.backend, false);
  FRNN_TRY(net.check_shape());
  net.lay_out();
  FRNN_TRY(net.check_layers(*open.device));
  FRNN_TRY(net.open_lanes(open));
  return net.forward(*open.device);
}

Status net_backward(OpenDevice& open, const frnn_net& given) {
  Net net(given, open.backend, true);
  FRNN_TRY(net.check_shape());
  net.lay_out();
  FRNN_TRY(net.check_layers(*open.device));
  FRNN_TRY(net.open_lanes(open));
  return net.backward(*open.device);
}

}  // namespace frnn
