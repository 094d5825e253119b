// The whole family on one backend: variants, projections, clips, masks, rows of their own
// lengths, both directions, both layouts, strided rows, in combinations that a seed draws. Forward
// against naive loops in double, gradients against differences of those; then every row alone, bit
// for bit, and the masks between layers.

#ifndef FUSEDRNN_TEST_FAMILY_SUITE_H_
#define FUSEDRNN_TEST_FAMILY_SUITE_H_

#include "naive_family.h"
#include "problems.h"

namespace frnn {
namespace {

using namespace testing;

Problem draw(int64_t cell, uint64_t seed, int64_t dtype = FRNN_F32, int64_t norm = FRNN_NO_NORM) {
  Random random(seed);
  const auto chance = [&](int64_t one_in) { return random.below(one_in) == 0; };
  Problem p;
  frnn_rnn& r = p.rnn;
  r.struct_bytes = sizeof r;
  r.cell = cell, r.dtype = dtype;
  r.T = 1 + random.below(5), r.B = 1 + random.below(4);
  r.I = 1 + random.below(4), r.H = 2 + random.below(5);
  r.flags = chance(5) ? 0 : FRNN_TRAINING;
  if (chance(2)) r.flags |= FRNN_REVERSE;
  if (chance(2)) r.flags |= FRNN_BATCH_FIRST;
  if (cell == FRNN_LSTM) {
    const int64_t ablations[] = {0, FRNN_COUPLED, FRNN_NO_INPUT_GATE, FRNN_NO_FORGET_GATE};
    r.variant = ablations[random.below(4)];
    if (chance(4)) r.variant |= FRNN_NO_OUTPUT_GATE;
    if (chance(2)) r.variant |= FRNN_PEEPHOLE;
    if (chance(3)) r.P = 1 + random.below(r.H - 1);
    if (chance(3)) r.cell_clip = 0.3;
    if (chance(3)) r.zoneout_c = 0.3;
  }
  if (chance(3)) r.zoneout_h = 0.25;
  if (chance(3)) r.recurrent_dropout = 0.4;
  if (chance(3)) r.x_ld = r.I + 3;
  if (chance(3)) r.y_ld = p.W() + 2;
  r.seed = static_cast<int64_t>(random.bits()), r.offset = static_cast<int64_t>(random.bits() >> 1);
  r.mask_stream = random.below(6);
  if (chance(2)) {
    for (int64_t b = 0; b < r.B; ++b) {
      p.lengths.push_back(static_cast<int32_t>(random.below(r.T + 3) - 1));  // -1 to T + 1: clamped
    }
  }
  r.norm = norm;
  if (norm != FRNN_NO_NORM) r.norm_epsilon = 0.05, r.norm_momentum = 0.3;
  if (norm == FRNN_LAYER_NORM) {  // neither variant nor projection
    r.variant = r.P = 0;
    if (r.y_ld != 0) r.y_ld = r.H + 2;
  }
  const int64_t rows = gates_of(cell, r.variant) * r.H, W = p.W();
  const int64_t recurrent = recurrent_gates_of(cell, r.variant) * r.H;
  const auto fill = [&](const char* name, int64_t count) {
    const int64_t stored = dtype_of(name, dtype);
    p.in[name] = decode(encode(random.uniforms<float>(count, -1, 1), stored), stored);
  };
  fill("w_ih", rows * r.I);
  fill("w_hh", recurrent * W);
  fill("x", r.T * r.B * r.I);
  if (chance(2)) fill("b_ih", rows), fill("b_hh", recurrent);
  if (r.P > 0) fill("w_hr", r.P * r.H);
  if ((r.variant & FRNN_PEEPHOLE) != 0) fill("w_peephole", peepholes_of(r.variant) * r.H);
  if (norm != FRNN_NO_NORM) fill("norm_ih", rows);
  if (norm == FRNN_LAYER_NORM) fill("norm_hh", rows), fill("norm_c", r.H), fill("norm_c_bias", r.H);
  if (norm == FRNN_BATCH_NORM) {
    fill("running_mean", rows), fill("running_var", rows);
    for (float& v : p.in["running_var"])
      v = std::fabs(v);
  }
  if (!chance(3)) fill("h0", r.B * W);
  if (cell == FRNN_LSTM && !chance(3)) fill("c0", r.B * r.H);
  if (!chance(4)) fill("dy", r.T * r.B * W);
  if (!chance(4)) fill("dhT", r.B * W);
  if (cell == FRNN_LSTM && !chance(4)) fill("dcT", r.B * r.H);
  return p;
}

void check_problem(int64_t cell, uint64_t seed, int64_t dtype = FRNN_F32,
                   int64_t norm = FRNN_NO_NORM) {
  const Problem p = draw(cell, seed, dtype, norm);
  // In units of 2^-24: what fp32 sums collect, or a few roundings of what is stored in 16 bits at
  // every step.
  // A norm may divide by the square root of epsilon, and so multiply an error by 4.5.
  const double unit = (norm == FRNN_NO_NORM ? 1 : 4) *
                      (dtype == FRNN_F32 ? 64 : 6 * (dtype == FRNN_BF16 ? 0x1p15 : 0x1p12));
  const std::string name = name_of(p, seed);
  NaiveFamily naive;
  naive.rnn = p.rnn;
  for (int64_t b = 0; b < p.rnn.B; ++b)
    naive.lengths.push_back(p.length(b));
  for (const auto& [tensor, values] : p.in)
    naive.in[tensor] = widened(values);
  naive.forward();
  const Results got = Call(poisoned(p), 1).run();
  const Results again = Call(poisoned(p), 50).run();
  for (const auto& [tensor, values] : got) {
    const std::string what = name + " " + tensor;
    if (!same_bits(values, again.at(tensor))) fail(__FILE__, __LINE__, what + ": bits differ");
    if (tensor[0] != 'd') {
      const auto& expected = tensor == "y"              ? naive.y
                             : tensor == "hT"           ? naive.hT
                             : tensor == "running_mean" ? naive.running_mean
                             : tensor == "running_var"  ? naive.running_var
                                                        : naive.cT;
      check_close(what.c_str(), values, expected, unit);
      continue;
    }
    // Differences in double are good to about 1e-9; fp32 gradients here collect some 100 roundings.
    check_close(what.c_str(), values, naive.gradient(tensor.substr(1)), 4 * unit);
  }
}

// Row b of a problem, alone and without lengths, must give what it gives among the others.
void check_rows_alone(int64_t cell, uint64_t seed, int64_t norm = FRNN_NO_NORM) {
  Problem p = draw(cell, seed, FRNN_F32, norm);
  p.rnn.flags |= FRNN_TRAINING;
  p.rnn.recurrent_dropout = p.rnn.zoneout_h = p.rnn.zoneout_c = 0;  // masks depend on B
  if (p.lengths.empty()) p.lengths.assign(at(p.rnn.B), static_cast<int32_t>(p.rnn.T));
  const Results all = Call(p, 1).run();
  for (int64_t b = 0; b < p.rnn.B; ++b) {
    const int64_t T = p.length(b);
    if (T == 0) continue;
    const auto slice = [&](const std::string& tensor, const Floats& from) {
      if (!is_sequence(tensor)) {
        const size_t n = from.size() / at(p.rnn.B);
        return Floats(from.begin() + static_cast<int64_t>(n) * b,
                      from.begin() + static_cast<int64_t>(n) * (b + 1));
      }
      Floats part;
      const int64_t F = static_cast<int64_t>(from.size()) / (p.rnn.T * p.rnn.B);
      for (int64_t t = 0; t < T; ++t) {
        const auto begin = from.begin() + (t * p.rnn.B + b) * F;
        part.insert(part.end(), begin, begin + F);
      }
      return part;
    };
    Problem one = p;
    one.lengths.clear();
    one.rnn.T = T, one.rnn.B = 1;
    for (const char* tensor : {"x", "dy", "h0", "c0", "dhT", "dcT"}) {
      if (p.in.count(tensor) != 0) one.in[tensor] = slice(tensor, p.in.at(tensor));
    }
    const Results alone = Call(one, 9).run();
    for (const char* tensor : {"y", "hT", "cT", "dx", "dh0", "dc0"}) {
      if (all.count(tensor) == 0) continue;
      if (same_bits(alone.at(tensor), slice(tensor, all.at(tensor)))) continue;
      fail(__FILE__, __LINE__,
           name_of(p, seed) + format(" row %d ", int(b)) + tensor + ": not what it gives alone");
    }
  }
}

// dx and weight gradients are added to what is there, where the flags say so.
void check_accumulation() {
  for (const int64_t flags : {int64_t{0}, int64_t{FRNN_REVERSE}}) {
    const int64_t T = 3, B = 2, I = 3, H = 4;
    const auto device = open_device(1);
    Random random(4);
    frnn_rnn r{};
    r.cell = FRNN_GRU, r.dtype = FRNN_F32, r.T = T, r.B = B, r.I = I, r.H = H,
    r.flags = FRNN_TRAINING | flags;
    Tensor<float> w(*device, random.uniforms<float>(3 * H * H, -1, 1));
    Tensor<float> x(*device, random.uniforms<float>(T * B * I, -1, 1)), y(*device, T * B * H);
    Tensor<float> dy(*device, random.uniforms<float>(T * B * H, -1, 1));
    Tensor<float> dx(*device, T * B * I), db(*device, 3 * H);
    r.w_ih = r.w_hh = w.address(), r.x = x.address(), r.y = y.address(), r.dy = dy.address();
    r.dx = dx.address(), r.db_ih = db.address();
    const frnn_rnn_sizes sizes = sizes_of(r);
    Tensor<char> reserve(*device, sizes.reserve_bytes);
    Tensor<char> work(*device,
                      std::max(sizes.forward_workspace_bytes, sizes.backward_workspace_bytes));
    r.reserve = reserve.address(), r.workspace = work.address();
    FRNN_CHECK_OK(device->rnn_forward(r));
    FRNN_CHECK_OK(device->rnn_backward(r));
    const Floats dx_once = dx.read(), db_once = db.read();
    r.flags |= FRNN_ACCUMULATE | FRNN_ACCUMULATE_DX;
    FRNN_CHECK_OK(device->rnn_backward(r));
    const Floats dx_twice = dx.read(), db_twice = db.read();
    for (size_t k = 0; k < dx_once.size(); ++k)
      FRNN_CHECK(dx_twice[k] == 2 * dx_once[k]);
    for (size_t k = 0; k < db_once.size(); ++k)
      FRNN_CHECK(db_twice[k] == 2 * db_once[k]);
  }
}

void check_mask_add(bool batch_first, double p, bool add) {
  const int64_t T = 5, B = 3, F = 37;
  const auto device = open_device(2);
  Random random(8);
  const Floats a = random.uniforms<float>(T * B * F, -1, 1),
               b = random.uniforms<float>(T * B * F, -1, 1);
  Tensor<float> g_a(*device, a), g_b(*device, b);
  const Tensor<int64_t> g_added(*device, std::vector<int64_t>{7});
  MaskAdd what{};
  what.T = T, what.B = B, what.F = F, what.dtype = FRNN_F32;
  what.batch_first = batch_first ? 1 : 0;
  what.a = g_a.address(), what.b = add ? g_b.address() : 0, what.out = g_a.address();
  what.p = p, what.source = {11, 5, 6, g_added.address()};
  FRNN_CHECK_OK(device->mask_add(what));
  const Floats out = g_a.read();
  const Mask mask = make_mask(p, {11, 12, 6, 0}, kDropout);
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t row = 0; row < B; ++row) {
      for (int64_t f = 0; f < F; ++f) {
        const size_t k = at((batch_first ? row * T + t : t * B + row) * F + f);
        const float sum = add ? a[k] + b[k] : a[k];
        const bool drop = p > 0 && dropped(mask, (t * B + row) * F + f);
        FRNN_CHECK(out[k] == (drop ? 0.0f : p > 0 ? sum * mask.scale : sum));
      }
    }
  }
}

void check_family() {
  const auto device = open_device(1);
  const bool narrow = device->serves_16_bit();
  const int64_t cells = FRNN_MUT3 + 1;
  const auto seed_of = [](int64_t cell, uint64_t k) {
    return 1000 * static_cast<uint64_t>(cell) + k;
  };
  for (int64_t cell = FRNN_LSTM; cell < cells; ++cell) {
    for (uint64_t k = 1; k <= (cell == FRNN_LSTM ? 120 : 40); ++k) {
      check_problem(cell, seed_of(cell, k));
      if (k > 15 || !narrow) continue;
      check_problem(cell, seed_of(cell, k), FRNN_BF16);
      check_problem(cell, seed_of(cell, k), FRNN_F16);
    }
    for (uint64_t k = 1; k <= 30; ++k)
      check_rows_alone(cell, 5000 + k);
  }
  for (int64_t cell = FRNN_LSTM; cell < cells; ++cell) {
    for (uint64_t k = 1; k <= 25; ++k) {
      check_problem(cell, seed_of(cell, k), FRNN_F32, FRNN_BATCH_NORM);
      if (narrow && k < 6) check_problem(cell, seed_of(cell, k), FRNN_BF16, FRNN_BATCH_NORM);
    }
  }
  for (uint64_t k = 1; k <= 60; ++k) {
    check_problem(FRNN_LSTM, k, FRNN_F32, FRNN_LAYER_NORM);
    check_rows_alone(FRNN_LSTM, 5000 + k, FRNN_LAYER_NORM);
    if (narrow && k < 10) check_problem(FRNN_LSTM, k, FRNN_F16, FRNN_LAYER_NORM);
  }
  check_accumulation();
  for (const bool batch_first : {false, true}) {
    check_mask_add(batch_first, 0.3, false);
    check_mask_add(batch_first, 0.3, true);
    check_mask_add(batch_first, 0.0, true);
  }
}

}  // namespace
}  // namespace frnn

#endif  // FUSEDRNN_TEST_FAMILY_SUITE_H_
