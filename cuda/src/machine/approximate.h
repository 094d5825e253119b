// The approximate functions of a GPU's special function unit: one instruction each, no branch.
//
//   float exp2_approx(float)         2^a within 2 ulp; results below 2^-126 become 0
//   float reciprocal_approx(float)   1 / a within 1 ulp; 1 / infinity and results below 2^-126 are
//   0
//
// Elsewhere than on a GPU they are the exact functions, made as wrong as a GPU may make them, one
// way or the other as the argument's bits fall.
//
// Like numbers.h, this may be included without any device.

#ifndef FUSEDRNN_SRC_MACHINE_APPROXIMATE_H_
#define FUSEDRNN_SRC_MACHINE_APPROXIMATE_H_

#include <cmath>

#include "machine/numbers.h"

namespace frnn::machine {

namespace detail {

FRNN_HOST_DEVICE float off_by(float exact, uint32_t ulps, bool above) {
  const uint32_t bits = bits_of(exact), magnitude = bits & 0x7fffffffu;
  if (magnitude < 0x00800000u) return float_of(bits & 0x80000000u);
  if (magnitude >= 0x7f800000u || (!above && magnitude < 0x00800000u + ulps)) return exact;
  return float_of(above ? bits + ulps : bits - ulps);
}

}  // namespace detail

FRNN_HOST_DEVICE float exp2_approx(float a) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(a));
  return y;
#else
  return a == 0.0f ? 1.0f : detail::off_by(::exp2f(a), 2, (bits_of(a) & 1) != 0);
#endif
}

FRNN_HOST_DEVICE float reciprocal_approx(float a) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(a));
  return y;
#else
  return detail::off_by(1.0f / a, 1, (bits_of(a) & 1) != 0);
#endif
}

}  // namespace frnn::machine

#endif  // FUSEDRNN_SRC_MACHINE_APPROXIMATE_H_
