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
//
// Layers in one direction run as a wavefront over chunks of time where that is expected to pay:
// layer k takes chunk j when it has left chunk j - 1 and layer k - 1 has left chunk j. Every layer
// has a lane, a workspace, and in training a reserve for each chunk; states between chunks are kept
// for the backward pass, which runs the other way and adds weight gradients chunk by chunk, the
// last chunk first.

#include "host/net.h"

#include <algorithm>

#include "host/empty.h"
#include "host/net_parts.h"

namespace frnn {
namespace {

// A chunk has at least so many steps, for a call costs some microseconds whatever its length; and
// more chunks than so many gain little (estimated).
constexpr int64_t kLeastChunk = 32;
constexpr int64_t kMostChunks = 8;
// With 16-bit gradients every chunk rounds the sum once.
constexpr int64_t kMostNarrowChunks = 4;

// How many chunks a wavefront of this net would have; 1: it cannot run as one. A function of sizes
// and settings alone, so that sizes answer for it without a device.
int64_t wavefront_chunks(const frnn_net& net, const std::string& backend) {
  const bool stacked = backend != "cpu" && net.D == 1 && net.L > 1 && net.B > 0;
  const bool plain = net.P == 0 && net.norm == FRNN_NO_NORM && net.lengths == 0 &&
                     (net.flags & FRNN_BATCH_FIRST) == 0;
  const bool unmasked =
      net.dropout == 0 && net.recurrent_dropout == 0 && net.zoneout_h == 0 && net.zoneout_c == 0;
  if (!stacked || !plain || !unmasked) return 1;
  const int64_t most = is_16_bit(net.dtype) ? kMostNarrowChunks : kMostChunks;
  return std::max<int64_t>(1, std::min(most, net.T / kLeastChunk));
}

// One pass of a net.
class NetPass {
 public:
  NetPass(NetParts* parts, OpenDevice& open)
      : parts_(*parts), net_(parts->net()), open_(open), device_(*open.device) {}

  Status prepare() {
    FRNN_TRY(parts_.check(device_));
    return open_lanes();
  }
  Status forward() const;
  Status backward() const;

 private:
  bool shares_results() const;
  Status open_lanes();
  Status fork() const {
    return lanes_ == nullptr ? Status::success() : lanes_->fork(parts_.lane_count());
  }
  Status join() const {
    return lanes_ == nullptr ? Status::success() : lanes_->join(parts_.lane_count());
  }
  // In a wavefront: layer k waits for its neighbour to have left this chunk; and leaves it.
  Status follow(int64_t k, int64_t neighbour) const {
    const bool waits = wavefront() && lanes_ != nullptr && neighbour >= 0 && neighbour < net_.L;
    return waits ? lanes_->wait(k, neighbour) : Status::success();
  }
  Status leave(int64_t k) const {
    return wavefront() && lanes_ != nullptr ? lanes_->mark(k) : Status::success();
  }
  bool wavefront() const { return parts_.chunks() > 1; }
  int64_t stream_of(int64_t k) const {
    return wavefront() && lanes_ != nullptr ? lanes_->stream(k) : net_.stream;
  }

  MaskAdd mask_add(int64_t k, int64_t j, int64_t a, int64_t b, int64_t out, bool mask) const;
  Status run_mask_add(const MaskAdd& what) const {
    return parts_.empty() ? Status::success() : device_.mask_add(what);
  }
  Status forward_layer(int64_t k, int64_t j) const;
  Status backward_layer(int64_t k, int64_t j) const;
  Status backward_direction(const frnn_rnn& rnn, int64_t d) const;

  const NetParts& parts_;
  const frnn_net& net_;
  OpenDevice& open_;
  Device& device_;
  Lanes* lanes_ = nullptr;  // null: one call after the other
};

// Whether calls that would run at once write to the same memory: then they must not.
bool NetPass::shares_results() const {
  const int64_t calls = wavefront() ? net_.L : net_.D;
  const int64_t groups = net_.L * net_.D / calls;
  constexpr int64_t kTensors = sizeof(frnn_weights) / sizeof(int64_t);
  const auto shares = [&](int64_t list, int64_t from, int64_t to) {
    std::vector<int64_t> seen;
    for (int64_t group = 0; list != 0 && group < groups; ++group) {
      seen.clear();
      for (int64_t call = 0; call < calls; ++call) {
        const int64_t* entry =
            reinterpret_cast<const int64_t*>(list) + (group * calls + call) * kTensors;
        for (int64_t n = from; n < to; ++n) {
          if (entry[n] != 0) seen.push_back(entry[n]);
        }
      }
      std::sort(seen.begin(), seen.end());
      if (std::adjacent_find(seen.begin(), seen.end()) != seen.end()) return true;
    }
    return false;
  };
  if (net_.norm == FRNN_BATCH_NORM && shares(net_.weights, kTensors - 2, kTensors)) return true;
  return parts_.is_backward() && shares(net_.gradients, 0, kTensors);
}

// A caller's BLAS handle stays on the caller's stream: setting another would take its workspace.
Status NetPass::open_lanes() {
  if (parts_.lane_count() == 1 || parts_.empty() || net_.blas != 0 || shares_results()) {
    return Status::success();
  }
  return open_.side_streams.lanes_of(device_, net_.stream, parts_.lane_count(), &lanes_);
}

MaskAdd NetPass::mask_add(int64_t k, int64_t j, int64_t a, int64_t b, int64_t out,
                          bool mask) const {
  MaskAdd what{};
  what.T = parts_.steps(j), what.B = net_.B, what.F = parts_.width();
  what.dtype = net_.dtype;
  what.batch_first = (net_.flags & FRNN_BATCH_FIRST) != 0 ? 1 : 0;
  what.a = parts_.at_chunk(a, j), what.b = parts_.at_chunk(b, j);
  what.out = parts_.at_chunk(out, j);
  what.p = mask ? net_.dropout : 0.0;
  what.source = {net_.seed, net_.offset, k * 2, net_.offset_address};
  what.stream = stream_of(k);
  return what;
}

Status NetPass::forward_layer(int64_t k, int64_t j) const {
  for (int64_t d = 0; d < net_.D; ++d) {
    const frnn_rnn rnn = parts_.part(k, d, j, lanes_);
    FRNN_TRY(parts_.empty() ? empty_rnn_forward(device_, rnn) : device_.rnn_forward(rnn));
  }
  if (!wavefront()) FRNN_TRY(join());
  const bool last = k + 1 == net_.L;
  const int64_t out = last ? net_.y : parts_.in(k + 1);
  if (out == parts_.raw(k)) return Status::success();
  const int64_t added = parts_.adds(k) ? parts_.in(k) : 0;
  return run_mask_add(mask_add(k, j, parts_.raw(k), added, out, !last && parts_.masked()));
}

Status NetPass::forward() const {
  if (wavefront()) FRNN_TRY(fork());
  for (int64_t j = 0; j < parts_.chunks(); ++j) {
    for (int64_t k = 0; k < net_.L; ++k) {
      if (!wavefront()) FRNN_TRY(fork());
      FRNN_TRY(follow(k, k - 1));
      FRNN_TRY(forward_layer(k, j));
      FRNN_TRY(leave(k));
    }
  }
  return wavefront() ? join() : Status::success();
}

Status NetPass::backward_direction(const frnn_rnn& rnn, int64_t d) const {
  if (parts_.empty()) return empty_rnn_backward(device_, rnn);
  if (d == 0 || lanes_ == nullptr) return device_.rnn_backward(rnn);
  FRNN_TRY(lanes_->mark(0));
  return device_.rnn_backward(rnn, lanes_->event(0));
}

// From the gradient of the layer's output (0: zero) to that of its input (0: not wanted).
Status NetPass::backward_layer(int64_t k, int64_t j) const {
  const int64_t dout = parts_.at_chunk(k + 1 == net_.L ? net_.dy : parts_.din(k + 1), j);
  const int64_t din = parts_.dx_of(k, j);
  bool accumulate = false;
  if (parts_.adds(k) && dout != 0 && din != 0 && !parts_.empty()) {
    FRNN_TRY(
        device_.copy(din, dout, parts_.sequence_bytes(j), FRNN_DEVICE_TO_DEVICE, stream_of(k)));
    accumulate = true;
  }
  if (!wavefront()) FRNN_TRY(fork());
  for (int64_t d = 0; d < net_.D; ++d) {
    frnn_rnn rnn = parts_.part(k, d, j, lanes_);
    rnn.dy = dout == 0 ? 0 : dout + d * width_of(net_.H, net_.P) * bytes_of(net_.dtype);
    rnn.dx = din;
    if (accumulate) rnn.flags |= FRNN_ACCUMULATE_DX;
    if (j + 1 < parts_.chunks()) rnn.flags |= FRNN_ACCUMULATE;
    FRNN_TRY(backward_direction(rnn, d));
    accumulate = true;
  }
  if (!wavefront()) FRNN_TRY(join());
  if (k == 0 || !parts_.masked()) return Status::success();
  return run_mask_add(mask_add(k - 1, j, parts_.din(k), 0, parts_.din(k), true));
}

Status NetPass::backward() const {
  if (wavefront()) FRNN_TRY(fork());
  for (int64_t j = parts_.chunks() - 1; j >= 0; --j) {
    for (int64_t k = net_.L - 1; k >= 0; --k) {
      FRNN_TRY(follow(k, k + 1));
      FRNN_TRY(backward_layer(k, j));
      FRNN_TRY(leave(k));
    }
  }
  return wavefront() ? join() : Status::success();
}

// Whether the planner expects a wavefront to be the faster, of both passes where there are both:
// layers that take turns on the chip, or that a step per kernel holds up on the host, gain nothing.
Status wavefront_pays(const frnn_net& net, Planner* planner, int64_t chunks, bool* pays) {
  *pays = false;
  if (chunks == 1 || planner == nullptr) return Status::success();
  const bool training = (net.flags & FRNN_TRAINING) != 0;
  double whole = 0, parts = 0;
  for (const Pass pass : {Pass::kForward, Pass::kBackward}) {
    if (pass == Pass::kBackward && !training) continue;
    frnn_rnn rnn = NetParts(net, "cuda", training, 1).sized(1);
    RnnChoice at_once, chunk;
    FRNN_TRY(planner->choose(rnn, pass, &at_once));
    rnn = NetParts(net, "cuda", training, chunks).sized(1);
    FRNN_TRY(planner->choose(rnn, pass, &chunk));
    if (chunk.kernel == FRNN_KERNEL_STEP ||
        chunk.blocks * net.L > planner->device().multiprocessors) {
      return Status::success();
    }
    whole += static_cast<double>(net.L) * at_once.loop_us;
    parts += static_cast<double>(chunks + net.L - 1) * chunk.loop_us;
  }
  *pays = parts < whole;
  return Status::success();
}

// One pass of a call: a backward pass finds the reserve as the forward pass of the same call with
// FRNN_TRAINING left it, so both decide alike.
Status net_pass(OpenDevice& open, const frnn_net& net, bool backward) {
  frnn_net trained = net;
  if (backward) trained.flags |= FRNN_TRAINING;
  int64_t chunks = 1;
  FRNN_TRY(net_wavefront(trained, open.backend, open.device->planner(), &chunks));
  NetParts parts(net, open.backend, backward, chunks);
  parts.lay_out();
  NetPass pass(&parts, open);
  FRNN_TRY(pass.prepare());
  return backward ? pass.backward() : pass.forward();
}

}  // namespace

Status net_wavefront(const frnn_net& net, const std::string& backend, Planner* planner,
                     int64_t* chunks) {
  FRNN_TRY(NetParts(net, backend, false, 1).check_shape());
  const int64_t most = wavefront_chunks(net, backend);
  bool pays = false;
  FRNN_TRY(wavefront_pays(net, planner, most, &pays));
  *chunks = pays ? most : 1;
  return Status::success();
}

Status net_layer(const frnn_net& net, int64_t k, frnn_rnn* rnn) {
  const NetParts parts(net, "cuda", false, 1);
  FRNN_TRY(parts.check_shape());
  *rnn = parts.sized(k);
  return Status::success();
}

Status net_sizes(const frnn_net& net, const std::string& backend, frnn_rnn_sizes* sizes) {
  FRNN_TRY(NetParts(net, backend, false, 1).check_shape());
  *sizes = {0, 0, 0};
  for (const int64_t chunks : {int64_t{1}, wavefront_chunks(net, backend)}) {
    NetParts forward(net, backend, false, chunks), backward(net, backend, true, chunks);
    forward.lay_out();
    backward.lay_out();
    if ((net.flags & FRNN_TRAINING) != 0)
      sizes->reserve_bytes = std::max(sizes->reserve_bytes, backward.reserve_used());
    sizes->forward_workspace_bytes =
        std::max(sizes->forward_workspace_bytes, forward.workspace_used());
    sizes->backward_workspace_bytes =
        std::max(sizes->backward_workspace_bytes, backward.workspace_used());
  }
  return Status::success();
}

Status net_forward(OpenDevice& open, const frnn_net& net) {
  return net_pass(open, net, false);
}

Status net_backward(OpenDevice& open, const frnn_net& net) {
  return net_pass(open, net, true);
}

}  // namespace frnn
