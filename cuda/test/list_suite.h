// What clipping and optimisers promise on every backend; kernels_tables_test runs it on the
// emulated machine, cpu_lists_test on the CPU.

#ifndef FUSEDRNN_TEST_LIST_SUITE_H_
#define FUSEDRNN_TEST_LIST_SUITE_H_

#include <functional>

#include "lists.h"

namespace frnn {
namespace testing {

using OpenDevice = std::function<std::unique_ptr<Device>(int64_t seed)>;

inline Floats gradient_like(double magnitude, uint64_t seed) {
  Random random(seed);
  return random.uniforms<float>(total_of(odd_lengths()), -magnitude, magnitude);
}

inline void check_norm(const OpenDevice& open, int64_t kind, double magnitude, uint64_t seed) {
  const Floats values = gradient_like(magnitude, seed);
  const double norm = norm_of(values, kind);
  ClipCase c;
  c.clip.norm_kind = kind, c.clip.max_norm = norm / 3;
  const Clipped measured = run_clip(*open(1), values, c);
  // A thread adds 32 terms in fp32: 2^-24 * sqrt(32) at most on a square; half on the norm.
  FRNN_CHECK_NEAR(measured.result().norm / norm, 1, 6 * 0x1p-24);
  FRNN_CHECK_NEAR(measured.result().coefficient, 1.0 / 3, 6 * 0x1p-24);
  FRNN_CHECK(measured.result().factor == measured.result().coefficient);
  FRNN_CHECK(measured.result().finite == 1 && measured.result().skip == 0);
  FRNN_CHECK(same_bits(measured.values, values));

  c.clip.action = FRNN_SCALE;
  const Clipped scaled = run_clip(*open(2), values, c);
  FRNN_CHECK(scaled.result().norm == measured.result().norm);  // another order of blocks
  FRNN_CHECK(scaled.result().factor == 1.0);
  const float coefficient = static_cast<float>(scaled.result().coefficient);
  for (size_t k = 0; k < values.size(); ++k)
    FRNN_CHECK(scaled.values[k] == values[k] * coefficient);

  c.clip.max_norm = norm * 2, c.shift = 1;
  const Clipped unaligned = run_clip(*open(3), values, c);
  FRNN_CHECK(unaligned.result().norm == measured.result().norm);  // nor does alignment matter
  FRNN_CHECK(unaligned.result().coefficient == 1.0);
  FRNN_CHECK(same_bits(unaligned.values, values));
}

// 16-bit lists, and a loss scale that the norm does not see.
inline void check_narrow_norm(const OpenDevice& open, int64_t dtype) {
  const Floats values = stored(gradient_like(3, 11), dtype);
  const double norm = norm_of(values, FRNN_L2) / 512;
  for (const int64_t shift : {0, 3}) {
    ClipCase c;
    c.dtype = dtype, c.shift = shift, c.scale = 512, c.clip.max_norm = norm / 2;
    const Clipped measured = run_clip(*open(1), values, c);
    FRNN_CHECK_NEAR(measured.result().norm / norm, 1, 6 * 0x1p-24);
    FRNN_CHECK_NEAR(measured.result().factor * 1024, 1, 6 * 0x1p-24);
    FRNN_CHECK(same_bits(measured.values, values));
    c.clip.action = FRNN_SCALE;
    const Clipped scaled = run_clip(*open(2), values, c);
    Floats expected = values;
    for (float& v : expected)
      v *= static_cast<float>(scaled.result().coefficient / 512);
    FRNN_CHECK(same_bits(scaled.values, stored(expected, dtype)));
    FRNN_CHECK(scaled.result().factor == 1.0);
  }
}

inline void check_per_tensor(const OpenDevice& open) {
  const Floats values = gradient_like(1, 12);
  ClipCase c;
  c.clip.per_tensor = 1, c.clip.max_norm = 20, c.clip.action = FRNN_SCALE;
  const Clipped got = run_clip(*open(1), values, c);
  FRNN_CHECK_NEAR(got.result().norm / norm_of(values, FRNN_L2), 1, 6 * 0x1p-24);
  FRNN_CHECK(got.result().coefficient == 1.0 && got.result().calls == 1);
  size_t from = 0;
  for (size_t k = 0; k < odd_lengths().size(); ++k) {
    const size_t to = from + static_cast<size_t>(odd_lengths()[k]);
    const Floats own(values.begin() + static_cast<int64_t>(from),
                     values.begin() + static_cast<int64_t>(to));
    const double norm = norm_of(own, FRNN_L2);
    const frnn_clip_result& result = got.results[1 + k];
    FRNN_CHECK_NEAR(result.norm, norm, 6 * 0x1p-24 * norm);
    FRNN_CHECK_NEAR(result.coefficient, norm <= 20 ? 1 : 20 / norm, 6 * 0x1p-24);
    for (size_t e = from; e < to; ++e)
      FRNN_CHECK(got.values[e] == values[e] * static_cast<float>(result.coefficient));
    from = to;
  }
}

inline void check_clamp(const OpenDevice& open) {
  Floats values = gradient_like(2, 3);
  values[5] = kNan, values[6] = -kInfinity;
  for (const int64_t shift : {0, 1}) {
    ClipCase c;
    c.shift = shift, c.clip.max_norm = 0.7, c.clip.action = FRNN_CLAMP_ELEMENTS;
    const Clipped got = run_clip(*open(4), values, c);
    FRNN_CHECK(got.result().finite == 0 && got.result().coefficient == 1.0);
    for (size_t k = 0; k < values.size(); ++k) {
      const float expected = std::min(std::max(values[k], -0.7f), 0.7f);
      FRNN_CHECK(k == 5 ? std::isnan(got.values[k]) : got.values[k] == expected);
    }
  }
}

inline void check_propagate(const OpenDevice& open) {
  for (const float bad : {kInfinity, -kInfinity, kNan}) {
    for (const int64_t kind : {FRNN_L2, FRNN_L1, FRNN_INFINITY}) {
      Floats values(static_cast<size_t>(total_of(odd_lengths())), 0.5f);
      values[40000] = bad;
      ClipCase c;
      c.clip.norm_kind = kind, c.clip.max_norm = 1, c.clip.action = FRNN_SCALE;
      const frnn_clip_result r = run_clip(*open(1), values, c).result();
      FRNN_CHECK(r.finite == 0 && r.skip == 0);
      FRNN_CHECK(std::isnan(bad) ? std::isnan(r.norm) : std::isinf(r.norm));
      FRNN_CHECK(std::isnan(bad) ? std::isnan(r.coefficient) : r.coefficient == 0.0);
    }
  }
  // The largest and the smallest floats: their squares leave fp32, the norm does not.
  for (const float extreme : {3e38f, 1e-38f, 1e-45f}) {
    Floats values(static_cast<size_t>(total_of(odd_lengths())), 0.0f);
    values[5] = extreme, values[50000] = -extreme;
    ClipCase c;
    c.clip.max_norm = 1e300;
    const frnn_clip_result r = run_clip(*open(1), values, c).result();
    FRNN_CHECK(r.finite == 1);
    FRNN_CHECK_NEAR(r.norm / (std::sqrt(2.0) * extreme), 1, 1e-12);
    c.clip.norm_kind = FRNN_L1;
    FRNN_CHECK_NEAR(run_clip(*open(1), values, c).result().norm / (2.0 * extreme), 1, 1e-12);
  }
}

inline void check_policies(const OpenDevice& open) {
  Floats values(static_cast<size_t>(total_of(odd_lengths())), 0.5f);
  values[3] = kNan, values[40000] = -kInfinity;
  ClipCase c;
  c.clip.max_norm = 2, c.clip.action = FRNN_SCALE;
  c.clip.policy = FRNN_SKIP;
  const Clipped skipped = run_clip(*open(1), values, c, 2);
  FRNN_CHECK(skipped.result().skip == 1 && skipped.result().failed == 0);
  FRNN_CHECK(skipped.result().calls == 2 && same_bits(skipped.values, values));
  c.clip.policy = FRNN_ERROR;
  const Clipped failed = run_clip(*open(1), values, c, 3);
  FRNN_CHECK(failed.result().skip == 1 && failed.result().failed == 1);
  FRNN_CHECK(failed.result().calls == 1 && std::isnan(failed.result().norm));
  c.clip.policy = FRNN_CLAMP;
  for (const double scale : {1.0, 4.0}) {
    c.scale = scale;
    const Clipped clamped = run_clip(*open(1), values, c);
    Floats read = values;
    read[3] = 0, read[40000] = static_cast<float>(-2 * scale);
    const double norm = norm_of(read, FRNN_L2) / scale;
    FRNN_CHECK(clamped.result().finite == 0 && clamped.result().skip == 0);
    FRNN_CHECK_NEAR(clamped.result().norm / norm, 1, 6 * 0x1p-24);
    const float factor = static_cast<float>(clamped.result().coefficient / scale);
    for (size_t k = 0; k < read.size(); ++k)
      FRNN_CHECK(clamped.values[k] == read[k] * factor);
  }
  // Without a limit infinity is the type's largest number, and the norm is still finite.
  c.scale = 1, c.clip.max_norm = HUGE_VAL;
  for (const int64_t dtype : {FRNN_F32, FRNN_BF16, FRNN_F16}) {
    c.dtype = dtype;
    const Clipped clamped = run_clip(*open(1), values, c);
    const float largest = stored({-clamped.values[40000]}, dtype)[0];
    FRNN_CHECK(std::isfinite(largest) && std::isinf(stored({largest * 1.01f}, dtype)[0]));
    FRNN_CHECK(std::isfinite(clamped.result().norm));
  }
}

inline void check_many_tensors(const OpenDevice& open, size_t count) {
  ClipCase c;
  c.lengths.assign(count, 1);
  c.clip.per_tensor = 1, c.clip.max_norm = 0.5;
  Random random(13);
  const Floats values = random.uniforms<float>(static_cast<int64_t>(count), -1, 1);
  const Clipped got = run_clip(*open(1), values, c);
  FRNN_CHECK_NEAR(got.result().norm / norm_of(values, FRNN_L2), 1, 6 * 0x1p-24);
  for (size_t k = 0; k < count; ++k)
    FRNN_CHECK_NEAR(got.results[1 + k].norm, std::fabs(double{values[k]}), 1e-7);
  c.lengths.clear();
  c.clip.per_tensor = 0;
  const Clipped none = run_clip(*open(1), {}, c);
  FRNN_CHECK(none.result().norm == 0 && none.result().coefficient == 1);
  FRNN_CHECK(none.result().finite == 1);
}

// ---- Optimisers ---------------------------------------------------------------------------------

struct OptimizerCase {
  int64_t kind = FRNN_SGD;
  std::vector<int64_t> dtypes;  // of the lists
  int64_t shift = 0;
  double scale = 1;  // of the loss
  frnn_clip_result clip{4.0, 0.5, 1, 0, 0, 1, 0.5, 0};
  std::vector<int64_t> lengths = odd_lengths();
};

inline frnn_optimizer settings(int64_t kind) {
  frnn_optimizer o{};
  o.struct_bytes = sizeof o;
  o.kind = kind;
  o.beta1 = 0.9, o.beta2 = 0.99, o.epsilon = 1e-6, o.weight_decay = 0.1;
  o.growth_factor = 2, o.backoff_factor = 0.5, o.growth_interval = 3, o.period = 1;
  return o;
}

struct Trained {
  std::vector<Floats> lists;
  frnn_optimizer_state state;
  frnn_loss_scale scale;
};

// Some steps over the same gradients.
inline Trained run_optimizer(Device& device, const std::vector<Floats>& values,
                             const OptimizerCase& c, frnn_optimizer o, int steps) {
  Lists lists(device, c.lengths, c.dtypes, c.shift);
  for (size_t list = 0; list < values.size(); ++list)
    lists.write(list, values[list]);
  frnn_optimizer_state start{};
  start.learning_rate = 0.01;
  Tensor<frnn_optimizer_state> state(device, {start});
  Tensor<frnn_clip_result> clip(device, {c.clip});
  Tensor<frnn_loss_scale> scale(device, {frnn_loss_scale{c.scale, 0}});
  o.table = lists.table(), o.chunks = lists.sizes().chunks, o.layout = lists.sizes().layout;
  o.state = state.address(), o.clip = clip.address();
  if (c.scale != 1) o.loss_scale = scale.address();
  for (int k = 0; k < steps; ++k)
    FRNN_CHECK_OK(device.optimizer_step(o));
  Trained got{{}, state.read()[0], scale.read()[0]};
  for (size_t list = 0; list < c.dtypes.size(); ++list)
    got.lists.push_back(lists.read(list));
  return got;
}

inline void check_optimizer(const OpenDevice& open, const OptimizerCase& c, uint64_t seed) {
  Random random(seed);
  const int64_t n = total_of(odd_lengths());
  std::vector<Floats> values = {random.uniforms<float>(n, -1, 1),
                                stored(random.uniforms<float>(n, -1, 1), c.dtypes[1])};
  const bool copies = c.dtypes.back() != FRNN_F32 && c.dtypes.size() > 2;
  const size_t states = c.dtypes.size() - (copies ? 3 : 2);
  Training expected{{values[0].begin(), values[0].end()}, {}, {}, 0};
  expected.m.assign(values[0].size(), 0.0), expected.v = expected.m;
  for (size_t s = 0; s < states; ++s) {
    values.push_back(random.uniforms<float>(n, 0, 1));
    (s == 0 ? expected.m : expected.v).assign(values.back().begin(), values.back().end());
  }
  frnn_optimizer o = settings(c.kind);
  if (c.kind == FRNN_SGD && states == 0) o.beta1 = 0;
  if (c.kind == FRNN_RMSPROP && states == 1) o.beta1 = 0;
  const Trained got = run_optimizer(*open(4), values, c, o, 3);
  std::vector<double> gradients(values[1].begin(), values[1].end());
  for (double& g : gradients)
    g *= c.clip.factor;
  for (int k = 0; k < 3; ++k)
    plain_step(o, 0.01, gradients, &expected);
  FRNN_CHECK(got.state.step == 3 && got.state.skipped == 0 && got.state.rate == 0.01);
  check_close("optimizer p", got.lists[0], expected.p, 6);
  if (states >= 1) check_close("optimizer m", got.lists[2], expected.m, 8);
  if (states == 2) check_close("optimizer v", got.lists[3], expected.v, 40);
  FRNN_CHECK(same_bits(got.lists[1], values[1]));
  if (copies) {
    FRNN_CHECK(same_bits(got.lists.back(), stored(got.lists[0], c.dtypes.back())));
  }
  OptimizerCase shifted = c;
  shifted.shift = 3;
  const Trained moved = run_optimizer(*open(5), values, shifted, o, 3);
  FRNN_CHECK(same_bits(moved.lists[0], got.lists[0]));
}

inline void check_optimizers(const OpenDevice& open) {
  const int64_t f32 = FRNN_F32, bf16 = FRNN_BF16, f16 = FRNN_F16;
  uint64_t seed = 20;
  for (const OptimizerCase& c :
       {OptimizerCase{FRNN_SGD, {f32, f32}}, OptimizerCase{FRNN_SGD, {f32, bf16, f32, bf16}},
        OptimizerCase{FRNN_ADAGRAD, {f32, f16, f32}},
        OptimizerCase{FRNN_ADAM, {f32, f32, f32, f32}},
        OptimizerCase{FRNN_ADAMW, {f32, f16, f32, f32, f16}},
        OptimizerCase{FRNN_RMSPROP, {f32, f32, f32}},
        OptimizerCase{FRNN_RMSPROP, {f32, bf16, f32, f32, f16}}}) {
    check_optimizer(open, c, seed++);
  }
}

inline void check_skipping(const OpenDevice& open) {
  const Floats ones(static_cast<size_t>(total_of(odd_lengths())), 1.0f);
  const std::vector<Floats> values = {ones, ones, ones};
  OptimizerCase c{FRNN_SGD, {FRNN_F32, FRNN_F32, FRNN_F32}};
  c.scale = 8;
  c.clip = {kInfinity, 0, 0, 1, 0, 1, 0, 0};
  const Trained kept = run_optimizer(*open(1), values, c, settings(FRNN_SGD), 2);
  FRNN_CHECK(same_bits(kept.lists[0], ones) && same_bits(kept.lists[2], ones));
  FRNN_CHECK(kept.state.step == 0 && kept.state.skipped == 2 && kept.scale.scale == 2);
  c.clip = {1, 1, 1, 0, 0, 1, 1, 0};
  const Trained made = run_optimizer(*open(1), values, c, settings(FRNN_SGD), 4);
  FRNN_CHECK(made.state.step == 4 && made.scale.scale == 16 && made.scale.good_steps == 1);

  // The replaced elements of FRNN_CLAMP are replaced where the optimiser reads them.
  std::vector<Floats> bad = values;
  bad[1][7] = kNan, bad[1][8] = -kInfinity;
  c.clip = {1, 1, 0, 0, 0, 1, 0.5, 6};
  std::vector<Floats> good = values;
  good[1][7] = 0, good[1][8] = -6;
  const Trained clamped = run_optimizer(*open(1), bad, c, settings(FRNN_SGD), 1);
  const Trained same = run_optimizer(*open(1), good, c, settings(FRNN_SGD), 1);
  FRNN_CHECK(same_bits(clamped.lists[0], same.lists[0]));

  // A table of another layout is left alone.
  frnn_optimizer o = settings(FRNN_SGD);
  const auto device = open(1);
  Lists lists(*device, odd_lengths(), {FRNN_F32, FRNN_F32, FRNN_F32, FRNN_F32}, 0);
  lists.write(0, ones);
  Tensor<frnn_optimizer_state> state(*device, {frnn_optimizer_state{}});
  o.table = lists.table(), o.chunks = lists.sizes().chunks, o.state = state.address();
  o.layout = Lists(*device, {1}, {FRNN_F32, FRNN_F32, FRNN_F32}, 0).sizes().layout;
  FRNN_CHECK_OK(device->optimizer_step(o));
  FRNN_CHECK(state.read()[0].failed == 1 && same_bits(lists.read(0), ones));
}

inline void check_schedules(const OpenDevice& open) {
  const std::vector<Floats> values(2, Floats(3, 1.0f));
  OptimizerCase c{FRNN_SGD, {FRNN_F32, FRNN_F32}};
  c.lengths = {3};
  frnn_optimizer o = settings(FRNN_SGD);
  o.beta1 = 0, o.warmup = 4, o.period = 8, o.decay = 0.25;
  const double pi = 3.14159265358979323846;
  const struct {
    int64_t schedule;
    double at_8, at_30;  // over 0.01: 4 and 26 steps after the warm-up
  } expected[] = {{FRNN_CONSTANT, 1, 1},
                  {FRNN_LINEAR, 0.625, 0.25},
                  {FRNN_COSINE, 0.25 + 0.75 * (1 + std::cos(pi / 2)) / 2, 0.25},
                  {FRNN_EXPONENTIAL, 0.5, std::pow(0.25, 3.25)},
                  {FRNN_STEP, 1, std::pow(0.25, 3)},
                  {FRNN_INVERSE_SQRT, std::sqrt(8.0 / 12), std::sqrt(8.0 / 34)}};
  for (const auto& e : expected) {
    o.schedule = e.schedule;
    const auto device = open(1);
    FRNN_CHECK_NEAR(run_optimizer(*device, values, c, o, 3).state.rate, 0.0075, 1e-15);
    FRNN_CHECK_NEAR(run_optimizer(*device, values, c, o, 8).state.rate, 0.01 * e.at_8, 1e-15);
    FRNN_CHECK_NEAR(run_optimizer(*device, values, c, o, 30).state.rate, 0.01 * e.at_30, 1e-15);
  }
}

inline void check_lists(const OpenDevice& open, size_t most_tensors) {
  for (const int64_t kind : {FRNN_L2, FRNN_L1, FRNN_INFINITY}) {
    check_norm(open, kind, 1.0, 1);
    check_norm(open, kind, 1e20, 2);
    check_norm(open, kind, 1e-25, 3);
  }
  check_narrow_norm(open, FRNN_BF16);
  check_narrow_norm(open, FRNN_F16);
  check_per_tensor(open);
  check_clamp(open);
  check_propagate(open);
  check_policies(open);
  check_many_tensors(open, most_tensors);
  check_optimizers(open);
  check_skipping(open);
  check_schedules(open);
}

}  // namespace testing
}  // namespace frnn

#endif  // FUSEDRNN_TEST_LIST_SUITE_H_
