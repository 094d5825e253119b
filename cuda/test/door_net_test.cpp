// Goal: frnn_net is what its layers and directions give one by one, to the bit, forward and
// backward, and refuses what makes no sense.
// Method: every net is run once as a whole and once composed by hand from frnn_rnn calls over
// buffers of the test's own; shapes are odd, fresh buffers hold NaN. A net runs on a stream of its
// own, which alone is waited for, so that work left on another stream is noticed; and again with
// the whole device waited for, which runs what may run at the same time in a drawn order.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "fusedrnn.h"
#include "testing.h"

namespace {

using frnn::testing::Random;

struct Case {
  int64_t cell, L, D, T, B, I, H;
  bool tied = false;  // both directions add to the same gradients
};

int64_t gates(int64_t cell) {
  return cell == FRNN_LSTM ? 4 : cell == FRNN_RNN_TANH ? 1 : 3;
}

void must(int status, const char* what) {
  if (status != FRNN_OK) {
    frnn::testing::fail(__FILE__, __LINE__, std::string(what) + ": " + frnn_last_error());
  }
}

// Buffers of one device; freed with it.
class Arena {
 public:
  explicit Arena(const char* backend) : backend_(backend) {
    must(frnn_device_open(backend, 0, &device_), "open");
    must(frnn_stream_create(device_, &stream_), "stream");
  }
  ~Arena() {
    must(frnn_stream_destroy(device_, stream_), "destroy");
    for (const int64_t address : addresses_)
      must(frnn_free(device_, address), "free");
    must(frnn_device_close(device_), "close");
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  int64_t bytes(int64_t count) {
    int64_t address = 0;
    must(frnn_alloc(device_, count + 256, &address), "alloc");
    must(frnn_fill(device_, address, 0xFF, count + 256, 0), "fill");
    addresses_.push_back(address);
    return address;
  }
  int64_t empty(int64_t floats) { return bytes(4 * floats); }
  // What gradients are added to: a number, so that the order of adding shows in the last bits.
  int64_t started(int64_t floats) {
    const int64_t address = empty(floats);
    must(frnn_fill(device_, address, 0x3C, 4 * floats, 0), "fill");  // 0.0115
    return address;
  }
  int64_t random(int64_t floats) {
    const std::vector<float> values = random_.uniforms<float>(floats, -0.7, 0.7);
    const int64_t address = empty(floats);
    must(frnn_copy(device_, address, reinterpret_cast<int64_t>(values.data()), 4 * floats,
                   FRNN_HOST_TO_DEVICE, 0),
         "write");
    must(frnn_device_synchronize(device_), "write");
    return address;
  }
  std::vector<float> read(int64_t address, int64_t floats) {
    std::vector<float> values(static_cast<size_t>(floats));
    must(frnn_copy(device_, reinterpret_cast<int64_t>(values.data()), address, 4 * floats,
                   FRNN_DEVICE_TO_HOST, stream_),
         "read");
    must(frnn_stream_synchronize(device_, stream_), "read");
    return values;
  }
  int64_t device() const { return device_; }
  int64_t stream() const { return stream_; }
  const char* backend() const { return backend_; }

 private:
  const char* const backend_;
  int64_t device_ = 0;
  int64_t stream_ = 0;
  std::vector<int64_t> addresses_;
  Random random_{7};
};

frnn_weights parameters(int64_t w_ih, int64_t w_hh, int64_t b_ih, int64_t b_hh) {
  frnn_weights w{};
  w.w_ih = w_ih, w.w_hh = w_hh, w.b_ih = b_ih, w.b_hh = b_hh;
  return w;
}

// What a run writes.
struct Results {
  int64_t y, hT, cT, dx, dh0, dc0;
  std::vector<frnn_weights> gradients;
};

// One net's sizes, inputs and parameters, shared by both runs.
class Problem {
 public:
  Problem(Arena& arena, const Case& c) : arena_(arena), c_(c), lstm_(c.cell == FRNN_LSTM) {
    for (int64_t k = 0; k < c.L; ++k) {
      for (int64_t d = 0; d < c.D; ++d) {
        const int64_t rows = gates(c.cell) * c.H;
        weights_.push_back(parameters(arena.random(rows * input(k)), arena.random(rows * c.H),
                                      arena.random(rows), arena.random(rows)));
      }
    }
    x_ = arena.random(c.T * c.B * c.I);
    h0_ = arena.random(states()), c0_ = lstm_ ? arena.random(states()) : 0;
    dy_ = arena.random(outputs());
    dhT_ = arena.random(states()), dcT_ = lstm_ ? arena.random(states()) : 0;
  }

  int64_t input(int64_t k) const { return k == 0 ? c_.I : c_.D * c_.H; }
  int64_t states() const { return c_.L * c_.D * c_.B * c_.H; }
  int64_t outputs() const { return c_.T * c_.B * c_.D * c_.H; }

  int64_t flags() const { return FRNN_TRAINING | (c_.tied ? FRNN_ACCUMULATE : 0); }

  Results fresh() {
    Results r{};
    r.y = arena_.empty(outputs()), r.dx = arena_.empty(c_.T * c_.B * c_.I);
    r.hT = arena_.empty(states()), r.dh0 = arena_.empty(states());
    r.cT = lstm_ ? arena_.empty(states()) : 0, r.dc0 = lstm_ ? arena_.empty(states()) : 0;
    for (int64_t n = 0; n < c_.L * c_.D; ++n) {
      const int64_t rows = gates(c_.cell) * c_.H;
      const auto start = [&](int64_t floats) {
        return c_.tied ? arena_.started(floats) : arena_.empty(floats);
      };
      r.gradients.push_back(c_.tied && n % c_.D == 1
                                ? r.gradients.back()
                                : parameters(start(rows * input(n / c_.D)), start(rows * c_.H),
                                             start(rows), start(rows)));
    }
    return r;
  }

  frnn_net net(Results& r) {
    frnn_net n{};
    n.struct_bytes = sizeof n;
    n.cell = c_.cell, n.dtype = FRNN_F32, n.flags = flags();
    n.stream = arena_.stream();
    n.T = c_.T, n.B = c_.B, n.I = c_.I, n.H = c_.H, n.L = c_.L, n.D = c_.D;
    n.weights = reinterpret_cast<int64_t>(weights_.data());
    n.gradients = reinterpret_cast<int64_t>(r.gradients.data());
    n.x = x_, n.h0 = h0_, n.c0 = c0_, n.y = r.y, n.hT = r.hT, n.cT = r.cT;
    n.dy = dy_, n.dhT = dhT_, n.dcT = dcT_, n.dx = r.dx, n.dh0 = r.dh0, n.dc0 = r.dc0;
    frnn_rnn_sizes sizes{};
    must(frnn_net_bytes(arena_.backend(), &n, &sizes), "net_bytes");
    n.reserve = arena_.bytes(sizes.reserve_bytes), n.reserve_bytes = sizes.reserve_bytes;
    n.workspace_bytes = std::max(sizes.forward_workspace_bytes, sizes.backward_workspace_bytes);
    n.workspace = arena_.bytes(n.workspace_bytes);
    return n;
  }

  // Layer k in direction d, bound to results and to its input and output.
  frnn_rnn layer(Results& r, int64_t k, int64_t d, int64_t x, int64_t y) {
    const int64_t at = k * c_.D + d;
    const auto part = [&](int64_t base) { return base == 0 ? 0 : base + 4 * at * c_.B * c_.H; };
    const frnn_weights& w = weights_[static_cast<size_t>(at)];
    const frnn_weights& g = r.gradients[static_cast<size_t>(at)];
    frnn_rnn n{};
    n.struct_bytes = sizeof n;
    n.cell = c_.cell, n.dtype = FRNN_F32;
    n.flags = flags() | (d == 1 ? FRNN_REVERSE : 0);
    n.T = c_.T, n.B = c_.B, n.I = input(k), n.H = c_.H;
    n.w_ih = w.w_ih, n.w_hh = w.w_hh, n.b_ih = w.b_ih, n.b_hh = w.b_hh;
    n.dw_ih = g.w_ih, n.dw_hh = g.w_hh, n.db_ih = g.b_ih, n.db_hh = g.b_hh;
    n.x = x, n.y = y + 4 * d * c_.H, n.y_ld = c_.D == 1 ? 0 : 2 * c_.H;
    n.h0 = part(h0_), n.c0 = part(c0_), n.hT = part(r.hT), n.cT = part(r.cT);
    n.dhT = part(dhT_), n.dcT = part(dcT_), n.dh0 = part(r.dh0), n.dc0 = part(r.dc0);
    frnn_rnn_sizes sizes{};
    must(frnn_rnn_bytes(arena_.backend(), &n, &sizes), "rnn_bytes");
    n.reserve = arena_.bytes(sizes.reserve_bytes), n.reserve_bytes = sizes.reserve_bytes;
    n.workspace_bytes = std::max(sizes.forward_workspace_bytes, sizes.backward_workspace_bytes);
    n.workspace = arena_.bytes(n.workspace_bytes);
    return n;
  }

  void by_hand(Results& r) {
    std::vector<frnn_rnn> layers;
    int64_t x = x_;
    for (int64_t k = 0; k < c_.L; ++k) {
      const int64_t y = k + 1 == c_.L ? r.y : arena_.empty(outputs());
      for (int64_t d = 0; d < c_.D; ++d) {
        layers.push_back(layer(r, k, d, x, y));
        must(frnn_rnn_forward(arena_.device(), &layers.back()), "rnn_forward");
      }
      x = y;
    }
    int64_t dy = dy_;
    for (int64_t k = c_.L - 1; k >= 0; --k) {
      const int64_t dx = k == 0 ? r.dx : arena_.empty(outputs());
      for (int64_t d = 0; d < c_.D; ++d) {
        frnn_rnn& n = layers[static_cast<size_t>(k * c_.D + d)];
        n.dy = dy + 4 * d * c_.H, n.dx = dx;
        if (d == 1) n.flags |= FRNN_ACCUMULATE_DX;
        must(frnn_rnn_backward(arena_.device(), &n), "rnn_backward");
      }
      dy = dx;
    }
  }

  // To the bit; sums over time to rounding where the net has cut the sequence into chunks.
  void compare(const char* what, int64_t whole, int64_t parts, int64_t floats, bool sum = false) {
    if (whole == 0) return;
    const std::vector<float> a = arena_.read(whole, floats), b = arena_.read(parts, floats);
    for (size_t e = 0; e < a.size(); ++e) {
      if (std::memcmp(&a[e], &b[e], 4) == 0 && std::isfinite(a[e])) continue;
      if (sum && c_.T >= 64 && std::fabs(a[e] - b[e]) <= 1e-5f * (1 + std::fabs(b[e]))) continue;
      char text[160];
      std::snprintf(text, sizeof text, "%s: %s[%zu] of cell %d L%d D%d: %.9g, by hand %.9g",
                    arena_.backend(), what, e, static_cast<int>(c_.cell), static_cast<int>(c_.L),
                    static_cast<int>(c_.D), static_cast<double>(a[e]), static_cast<double>(b[e]));
      frnn::testing::fail(__FILE__, __LINE__, text);
      return;
    }
  }

  void compare_all(Results& whole, Results& parts) {
    compare("y", whole.y, parts.y, outputs());
    compare("hT", whole.hT, parts.hT, states());
    compare("cT", whole.cT, parts.cT, states());
    compare("dx", whole.dx, parts.dx, c_.T * c_.B * c_.I);
    compare("dh0", whole.dh0, parts.dh0, states());
    compare("dc0", whole.dc0, parts.dc0, states());
    for (size_t n = 0; n < whole.gradients.size(); ++n) {
      const frnn_weights &a = whole.gradients[n], &b = parts.gradients[n];
      const int64_t rows = gates(c_.cell) * c_.H;
      compare("dw_ih", a.w_ih, b.w_ih, rows * input(static_cast<int64_t>(n) / c_.D), true);
      compare("dw_hh", a.w_hh, b.w_hh, rows * c_.H, true);
      compare("db_ih", a.b_ih, b.b_ih, rows, true);
      compare("db_hh", a.b_hh, b.b_hh, rows, true);
    }
  }

 private:
  Arena& arena_;
  const Case c_;
  const bool lstm_;
  std::vector<frnn_weights> weights_;
  int64_t x_, h0_, c0_, dy_, dhT_, dcT_;
};

void whole_equals_parts(const char* backend, const Case& c) {
  Arena arena(backend);
  Problem problem(arena, c);
  Results parts = problem.fresh();
  problem.by_hand(parts);
  const bool emulated = std::strcmp(backend, "emulated") == 0;
  for (int64_t seed = 0; seed < (emulated && c.D * c.L > 1 ? 6 : 1); ++seed) {
    Results whole = problem.fresh();
    const frnn_net net = problem.net(whole);
    must(frnn_device_synchronize(arena.device()), "synchronize");
    must(frnn_net_forward(arena.device(), &net), "net_forward");
    must(frnn_net_backward(arena.device(), &net), "net_backward");
    if (seed > 0) must(frnn_device_synchronize(arena.device()), "synchronize");
    problem.compare_all(whole, parts);
  }
}

void refusals(const char* backend) {
  Arena arena(backend);
  Problem problem(arena, {FRNN_LSTM, 2, 1, 3, 2, 3, 4});
  Results results = problem.fresh();
  const frnn_net legal = problem.net(results);
  const auto refuse = [&](const char* piece, auto spoil) {
    frnn_net net = legal;
    spoil(net);
    const int status = frnn_net_forward(arena.device(), &net);
    if (status != FRNN_OK && std::strstr(frnn_last_error(), piece) != nullptr) return;
    frnn::testing::fail(
        __FILE__, __LINE__,
        std::string("expected a refusal with '") + piece + "', got: " + frnn_last_error());
  };
  refuse("net.L", [](frnn_net& n) { n.L = 0; });
  refuse("net.D", [](frnn_net& n) { n.D = 3; });
  refuse("net.residual", [](frnn_net& n) { n.residual = 2; });
  refuse("net.flags", [](frnn_net& n) { n.flags |= FRNN_REVERSE; });
  refuse("net.dropout", [](frnn_net& n) { n.dropout = 1; });
  refuse("net.weights", [](frnn_net& n) { n.weights = 0; });
  refuse("layer 0: rnn.x", [](frnn_net& n) { n.x = 0; });
  refuse("layer 1: rnn.y", [](frnn_net& n) { n.y = 0; });
  refuse("net.reserve_bytes", [](frnn_net& n) { n.reserve_bytes -= 1; });
  refuse("only an LSTM", [](frnn_net& n) { n.cell = FRNN_GRU, n.P = 2; });
  refuse("rnn.P", [](frnn_net& n) { n.P = 4; });
  refuse("rnn.variant", [](frnn_net& n) { n.variant = FRNN_COUPLED | FRNN_NO_FORGET_GATE; });
  refuse("rnn.cell_clip", [](frnn_net& n) { n.cell_clip = -1; });
  refuse("rnn.zoneout_h", [](frnn_net& n) { n.zoneout_h = std::nan(""); });
}

}  // namespace

int main() {
  for (const char* const backend : {"cpu", "emulated"}) {
    for (const int64_t cell : {FRNN_LSTM, FRNN_GRU, FRNN_GRU_RESET_BEFORE, FRNN_RNN_TANH}) {
      whole_equals_parts(backend, {cell, 1, 1, 5, 3, 4, 7});
      whole_equals_parts(backend, {cell, 2, 1, 4, 3, 9, 5});
      whole_equals_parts(backend, {cell, 4, 1, 3, 1, 2, 6});
      whole_equals_parts(backend, {cell, 1, 2, 5, 3, 4, 7});
      whole_equals_parts(backend, {cell, 3, 2, 4, 2, 5, 3});
      whole_equals_parts(backend, {cell, 2, 2, 5, 2, 4, 3, true});
    }
    refusals(backend);
    // Long enough for layers to run as a wavefront over chunks, the last of them shorter.
    for (const int64_t cell : {FRNN_LSTM, FRNN_GRU, FRNN_GRU_RESET_BEFORE, FRNN_RNN_TANH}) {
      whole_equals_parts(backend, {cell, 2, 1, 67, 3, 4, 5});
      whole_equals_parts(backend, {cell, 3, 1, 101, 2, 5, 9});
    }
  }
  return frnn::testing::report();
}
