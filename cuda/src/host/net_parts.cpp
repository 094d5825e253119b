#include "host/net_parts.h"

#include "host/checks.h"
#include "host/validate.h"

namespace frnn {
namespace {

Status in_layer(Status checked, int64_t k, int64_t d) {
  if (checked.ok()) return checked;
  checked.text = format("layer %lld%s: %s", static_cast<long long>(k), d == 1 ? " reverse" : "",
                        checked.text.c_str());
  return checked;
}

}  // namespace

NetParts::NetParts(const frnn_net& net, const std::string& backend, bool backward, int64_t chunks)
    : net_(net), backend_(backend), backward_(backward), chunk_steps_(net.T) {
  if (chunks <= 1) return;
  chunk_steps_ = (net.T + chunks - 1) / chunks;
  chunks_ = (net.T + chunk_steps_ - 1) / chunk_steps_;
}

frnn_rnn NetParts::sized(int64_t k) const {
  frnn_rnn rnn{};
  rnn.struct_bytes = sizeof rnn;
  rnn.cell = net_.cell, rnn.dtype = net_.dtype;
  rnn.flags = net_.flags | (training() ? FRNN_TRAINING : 0);
  rnn.variant = net_.variant;
  rnn.T = chunk_steps_, rnn.B = net_.B, rnn.H = net_.H, rnn.P = net_.P;
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
  rnn.packed_dtype = net_.packed_dtype;
  return rnn;
}

frnn_rnn NetParts::directed(int64_t k, int64_t d) const {
  frnn_rnn rnn = sized(k);
  if (d == 1) rnn.flags |= FRNN_REVERSE;
  return rnn;
}

void NetParts::bind_parameters(int64_t k, int64_t d, frnn_rnn* rnn) const {
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

void NetParts::bind_packed(int64_t k, int64_t d, frnn_rnn* rnn) const {
  if (backward_ || net_.packed == 0) return;
  rnn->packed = packed_[static_cast<size_t>(k * net_.D + d)];
  rnn->packed_bytes = rnn_packed_room(*rnn, backend_);
}

// Without training nobody asks for the state after a chunk once the next has run: two take turns.
const NetParts::State& NetParts::between(int64_t k, int64_t j) const {
  return training() ? states_[static_cast<size_t>(k * chunks_ + j)]
                    : states_[static_cast<size_t>(k * 2 + j % 2)];
}

// The caller's states at the ends of the sequence, those between chunks inside.
void NetParts::bind_states(int64_t k, int64_t d, int64_t j, frnn_rnn* rnn) const {
  const int64_t at = k * net_.D + d;
  const auto state = [&](int64_t base, int64_t row_bytes) {
    return base == 0 ? 0 : base + at * net_.B * row_bytes;
  };
  const auto h = [&](int64_t base) {
    return state(base, width_of(net_.H, net_.P) * bytes_of(net_.dtype));
  };
  const auto c = [&](int64_t base) { return state(base, net_.H * state_bytes_of(net_.dtype)); };
  const bool first = j == 0, last = j + 1 == chunks_;
  rnn->h0 = first ? h(net_.h0) : between(k, j - 1).h;
  rnn->c0 = first ? c(net_.c0) : between(k, j - 1).c;
  rnn->hT = last ? h(net_.hT) : between(k, j).h;
  rnn->cT = last ? c(net_.cT) : between(k, j).c;
  if (!backward_) return;
  const auto gradient = [&](int64_t chunk) {
    return gradients_[static_cast<size_t>(k * 2 + chunk % 2)];
  };
  rnn->dhT = last ? h(net_.dhT) : gradient(j + 1).h;
  rnn->dcT = last ? c(net_.dcT) : gradient(j + 1).c;
  rnn->dh0 = first ? h(net_.dh0) : gradient(j).h;
  rnn->dc0 = first ? c(net_.dc0) : gradient(j).c;
}

frnn_rnn NetParts::part(int64_t k, int64_t d, int64_t j, const Lanes* lanes) const {
  frnn_rnn rnn = directed(k, d);
  rnn.T = steps(j);
  bind_parameters(k, d, &rnn);
  bind_packed(k, d, &rnn);
  bind_states(k, d, j, &rnn);
  rnn.mask_stream = k * 2 + d;
  const int64_t lane = lane_of(k, d);
  rnn.x = in(k) == 0 ? 0 : in(k) + j * chunk_steps_ * step_bytes(rnn.I);
  const int64_t W = width_of(net_.H, net_.P);
  rnn.y = raw(k) == 0 ? 0 : at_chunk(raw(k), j) + d * W * bytes_of(net_.dtype);
  rnn.reserve = reserve_[static_cast<size_t>((k * net_.D + d) * chunks_ + j)];
  rnn.reserve_bytes = part_reserve_bytes_;
  rnn.workspace = workspace_[static_cast<size_t>(std::min(lane, lane_count() - 1))];
  rnn.workspace_bytes = part_workspace_bytes_;
  rnn.stream = lanes == nullptr ? net_.stream : lanes->stream(lane);
  rnn.blas = net_.blas;
  return rnn;
}

frnn_rnn NetParts::packing(int64_t k, int64_t d) const {
  frnn_rnn rnn = directed(k, d);
  bind_parameters(k, d, &rnn);
  bind_packed(k, d, &rnn);
  rnn.stream = net_.stream;
  return rnn;
}

int64_t NetParts::dx_of(int64_t k, int64_t j) const {
  const int64_t features = k == 0 ? net_.I : width();
  return din(k) == 0 ? 0 : din(k) + j * chunk_steps_ * step_bytes(features);
}

// In training every layer keeps its own; otherwise two slots of each kind take turns. A wavefront
// may use them so too: who writes a chunk of a slot again comes after who read it.
void NetParts::lay_out_activations(Carver* slices) {
  const int64_t bytes = net_.T * step_bytes(width());
  const int64_t turns = training() ? net_.L : 2;
  const int64_t raws = std::min(turns, net_.residual != 0 && net_.L > 1 ? net_.L : net_.L - 1);
  const int64_t ins = masked() || net_.residual != 0 ? std::min(turns, net_.L - 1) : 0;
  std::vector<int64_t> raw_slots, in_slots;
  for (int64_t n = 0; n < raws; ++n)
    raw_slots.push_back(slices->take(bytes));
  for (int64_t n = 0; n < ins; ++n)
    in_slots.push_back(slices->take(bytes));
  const auto slot = [&](const std::vector<int64_t>& slots, int64_t k) {
    return slots[static_cast<size_t>(k % turns)];
  };
  for (int64_t k = 0; k < net_.L; ++k) {
    raw_.push_back(k + 1 == net_.L && !adds(k) ? net_.y : slot(raw_slots, k));
    const bool copied = k > 0 && (masked() || adds(k - 1));
    in_.push_back(k == 0 ? net_.x : copied ? slot(in_slots, k - 1) : raw(k - 1));
  }
}

NetParts::State NetParts::take_state(Carver* slices) const {
  State state{};
  state.h = slices->take(step_bytes(net_.H));
  if (net_.cell == FRNN_LSTM) state.c = slices->take(net_.B * net_.H * state_bytes_of(net_.dtype));
  return state;
}

void NetParts::lay_out_states(Carver* kept, Carver* scratch) {
  if (chunks_ == 1) return;
  for (int64_t n = 0; n < net_.L * (training() ? chunks_ : 2); ++n)
    states_.push_back(take_state(training() ? kept : scratch));
  for (int64_t n = 0; n < (backward_ ? 2 * net_.L : 0); ++n)
    gradients_.push_back(take_state(scratch));
}

void NetParts::lay_out_packed() {
  Carver packed(net_.packed);
  for (int64_t k = 0; k < net_.L; ++k) {
    for (int64_t d = 0; d < net_.D; ++d)
      packed_.push_back(packed.take(rnn_packed_room(directed(k, d), backend_)));
  }
  packed_used_ = packed.bytes();
}

void NetParts::lay_out() {
  for (int64_t k = 0; k < std::min<int64_t>(net_.L, 2); ++k) {
    const frnn_rnn_sizes sizes = rnn_sizes(sized(k), backend_);
    part_reserve_bytes_ = std::max(part_reserve_bytes_, sizes.reserve_bytes);
    part_workspace_bytes_ =
        std::max(part_workspace_bytes_,
                 backward_ ? sizes.backward_workspace_bytes : sizes.forward_workspace_bytes);
  }
  if (!training()) part_reserve_bytes_ = 0;
  Carver reserve(net_.reserve), workspace(net_.workspace);
  for (int64_t lane = 0; lane < lane_count(); ++lane)
    workspace_.push_back(workspace.take(part_workspace_bytes_));
  for (int64_t n = 0; n < net_.L * net_.D * chunks_; ++n)
    reserve_.push_back(reserve.take(part_reserve_bytes_));
  lay_out_activations(training() ? &reserve : &workspace);
  lay_out_states(&reserve, &workspace);
  if (backward_) {
    int64_t slots[2] = {0, 0};
    for (int64_t k = 1; k < std::min<int64_t>(net_.L, 3); ++k)
      slots[k % 2] = workspace.take(net_.T * step_bytes(width()));
    for (int64_t k = 0; k < net_.L; ++k)
      din_.push_back(k == 0 ? net_.dx : slots[k % 2]);
  }
  reserve_used_ = reserve.bytes(), workspace_used_ = workspace.bytes();
  if (!backward_ && net_.packed != 0) lay_out_packed();
}

Status NetParts::check_shape() const {
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

Status NetParts::check_part(const Device& device, int64_t k, int64_t d, int64_t j) const {
  frnn_rnn rnn = part(k, d, j, nullptr);
  rnn.dy = k + 1 == net_.L ? net_.dy : 0;
  rnn.dx = k == 0 ? net_.dx : 0;
  const Pass pass = backward_ ? Pass::kBackward : Pass::kForward;
  Status checked = validate(rnn, pass, backend_);
  if (checked.ok()) checked = check_served(device, rnn, pass, backend_);
  if (checked.ok() && rnn.packed != 0 && !empty()) checked = device.check_packed(rnn);
  return in_layer(std::move(checked), k, d);
}

Status NetParts::check_weights() const {
  if (net_.weights != 0) return Status::success();
  return Status::fail(FRNN_INVALID_ARGUMENT,
                      "net.weights: expected the host address of frnn_weights[L * D], got 0");
}

Status NetParts::check_packed_room() const {
  if (packed_used_ == 0) return Status::success();
  FRNN_TRY(check_addresses({{"net.packed", net_.packed, true, 64}}));
  return check_room("net.packed", net_.packed, net_.packed_bytes, packed_used_);
}

Status NetParts::check_packing(const Device& device) const {
  FRNN_TRY(check_weights());
  FRNN_TRY(check_packed_room());
  for (int64_t k = 0; k < net_.L; ++k) {
    for (int64_t d = 0; d < net_.D; ++d)
      FRNN_TRY(in_layer(frnn::check_packing(packing(k, d), device, backend_), k, d));
  }
  return Status::success();
}

Status NetParts::check(const Device& device) const {
  FRNN_TRY(check_weights());
  if (!backward_ && net_.packed != 0) {
    FRNN_TRY(check_packed_dtype("net.packed_dtype", net_.packed_dtype, net_.flags));
    FRNN_TRY(check_packed_room());
  }
  FRNN_TRY(check_room("net.workspace", net_.workspace, net_.workspace_bytes, workspace_used_));
  FRNN_TRY(check_room("net.reserve", net_.reserve, net_.reserve_bytes, reserve_used_));
  for (int64_t k = 0; k < net_.L; ++k) {
    for (int64_t d = 0; d < net_.D; ++d) {
      for (int64_t j = 0; j < chunks_; ++j)
        FRNN_TRY(check_part(device, k, d, j));
    }
  }
  return Status::success();
}

}  // namespace frnn
