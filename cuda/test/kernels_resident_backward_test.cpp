// Goal: backward by the resident kernels K1 (one block) and K2 (a cluster of 2 to 16) gives the
// gradients of every cell, element type and option that they serve.
// Method: odd sizes on purpose. Plain fp32 cells against naive double loops, no further from them
// than a few times K0 is; everything else against K0, which has its own tests against the naive
// family. Inputs beyond a row's length, gaps between strided rows, reserve and workspace are NaN
// before the call. Then the same bits over many orders of warps and blocks, and what is refused.

#include "host/resident_backward_geometry.h"
#include "naive_rnn.h"
#include "problems.h"

namespace frnn {

namespace {
int cluster_to_take = 0;
}

std::unique_ptr<Device> open_device(int64_t seed) {
  auto device = testing::open_gpu(seed);
  if (device != nullptr && cluster_to_take > 1) {
    FRNN_CHECK_OK(device->set("cluster", cluster_to_take));
  }
  return device;
}

frnn_rnn_sizes sizes_of(const frnn_rnn& rnn) {
  return gpu_rnn_sizes(rnn);
}

namespace {

using namespace testing;

// A problem that the seed draws; `family` draws settings that the plain layouts do not have.
Problem draw(int64_t cell, int64_t dtype, int64_t H, uint64_t seed, bool family) {
  Random random(seed);
  const auto chance = [&](int64_t one_in) { return random.below(one_in) == 0; };
  Problem p;
  frnn_rnn& r = p.rnn;
  r.struct_bytes = sizeof r;
  r.cell = cell, r.dtype = dtype, r.H = H;
  r.T = 1 + random.below(4), r.B = chance(3) ? 9 + random.below(3) : 1 + random.below(8);
  r.I = 1 + random.below(3);
  r.flags = FRNN_TRAINING;
  if (family) {
    if (chance(2)) r.flags |= FRNN_REVERSE;
    if (chance(2)) r.flags |= FRNN_BATCH_FIRST;
    const int64_t variants[] = {0, FRNN_PEEPHOLE, FRNN_COUPLED, FRNN_PEEPHOLE | FRNN_COUPLED};
    if (cell == FRNN_LSTM) r.variant = variants[random.below(4)];
    if (chance(2)) r.y_ld = H + 3;
    for (int64_t b = 0; chance(4) ? false : b < r.B; ++b)
      p.lengths.push_back(static_cast<int32_t>(random.below(r.T + 2)));
    p.lengths.resize(p.lengths.empty() ? 0 : at(r.B), static_cast<int32_t>(r.T));
  }
  const int64_t rows = gates_of(cell, r.variant) * H, state = r.B * H;
  const auto fill = [&](const char* name, int64_t count, double limit) {
    const int64_t stored = dtype_of(name, dtype);
    p.in[name] = decode(encode(random.uniforms<float>(count, -limit, limit), stored), stored);
  };
  fill("w_ih", rows * r.I, 0.7);
  fill("w_hh", rows * H, 1.7 / std::sqrt(static_cast<double>(H)));
  fill("x", r.T * r.B * r.I, 1);
  if (chance(2)) fill("b_ih", rows, 0.5), fill("b_hh", rows, 0.5);
  if ((r.variant & FRNN_PEEPHOLE) != 0) fill("w_peephole", peepholes_of(r.variant) * H, 1);
  if (!chance(3)) fill("h0", state, 1);
  if (cell == FRNN_LSTM && !chance(3)) fill("c0", state, 1);
  if (!chance(4)) fill("dy", r.T * state, 1);
  if (!chance(4)) fill("dhT", state, 1);
  if (cell == FRNN_LSTM && !chance(4)) fill("dcT", state, 1);
  return p;
}

std::string what_of(const Problem& p, int cluster, uint64_t seed) {
  return format("cluster=%d ", cluster) + name_of(p, seed);
}

Results run(const Problem& p, int64_t forward, int64_t backward, int cluster,
            int64_t machine_seed) {
  Problem forced = poisoned(p);
  forced.forward_kernel = forward, forced.backward_kernel = backward;
  cluster_to_take = cluster;
  return Call(forced, machine_seed).run();
}
Results step_by_step(const Problem& p) {
  return run(p, FRNN_KERNEL_STEP, FRNN_KERNEL_STEP, 0, 3);
}
Results resident(const Problem& p, int cluster, int64_t machine_seed, bool both = false) {
  const int64_t kernel = cluster == 1 ? FRNN_KERNEL_SM : FRNN_KERNEL_CLUSTER;
  return run(p, both ? kernel : int64_t{FRNN_KERNEL_STEP}, kernel, cluster, machine_seed);
}

// Against K0. In units of 2^-24 of the largest element: what fp32 sums collect, or a few roundings
// of factors to 11 bits, or of stored gradients to 8 or 11, in every step.
double units_of(const Problem& p) {
  if (p.rnn.dtype == FRNN_BF16) return 24 * 0x1p15;
  if (p.rnn.dtype == FRNN_F16) return 24 * 0x1p12;
  return (p.rnn.flags & FRNN_ALLOW_TF32) != 0 ? 24 * 0x1p12 : 128;
}

void check_against_k0(const Problem& p, int cluster, uint64_t seed) {
  const std::string what = what_of(p, cluster, seed);
  const Results expected = step_by_step(p);
  for (const bool both : {false, true}) {
    if (both && p.rnn.H <= 16 * (cluster - 1)) continue;  // forward has fewer tiles than blocks
    const Results got = resident(p, cluster, static_cast<int64_t>(seed), both);
    for (const auto& [tensor, values] : got) {
      check_close((what + (both ? " both " : " ") + tensor).c_str(), values,
                  widened(expected.at(tensor)), units_of(p));
    }
  }
}

double distance(const Floats& got, const Doubles& expected) {
  double most = 0;
  for (size_t k = 0; k < got.size(); ++k) {
    const double e = std::fabs(got[k] - expected[k]);
    if (!(e <= most)) most = e;
  }
  return most;
}

// fp32 against double: at most 4 times as far as K0 is, or as one rounding of the largest element.
void check_against_double(const Problem& p, int cluster, uint64_t seed) {
  NaiveRnn naive{};
  const auto given = [&](const char* name) {
    const auto found = p.in.find(name);
    return found == p.in.end() ? Doubles() : widened(found->second);
  };
  naive.cell = p.rnn.cell, naive.T = p.rnn.T, naive.B = p.rnn.B, naive.I = p.rnn.I;
  naive.H = p.rnn.H;
  naive.w_ih = given("w_ih"), naive.w_hh = given("w_hh"), naive.x = given("x");
  naive.b_ih = given("b_ih"), naive.b_hh = given("b_hh"), naive.dy = given("dy");
  naive.h0 = given("h0"), naive.c0 = given("c0"), naive.dhT = given("dhT"),
  naive.dcT = given("dcT");
  naive.run();
  const std::map<std::string, const Doubles*> gradients = {
      {"dx", &naive.dx},       {"dh0", &naive.dh0},     {"dc0", &naive.dc0},
      {"dw_ih", &naive.dw_ih}, {"dw_hh", &naive.dw_hh}, {"db_ih", &naive.db_ih},
      {"db_hh", &naive.db_hh}};
  const Results k0 = step_by_step(p);
  const Results got = resident(p, cluster, static_cast<int64_t>(seed));
  for (const auto& [name, expected] : gradients) {
    if (got.count(name) == 0) continue;
    double largest = 0;
    for (const double e : *expected)
      largest = std::fmax(largest, std::fabs(e));
    const double allowed = 4 * std::fmax(distance(k0.at(name), *expected), largest * 0x1p-24);
    const double error = distance(got.at(name), *expected);
    if (error <= allowed) continue;
    fail(__FILE__, __LINE__,
         what_of(p, cluster, seed) + " " + name + format(": %.3g, allowed %.3g", error, allowed));
  }
}

constexpr int64_t kCells[] = {FRNN_LSTM, FRNN_GRU, FRNN_GRU_RESET_BEFORE, FRNN_RNN_TANH,
                              FRNN_RNN_RELU};

struct Size {
  int64_t H;
  int cluster;
};

void check_cells() {
  const Size sizes[] = {{1, 1},  {7, 1},  {33, 1}, {100, 1}, {9, 2},   {31, 2},
                        {33, 4}, {65, 4}, {65, 8}, {129, 4}, {129, 16}};
  const int64_t dtypes[] = {FRNN_F32, FRNN_F32, FRNN_BF16, FRNN_F16};
  uint64_t seed = 1;
  for (const int64_t cell : kCells) {
    for (const Size& size : sizes) {
      for (int d = 0; d < 4; ++d) {
        for (const bool family : {false, true}) {
          ++seed;
          if (size.H > 60 && (seed + static_cast<uint64_t>(d)) % 3 != 0) continue;
          Problem p = draw(cell, dtypes[d], size.H, seed, family);
          if (d == 1) p.rnn.flags |= FRNN_ALLOW_TF32;
          check_against_k0(p, size.cluster, seed);
          if (d == 0 && !family) check_against_double(p, size.cluster, seed);
        }
      }
    }
  }
}

// Sizes at which fragments lie in shared memory too, or a warp has four tiles.
void check_large() {
  const auto check = [](int64_t cell, int64_t dtype, int64_t H, int cluster, uint64_t seed) {
    check_against_k0(draw(cell, dtype, H, seed, false), cluster, seed);
  };
  check(FRNN_LSTM, FRNN_F32, 128, 1, 901);
  check(FRNN_GRU_RESET_BEFORE, FRNN_F32, 121, 1, 902);
  check(FRNN_LSTM, FRNN_F32, 200, 4, 903);
  check(FRNN_GRU, FRNN_BF16, 261, 8, 904);
  check(FRNN_RNN_TANH, FRNN_F32, 500, 8, 905);
  check(FRNN_RNN_RELU, FRNN_F16, 521, 16, 906);
}

// The same bits in any order of warps, blocks and landings; every seed is another order.
void check_orders(int seeds) {
  for (const int64_t cell : kCells) {
    for (const Size& size : {Size{13, 1}, Size{21, 2}}) {
      Problem p = draw(cell, cell == FRNN_GRU ? FRNN_BF16 : FRNN_F32, size.H, 77, true);
      const Results first = resident(p, size.cluster, 1000);
      for (int seed = 1; seed < (size.cluster == 1 ? seeds / 4 : seeds); ++seed) {
        const Results again = resident(p, size.cluster, 1000 + seed);
        for (const auto& [tensor, values] : first) {
          if (same_bits(values, again.at(tensor))) continue;
          fail(__FILE__, __LINE__,
               what_of(p, size.cluster, 77) + " " + tensor +
                   format(": bits differ, order %d", seed));
        }
      }
    }
  }
}

// Shapes as such: a Hopper GPU of 227 KB a block in clusters of up to 16.
machine::Properties hopper() {
  machine::Properties p;
  p.major = 9, p.multiprocessors = 132, p.registers_per_multiprocessor = 65536;
  p.shared_bytes_per_block = 227 * 1024, p.largest_cluster = 16, p.clusters = true;
  return p;
}

frnn_rnn layer(int64_t cell, int64_t dtype, int64_t H) {
  frnn_rnn rnn{};
  rnn.cell = cell, rnn.dtype = dtype, rnn.T = 5, rnn.B = 3, rnn.I = 2, rnn.H = H;
  return rnn;
}

void check_shape(const ResidentBackwardShape& s, int64_t H, int64_t dtype) {
  const BackwardForm form = kBackwardForms[s.form];
  const int depth = dtype == FRNN_F32 ? 8 : 16, warps_of_rows = kResidentWarps / s.splits;
  FRNN_CHECK(s.units % 8 == 0 && s.owners * s.units >= H && (s.owners - 1) * s.units < H);
  FRNN_CHECK(s.owners <= s.cluster && s.units <= form.rounds * kUnitsOfRound);
  FRNN_CHECK(warps_of_rows * form.tiles >= s.tiles && 16 * s.tiles >= s.owners * s.units);
  FRNN_CHECK(s.k_steps * depth >= s.blocks * s.units);
  FRNN_CHECK((form.depth + s.rest) * s.splits >= s.k_steps && s.b_steps >= s.k_steps);
  for (int eight = 0; eight < 2 * kResidentWarps * form.tiles; ++eight)
    FRNN_CHECK(owner_of(s, eight) == 8 * eight / s.units);
}

void check_shapes() {
  for (const int64_t cell : kCells) {
    for (const int64_t dtype : {FRNN_F32, FRNN_BF16}) {
      for (int64_t H = 1; H <= 700; H += H < 140 ? 1 : 13) {
        for (int cluster = 1; cluster <= 16; cluster *= 2) {
          ResidentBackwardShape shape;
          const Status status =
              resident_backward_geometry(layer(cell, dtype, H), hopper(), cluster, &shape);
          if (status.ok()) check_shape(shape, H, dtype);
          if (cluster == 16 && H <= 512) FRNN_CHECK_OK(status);
          if (cluster == 1 && H <= 128) FRNN_CHECK_OK(status);
        }
      }
    }
  }
}

void check_refusal(const frnn_rnn& rnn, const machine::Properties& device, int cluster,
                   const std::string& part) {
  ResidentBackwardShape shape;
  const Status status = resident_backward_geometry(rnn, device, cluster, &shape);
  if (status.code == FRNN_UNSUPPORTED && status.text.find(part) != std::string::npos) return;
  fail(__FILE__, __LINE__, "expected `" + part + "` in: " + status.text);
}

void check_refusals() {
  const frnn_rnn small = layer(FRNN_LSTM, FRNN_F32, 32);
  frnn_rnn projected = small, zoned = small;
  projected.P = 8, zoned.zoneout_h = 0.1;
  machine::Properties old = hopper(), ampere = hopper(), tight = hopper();
  old.major = 7, ampere.largest_cluster = 1, tight.shared_bytes_per_block = 40 * 1024;
  check_refusal(projected, hopper(), 1, "no projection: K0 serves it");
  check_refusal(zoned, hopper(), 2, "no zoneout");
  check_refusal(small, old, 1, "compute capability 8.0");
  check_refusal(small, ampere, 2, "a cluster of 2");
  check_refusal(layer(FRNN_LSTM, FRNN_F32, 129), hopper(), 1, "136 hidden units");
  check_refusal(layer(FRNN_LSTM, FRNN_BF16, 1000), hopper(), 16, "8 tiles of 16");
  check_refusal(layer(FRNN_LSTM, FRNN_F32, 128), tight, 1, "bytes of shared memory");
}

// Rounding errors do not grow beyond those of K0 over many steps.
void check_long() {
  Problem p = draw(FRNN_GRU, FRNN_F32, 9, 31, false);
  const double limit = 1 / std::sqrt(9.0);
  Random random(5);
  p.rnn.T = 400, p.rnn.B = 2;
  for (auto& [name, values] : p.in) {
    const bool rows = is_sequence(name);
    const size_t count = !rows ? values.size() : at(800 * (name == "x" ? p.rnn.I : 9));
    const bool state = name == "h0" || name == "dhT";
    values = random.uniforms<float>(static_cast<int64_t>(state ? 18 : count), -limit, limit);
  }
  check_against_double(p, 2, 31);
}

}  // namespace
}  // namespace frnn

int main(int argc, char** argv) {
  const std::string part = argc > 1 ? argv[1] : "all";
  if (part == "all" || part == "cells") frnn::check_cells();
  if (part == "all" || part == "large") frnn::check_large();
  if (part == "all" || part == "shapes") {
    frnn::check_shapes();
    frnn::check_refusals();
  }
  if (part == "all" || part == "long") frnn::check_long();
  if (part == "all" || part == "orders") frnn::check_orders(200);
  return frnn::testing::report();
}
