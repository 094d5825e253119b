// Norms, clipping and optimisers over one chunk of a list.

#include "cpu/list_kernels.h"

#include <type_traits>

#include "cpu/kernels.h"
#include "cpu/lanes.h"
#include "cpu/simd_16bit.h"
#include "cpu/vector_math.h"

namespace frnn::cpu::FRNN_CPU_ISA {
namespace {

constexpr int kSums = 4;  // independent sums, so that one addition need not wait for another

FRNN_CPU_INLINE Ints magnitudes(Vec g) {
  return bits_of(g) & 0x7fffffff;
}

// finite_gradient of host/step.h for a vector.
struct Replacement {
  bool replaces;
  Vec infinite;

  explicit Replacement(float value) : replaces(value != 0.0f), infinite(value) {}

  FRNN_CPU_INLINE Vec operator()(Vec g) const {
    if (!replaces) return g;
    const Ints magnitude = magnitudes(g);
    const Ints sign = bits_of(g) & static_cast<int32_t>(0x80000000);
    const Vec limited = floats_of(bits_of(infinite) | sign);
    const Vec kept = select(magnitude == 0x7f800000, limited, g);
    return select(magnitude > 0x7f800000, Vec(0.0f), kept);
  }
};

// Type(): runs f with a null pointer of the part's element type.
template <typename F>
FRNN_CPU_INLINE auto with_type(int64_t dtype, F f) {
  if (dtype == FRNN_BF16) return f(static_cast<machine::Bf16*>(nullptr));
  if (dtype == FRNN_F16) return f(static_cast<machine::F16*>(nullptr));
  return f(static_cast<float*>(nullptr));
}

template <int64_t kNorm, typename E>
double norm_of(const E* values, int64_t count, const Replacement& replaced, bool* finite) {
  Doubles sums[kSums] = {};
  Ints raw{}, top{};
  int turn = 0;
  for (int64_t i = 0; i < count; i += kWidth) {
    const Vec g = load_lanes(values + i, lanes_at(i, count));
    const Ints bits = magnitudes(g);
    raw = bits > raw ? bits : raw;
    const Vec kept = replaced(g);
    if constexpr (kNorm == FRNN_INFINITY) {
      const Ints magnitude = magnitudes(kept);
      top = magnitude > top ? magnitude : top;
    } else {
      const Doubles x = widen(kNorm == FRNN_L1 ? floats_of(magnitudes(kept)) : kept);
      sums[turn] += kNorm == FRNN_L1 ? x : x * x;
      turn = (turn + 1) % kSums;
    }
  }
  int32_t peak = 0, largest = 0;
  for (int lane = 0; lane < kWidth; ++lane) {
    peak = raw[lane] > peak ? raw[lane] : peak;
    largest = top[lane] > largest ? top[lane] : largest;
  }
  *finite = peak < 0x7f800000;
  if constexpr (kNorm == FRNN_INFINITY) {
    return machine::float_of(static_cast<uint32_t>(largest));
  }
  const Doubles all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  return sum_lanes(all);
}

template <typename E>
FRNN_CPU_INLINE void update_lanes(E* copy, int64_t i, Vec p, int64_t lanes) {
  if (copy != nullptr) store_lanes(copy + i, p, lanes);
}

template <typename E, typename Rule>
void update_all(const ListUpdate& u, const Rule& rule) {
  const UpdateRates<float>& r = u.rates;
  const UpdateRates<Vec> rates = {r.step_size,     r.weight_decay,    r.beta1,
                                  r.beta2,         r.one_minus_beta1, r.one_minus_beta2,
                                  r.inverse_bias2, r.epsilon,         r.decay};
  const Replacement replaced(u.reading.infinite);
  const Vec factor(u.reading.factor);
  const E* const gradients = static_cast<const E*>(u.gradients.address);
  machine::Bf16* const bf16 =
      u.copy.dtype == FRNN_BF16 ? static_cast<machine::Bf16*>(u.copy.address) : nullptr;
  machine::F16* const f16 =
      u.copy.dtype == FRNN_F16 ? static_cast<machine::F16*>(u.copy.address) : nullptr;
  const int64_t count = u.gradients.count;
  for (int64_t i = 0; i < count; i += kWidth) {
    const int64_t lanes = lanes_at(i, count);
    Vec p = load_first(u.parameters + i, lanes);
    Vec s1 = u.first == nullptr ? Vec(0.0f) : load_first(u.first + i, lanes);
    Vec s2 = u.second == nullptr ? Vec(0.0f) : load_first(u.second + i, lanes);
    const Vec read = replaced(load_lanes(gradients + i, lanes));
    rule(rates, read * factor + rates.weight_decay * p, p, s1, s2);
    store_first(u.parameters + i, p, lanes);
    if (u.first != nullptr) store_first(u.first + i, s1, lanes);
    if (u.second != nullptr) store_first(u.second + i, s2, lanes);
    update_lanes(bf16, i, p, lanes);
    update_lanes(f16, i, p, lanes);
  }
}

template <typename E>
void update_of(const ListUpdate& u) {
  using Rates = UpdateRates<Vec>;
  const bool full = u.states == (u.kind == FRNN_RMSPROP ? 2 : 1);
  switch (u.kind) {
    case FRNN_SGD:
      if (!full) {
        return update_all<E>(
            u, [](const Rates& r, Vec g, Vec& p, Vec&, Vec&) { descent_update(r, g, p); });
      }
      return update_all<E>(
          u, [](const Rates& r, Vec g, Vec& p, Vec& v, Vec&) { sgd_update(r, g, p, v); });
    case FRNN_ADAGRAD:
      return update_all<E>(
          u, [](const Rates& r, Vec g, Vec& p, Vec& m, Vec&) { adagrad_update(r, g, p, m); });
    case FRNN_RMSPROP:
      if (!full) {
        return update_all<E>(
            u, [](const Rates& r, Vec g, Vec& p, Vec& v, Vec&) { rmsprop_update(r, g, p, v); });
      }
      return update_all<E>(
          u, [](const Rates& r, Vec g, Vec& p, Vec& v, Vec& b) { rmsprop_update(r, g, p, v, b); });
    default:
      return update_all<E>(
          u, [](const Rates& r, Vec g, Vec& p, Vec& m, Vec& v) { adam_update(r, g, p, m, v); });
  }
}

}  // namespace

double list_norm(int64_t norm_kind, const ListPart& part, float infinite, bool* finite) {
  const Replacement replaced(infinite);
  return with_type(part.dtype, [&](auto* type) {
    const auto* values = static_cast<decltype(type)>(part.address);
    switch (norm_kind) {
      case FRNN_L1:
        return norm_of<FRNN_L1>(values, part.count, replaced, finite);
      case FRNN_INFINITY:
        return norm_of<FRNN_INFINITY>(values, part.count, replaced, finite);
      default:
        return norm_of<FRNN_L2>(values, part.count, replaced, finite);
    }
  });
}

void change_list(const ListPart& part, const GradientReading& reading, float limit) {
  const Replacement replaced(reading.infinite);
  const Vec factor(reading.factor);
  with_type(part.dtype, [&](auto* type) {
    auto* values = static_cast<decltype(type)>(part.address);
    for (int64_t i = 0; i < part.count; i += kWidth) {
      const int64_t lanes = lanes_at(i, part.count);
      const Vec g = replaced(load_lanes(values + i, lanes)) * factor;
      store_lanes(values + i, clamp(g, Vec(limit)), lanes);
    }
  });
}

void update_list(const ListUpdate& update) {
  with_type(update.gradients.dtype,
            [&](auto* type) { update_of<std::remove_pointer_t<decltype(type)>>(update); });
}

}  // namespace frnn::cpu::FRNN_CPU_ISA
