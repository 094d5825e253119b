// Goal: the resident kernels K1 and K2, forward: every cell, dtype, cluster size and option of the
// family that they serve, at odd sizes. Method: each case against naive loops in double; again
// under other seeds of the emulated machine, bit for bit; inference against training; reserves
// against those that K0 leaves.

#include <map>

#include "emulated_device.h"
#include "gpu.h"
#include "host/gpu_family.h"
#include "host/gpu_layout.h"
#include "host/gpu_resident.h"
#include "host/gpu_rnn.h"
#include "naive_family.h"

namespace frnn {
namespace {

using namespace testing;
using Floats = std::vector<float>;

struct Case {
  int64_t cell;
  int64_t dtype;
  int64_t T, B, I, H;
  int cluster;  // 0: K0
  int64_t flags = 0;
  int64_t variant = 0;
  bool lengths = false;
  bool optional = true;  // biases, h0, c0, hT, cT are there
  int64_t pad = 0;       // elements between the rows of x and y
  uint64_t seed = 1;
};

std::string name_of(const Case& c) {
  return format("cell=%d dtype=%d T=%d B=%d I=%d H=%d C=%d flags=%d variant=%d seed=%d%s%s%s",
                int(c.cell), int(c.dtype), int(c.T), int(c.B), int(c.I), int(c.H), c.cluster,
                int(c.flags), int(c.variant), int(c.seed), c.lengths ? " lengths" : "",
                c.optional ? "" : " bare", c.pad != 0 ? " strided" : "");
}

struct Problem {
  frnn_rnn rnn{};
  std::vector<int32_t> lengths;
  std::map<std::string, Floats> in;  // dense, time-first

  int64_t length(int64_t b) const {
    return lengths.empty() ? rnn.T
                           : std::max<int64_t>(0, std::min<int64_t>(rnn.T, lengths[size_t(b)]));
  }
};

Problem problem_of(const Case& c) {
  Random random(c.seed);
  Problem p;
  frnn_rnn& r = p.rnn;
  r.struct_bytes = sizeof r;
  r.cell = c.cell, r.dtype = c.dtype, r.flags = c.flags, r.variant = c.variant;
  r.T = c.T, r.B = c.B, r.I = c.I, r.H = c.H;
  if (c.pad != 0) r.x_ld = c.I + c.pad, r.y_ld = c.H + c.pad;
  const int64_t rows = gates_of(c.cell, c.variant) * c.H;
  const double weight = 1 / std::sqrt(static_cast<double>(c.H));
  const auto fill = [&](const char* name, int64_t count, double limit) {
    const int64_t stored = std::string(name) == "c0" ? int64_t{FRNN_F32} : c.dtype;
    p.in[name] = decode(encode(random.uniforms<float>(count, -limit, limit), stored), stored);
  };
  fill("w_ih", rows * c.I, weight), fill("w_hh", rows * c.H, weight);
  fill("x", c.T * c.B * c.I, 1);
  if ((c.variant & FRNN_PEEPHOLE) != 0) {
    fill("w_peephole", peepholes_of(c.variant) * c.H, 1);
  }
  if (c.optional) {
    fill("b_ih", rows, 1), fill("b_hh", rows, 1), fill("h0", c.B * c.H, 1);
    if (c.cell == FRNN_LSTM) fill("c0", c.B * c.H, 1);
  }
  if (c.lengths) {
    for (int64_t b = 0; b < c.B; ++b)
      p.lengths.push_back(static_cast<int32_t>(random.below(c.T + 3) - 1));  // clamped to [0, T]
  }
  return p;
}

// y, hT, cT, dense and time-first, and the bytes of the reserve.
struct Outputs {
  std::map<std::string, Floats> tensors;
  Floats reserve;
};

class Call {
 public:
  Call(const Case& c, const Problem& p, int64_t machine_seed)
      : c_(c), p_(p), device_(machine_seed, 1 + machine_seed % 2) {
    FRNN_CHECK_OK(device_->activate());
    FRNN_CHECK_OK(blas_.open(""));
  }

  Outputs run() {
    frnn_rnn rnn = p_.rnn;
    rnn.w_ih = place("w_ih"), rnn.w_hh = place("w_hh"), rnn.b_ih = place("b_ih");
    rnn.b_hh = place("b_hh"), rnn.w_peephole = place("w_peephole");
    rnn.h0 = place("h0"), rnn.c0 = place("c0");
    if (!p_.lengths.empty()) {
      rnn.lengths = reinterpret_cast<int64_t>(device_.upload(p_.lengths));
    }
    rnn.x = place_rows(p_.in.at("x"), rnn.I, x_ld());
    const int64_t y_count = rnn.T * rnn.B * y_ld(), state = rnn.B * rnn.H;
    const int64_t bytes = bytes_of(rnn.dtype);
    rnn.y = reinterpret_cast<int64_t>(device_.alloc<char>(y_count * bytes));
    if (c_.optional) {
      rnn.hT = reinterpret_cast<int64_t>(device_.alloc<char>(state * bytes));
      if (rnn.cell == FRNN_LSTM) rnn.cT = reinterpret_cast<int64_t>(device_.alloc<float>(state));
    }
    const frnn_rnn_sizes sizes = gpu_rnn_sizes(rnn);
    rnn.workspace = reinterpret_cast<int64_t>(device_.alloc<char>(sizes.forward_workspace_bytes));
    rnn.reserve = sizes.reserve_bytes == 0
                      ? 0
                      : reinterpret_cast<int64_t>(device_.alloc<char>(sizes.reserve_bytes));
    FRNN_CHECK_OK(forward(rnn));
    Outputs out;
    out.tensors["y"] = take_rows(read(rnn.y, y_count, rnn.dtype));
    if (rnn.hT != 0) out.tensors["hT"] = read(rnn.hT, state, rnn.dtype);
    if (rnn.cT != 0) out.tensors["cT"] = read(rnn.cT, state, FRNN_F32);
    if (rnn.reserve != 0) out.reserve = read(rnn.reserve, sizes.reserve_bytes / 4, FRNN_F32);
    return out;
  }

 private:
  Status forward(const frnn_rnn& rnn) {
    const Queue queue = {*device_, 0};
    BlasSession session(blas_, *device_);
    if (c_.cluster == 0) {
      frnn_rnn step = rnn;
      step.kernel = FRNN_KERNEL_STEP;
      Planner planner(device_->properties());
      return gpu_rnn_forward(queue, blas_, planner, step);
    }
    ResidentGeometry geometry;
    const std::string reason = resident_geometry(rnn, device_->properties(), c_.cluster, &geometry);
    if (!reason.empty()) return Status::fail(FRNN_UNSUPPORTED, reason);
    return gpu_resident_forward(queue, session, rnn, geometry);
  }

  int64_t x_ld() const { return p_.rnn.x_ld != 0 ? p_.rnn.x_ld : p_.rnn.I; }
  int64_t y_ld() const { return p_.rnn.y_ld != 0 ? p_.rnn.y_ld : p_.rnn.H; }
  size_t row(int64_t t, int64_t b) const {
    const bool batch_first = (p_.rnn.flags & FRNN_BATCH_FIRST) != 0;
    return static_cast<size_t>(batch_first ? b * p_.rnn.T + t : t * p_.rnn.B + b);
  }

  int64_t place(const std::string& name) {
    const auto found = p_.in.find(name);
    if (found == p_.in.end()) return 0;
    const int64_t dtype = name == "c0" ? int64_t{FRNN_F32} : p_.rnn.dtype;
    return reinterpret_cast<int64_t>(device_.upload(encode(found->second, dtype)));
  }
  // In the call's layout; NaN between strided rows and beyond a row's length.
  int64_t place_rows(const Floats& values, int64_t width, int64_t ld) {
    Floats laid(size_t(p_.rnn.T * p_.rnn.B * ld), std::nanf(""));
    for (int64_t t = 0; t < p_.rnn.T; ++t) {
      for (int64_t b = 0; b < p_.rnn.B; ++b) {
        if (t >= p_.length(b)) continue;
        std::copy_n(&values[size_t((t * p_.rnn.B + b) * width)], width,
                    &laid[row(t, b) * size_t(ld)]);
      }
    }
    return reinterpret_cast<int64_t>(device_.upload(encode(laid, p_.rnn.dtype)));
  }
  Floats take_rows(const Floats& laid) const {
    const size_t H = size_t(p_.rnn.H), ld = size_t(y_ld());
    Floats values;
    for (int64_t t = 0; t < p_.rnn.T; ++t) {
      for (int64_t b = 0; b < p_.rnn.B; ++b) {
        const auto from = laid.begin() + int64_t(row(t, b) * ld);
        values.insert(values.end(), from, from + int64_t(H));
        for (size_t k = H; k < ld; ++k)
          FRNN_CHECK(std::isnan(from[int64_t(k)]));  // nobody wrote between the rows
      }
    }
    return values;
  }
  Floats read(int64_t address, int64_t count, int64_t dtype) {
    return decode(device_.download(reinterpret_cast<const char*>(address), count * bytes_of(dtype)),
                  dtype);
  }

  const Case& c_;
  const Problem& p_;
  EmulatedDevice device_;
  GpuBlas blas_;
};

Outputs run(const Case& c, const Problem& p, int64_t machine_seed) {
  return Call(c, p, machine_seed).run();
}

void check_same(const std::string& what, const Outputs& a, const Outputs& b) {
  for (const auto& [tensor, values] : a.tensors) {
    if (!same_bits(values, b.tensors.at(tensor))) {
      fail(__FILE__, __LINE__, what + " " + tensor + ": the bits differ");
    }
  }
}

NaiveFamily naive_of(const Problem& p) {
  NaiveFamily naive;
  naive.rnn = p.rnn;
  for (int64_t b = 0; b < p.rnn.B; ++b)
    naive.lengths.push_back(p.length(b));
  for (const auto& [tensor, values] : p.in)
    naive.in[tensor] = widened(values);
  naive.forward();
  return naive;
}

// Roundings of 2^-24 that outputs may collect: those of fp32 sums, or a few of what is stored or
// multiplied in fewer bits at every step.
double allowed(const Case& c) {
  const double terms = std::sqrt(double(c.I + c.H + 2)) * std::sqrt(double(c.T + 1));
  if (c.dtype == FRNN_BF16) return 6 * 0x1p15;
  if (c.dtype == FRNN_F16) return 6 * 0x1p12;
  return (c.flags & FRNN_ALLOW_TF32) != 0 ? 4 * 0x1p13 : 8 * terms;
}

void check(const Case& c) {
  const std::string name = name_of(c);
  const Problem p = problem_of(c);
  const Outputs got = run(c, p, 1);
  const NaiveFamily naive = naive_of(p);
  check_close((name + " y").c_str(), got.tensors.at("y"), naive.y, allowed(c));
  if (c.optional) {
    check_close((name + " hT").c_str(), got.tensors.at("hT"), naive.hT, allowed(c));
    if (c.cell == FRNN_LSTM) {
      check_close((name + " cT").c_str(), got.tensors.at("cT"), naive.cT, allowed(c));
    }
  }
  check_same(name + ", another order of warps and blocks,", got, run(c, p, 78));
}

constexpr int64_t kCells[] = {FRNN_LSTM, FRNN_GRU, FRNN_GRU_RESET_BEFORE, FRNN_RNN_TANH,
                              FRNN_RNN_RELU};

int64_t tile_of(int64_t cell) {
  return cell == FRNN_LSTM ? 8 : 16;
}

// One tile of units more than fits evenly, and one unit; and one unit less than two tiles a block.
void check_sizes() {
  for (const int64_t dtype : {FRNN_F32, FRNN_BF16, FRNN_F16}) {
    for (const int64_t cell : kCells) {
      for (const int cluster : {1, 2, 4, 8, 16}) {
        const int64_t H = tile_of(cell) * cluster;
        // The emulated machine has room for 16 small blocks.
        if (cluster == 16 && dtype == FRNN_F32 && tile_of(cell) == 16) continue;
        check({cell, dtype, 3, 3, 5, H + 1, cluster});
        if (cluster > 8) continue;
        check({cell, dtype, 2, 11, 2, 2 * H - 1, cluster, FRNN_TRAINING | FRNN_REVERSE, 0, true});
      }
    }
  }
}

// Everything drawn: sizes, options, clusters.
void check_drawn(uint64_t seed) {
  Random random(seed);
  const auto chance = [&](int64_t one_in) { return random.below(one_in) == 0; };
  Case c{};
  c.seed = seed;
  c.cell = kCells[random.below(5)];
  const int64_t dtypes[] = {FRNN_F32, FRNN_F32, FRNN_BF16, FRNN_F16};
  c.dtype = dtypes[random.below(4)];
  c.T = 1 + random.below(5), c.B = 1 + random.below(10), c.I = 1 + random.below(4);
  c.cluster = 1 << random.below(4);
  c.H = tile_of(c.cell) * (c.cluster - 1) + 1 + random.below(40);
  const int64_t flags[] = {FRNN_TRAINING, FRNN_REVERSE, FRNN_BATCH_FIRST, FRNN_ALLOW_TF32};
  for (const int64_t flag : flags)
    c.flags |= chance(2) ? flag : 0;
  if (c.cell == FRNN_LSTM) c.variant = random.below(4);  // peepholes, coupled gates
  c.lengths = chance(2), c.optional = !chance(4), c.pad = chance(3) ? 3 : 0;
  check(c);
}

// Every way in which warps share out a block's work: one and two rounds, 1 to 8 splits, weights in
// registers alone and in shared memory, too.
void check_shares() {
  for (const int64_t cell : {FRNN_LSTM, FRNN_GRU, FRNN_GRU_RESET_BEFORE, FRNN_RNN_TANH}) {
    for (const int64_t dtype : {FRNN_F32, FRNN_BF16}) {
      for (const int64_t tiles : {1, 2, 4, 7, 8, 9}) {
        if (tiles > 8 && cell != FRNN_LSTM && dtype == FRNN_F32) continue;  // does not fit
        check({cell, dtype, 2, 2, 1, tiles * tile_of(cell) - 3, 1, FRNN_TRAINING});
      }
    }
    check({cell, FRNN_BF16, 2, 2, 1, 410, 8});
    check({cell, FRNN_F32, 2, 2, 1, 230, 8});
  }
}

// Many orders of warps and blocks, bit for bit.
void check_orders() {
  for (const int64_t cell : kCells) {
    for (const int cluster : {1, 2, 4}) {
      const Case c = {cell, FRNN_BF16, 3, 2, 1, 33 * cluster, cluster, FRNN_TRAINING};
      const Problem p = problem_of(c);
      const Outputs first = run(c, p, 1);
      for (int64_t seed = 2; seed <= 15; ++seed)
        check_same(name_of(c) + format(", machine seed %d,", int(seed)), first, run(c, p, seed));
    }
  }
}

// Training and inference give the same bits; so do a row alone and among others.
void check_consistency() {
  for (const int64_t cell : kCells) {
    for (const int cluster : {1, 2}) {
      Case c = {cell, FRNN_F32, 4, 9, 2, 37, cluster};
      c.lengths = true;
      const Problem p = problem_of(c);
      Case training = c;
      training.flags = FRNN_TRAINING;
      Problem trained = p;
      trained.rnn.flags = FRNN_TRAINING;
      const Outputs all = run(c, p, 1);
      check_same(name_of(c) + ", training,", all, run(training, trained, 1));
      Problem one = p;
      one.rnn.B = 1;
      one.lengths = {p.lengths[8]};
      one.in["h0"] = Floats(p.in.at("h0").begin() + 8 * c.H, p.in.at("h0").end());
      if (cell == FRNN_LSTM) {
        one.in["c0"] = Floats(p.in.at("c0").begin() + 8 * c.H, p.in.at("c0").end());
      }
      Floats x;
      for (int64_t t = 0; t < c.T; ++t) {
        const auto from = p.in.at("x").begin() + (t * c.B + 8) * c.I;
        x.insert(x.end(), from, from + c.I);
      }
      one.in["x"] = x;
      const Outputs alone = run(c, one, 4);
      const Floats hT(all.tensors.at("hT").begin() + 8 * c.H, all.tensors.at("hT").end());
      FRNN_CHECK(same_bits(alone.tensors.at("hT"), hT));
    }
  }
}

// K0 reads what these kernels leave for backward: the reserves agree.
void check_reserves() {
  for (const int64_t cell : kCells) {
    for (const int64_t flags : {int64_t{0}, int64_t{FRNN_REVERSE}}) {
      Case c = {cell, FRNN_F32, 3, 3, 2, 19, 2, FRNN_TRAINING | flags};
      const Problem p = problem_of(c);
      const Outputs resident = run(c, p, 1);
      c.cluster = 0;
      const Outputs steps = run(c, p, 1);
      FRNN_CHECK(resident.reserve.size() == steps.reserve.size());
      for (size_t k = 0; k < steps.reserve.size(); ++k) {
        if (std::isnan(steps.reserve[k])) continue;  // between its parts
        FRNN_CHECK_NEAR(double(resident.reserve[k]), double(steps.reserve[k]), 1e-5);
      }
    }
  }
}

// A long sequence in runs of steps: what one launch leaves the next begins with.
void check_chunks() {
  const Case c = {FRNN_LSTM, FRNN_F32, 46, 12000, 1, 8, 1};
  Problem p = problem_of(c);
  FRNN_CHECK(rnn_forward_workspace(p.rnn).chunk_steps < c.T);
  const Outputs inference = run(c, p, 1);
  p.rnn.flags = FRNN_TRAINING;
  check_same(name_of(c) + ", in one launch,", inference, run(c, p, 1));
}

// fp32 products by three TF32 products: not worse than 8 times what plain fp32 sums give, also
// where terms of very different size cancel.
void check_fp32_products() {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Case c = {FRNN_RNN_RELU, FRNN_F32, 1, 8, 1, 100, 1};
    c.seed = seed;
    Problem p = problem_of(c);
    Random random(100 + seed);
    for (float& w : p.in.at("w_hh"))
      w = static_cast<float>(random.uniform(-1, 1) * std::exp2(random.uniform(-12, 12)));
    const Floats resident = run(c, p, 1).tensors.at("y");
    const NaiveFamily naive = naive_of(p);
    Case plain = c;
    plain.cluster = 0;
    const Floats steps = run(plain, p, 1).tensors.at("y");
    double worst = 0, worst_plain = 0;
    for (size_t k = 0; k < steps.size(); ++k) {
      worst = std::fmax(worst, std::fabs(resident[k] - naive.y[k]));
      worst_plain = std::fmax(worst_plain, std::fabs(steps[k] - naive.y[k]));
    }
    FRNN_CHECK(worst <= 8 * worst_plain);
  }
}

// A million steps of one row would take hours here; a thousand show that errors do not pile up.
void check_long() {
  check({FRNN_LSTM, FRNN_F32, 600, 1, 1, 3, 1});
  check({FRNN_GRU, FRNN_BF16, 600, 1, 1, 17, 2});
}

void check_refused(frnn_rnn rnn, const machine::Properties& properties, int cluster,
                   const char* part) {
  ResidentGeometry geometry;
  const std::string reason = resident_geometry(rnn, properties, cluster, &geometry);
  if (reason.find(part) == std::string::npos) {
    fail(__FILE__, __LINE__, std::string("expected `") + part + "` in: `" + reason + "`");
  }
}

void check_refusals() {
  EmulatedDevice device;
  machine::Properties properties = device->properties();
  frnn_rnn rnn{};
  rnn.cell = FRNN_LSTM, rnn.dtype = FRNN_F32, rnn.T = 2, rnn.B = 3, rnn.I = 4, rnn.H = 100;
  check_refused(rnn, properties, 32, "clusters of 16 at the most");
  check_refused(rnn, properties, 16, "needs as many tiles of 8 units, H=100 has 13");
  rnn.H = 1000;
  check_refused(rnn, properties, 1, "a block serves up to 128 hidden units");
  check_refused(rnn, properties, 16, "the device has 232448");
  rnn.H = 100, rnn.P = 10;
  check_refused(rnn, properties, 1, "no projection");
  rnn.P = 0, rnn.zoneout_h = 0.5;
  check_refused(rnn, properties, 1, "no zoneout");
  rnn.zoneout_h = 0, rnn.cell = FRNN_MUT2;
  check_refused(rnn, properties, 1, "no MUT cells");
  rnn.cell = FRNN_LSTM, rnn.variant = FRNN_NO_INPUT_GATE;
  check_refused(rnn, properties, 1, "no ablated LSTM gates");
  rnn.variant = 0;
  properties.major = 7;
  check_refused(rnn, properties, 1, "compute capability 8.0, the device has 7.0");

  rnn.kernel = FRNN_KERNEL_SM, rnn.H = 1000;
  GpuBlas blas;
  Planner planner(device->properties());
  const Status status = gpu_rnn_forward({*device, 0}, blas, planner, rnn);
  FRNN_CHECK_REPORT_CODE(status, FRNN_UNSUPPORTED, "kernel", "H=1000");
}

}  // namespace
}  // namespace frnn

int main() {
  using namespace frnn;
  check_refusals();
  check_sizes();
  check_shares();
  for (uint64_t seed = 1; seed <= 150; ++seed)
    check_drawn(seed);
  check_orders();
  check_consistency();
  check_reserves();
  check_chunks();
  check_fp32_products();
  check_long();
  return testing::report();
}
