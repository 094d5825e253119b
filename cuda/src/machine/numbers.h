// Storage formats narrower than float, the same on every backend: bfloat16, half precision and
// TF32.
//
//   struct Bf16, F16            16 bits of memory; trivial, so fresh memory stays NaN
//   float widen(E)              exact, for E of Bf16, F16 and float
//   E narrow<E>(float)          to nearest, ties to even; NaN stays NaN
//   float round_to_tf32(float)  what a tensor core makes of a factor: to nearest, ties away from
//   zero
//
// Like qualifiers.h, this may be included without any device.

#ifndef FUSEDRNN_SRC_MACHINE_NUMBERS_H_
#define FUSEDRNN_SRC_MACHINE_NUMBERS_H_

#include <cstdint>
#include <cstring>

#include "machine/qualifiers.h"

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace frnn::machine {

struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};

FRNN_HOST_DEVICE uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

FRNN_HOST_DEVICE float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

FRNN_HOST_DEVICE bool is_nan_bits(uint32_t bits) {
  return (bits & 0x7fffffffu) > 0x7f800000u;
}

namespace detail {

FRNN_HOST_DEVICE float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  const uint32_t fraction = half & 0x3ffu;
  if (exponent == 0) {  // zero and subnormal: fraction * 2^-24 is exact
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return float_of(bits_of(magnitude) | sign);
  }
  const uint32_t wide = exponent == 0x1fu ? 0xffu : exponent + 112;
  return float_of(sign | (wide << 23) | (fraction << 13));
}

FRNN_HOST_DEVICE uint16_t float_to_half(float value) {
  const uint32_t bits = bits_of(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (is_nan_bits(bits)) return 0x7fff;
  if (magnitude >= 0x477ff000u) {  // 65520 and more: infinity
    return static_cast<uint16_t>(sign | 0x7c00u);
  }
  if (magnitude < 0x38800000u) {  // below 2^-14: subnormal
    // Adding 0.5 leaves the value's multiple of 2^-24, rounded, in the lowest bits.
    const float rounded = float_of(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (bits_of(rounded) - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1) - 0x38000000u;
  return static_cast<uint16_t>(sign | (rounded >> 13));
}

}  // namespace detail

FRNN_HOST_DEVICE float widen(float value) {
  return value;
}
FRNN_HOST_DEVICE float widen(Bf16 value) {
  return float_of(static_cast<uint32_t>(value.bits) << 16);
}
FRNN_HOST_DEVICE float widen(F16 value) {
#if defined(__CUDA_ARCH__)
  return __half2float(__ushort_as_half(value.bits));
#else
  return detail::half_to_float(value.bits);
#endif
}

template <class E>
FRNN_HOST_DEVICE E narrow(float value);

template <>
FRNN_HOST_DEVICE float narrow<float>(float value) {
  return value;
}
template <>
FRNN_HOST_DEVICE Bf16 narrow<Bf16>(float value) {
#if defined(__CUDA_ARCH__)
  return {__bfloat16_as_ushort(__float2bfloat16_rn(value))};
#else
  const uint32_t bits = bits_of(value);
  if (is_nan_bits(bits)) return {0x7fff};
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16)};
#endif
}
template <>
FRNN_HOST_DEVICE F16 narrow<F16>(float value) {
#if defined(__CUDA_ARCH__)
  return {__half_as_ushort(__float2half_rn(value))};
#else
  return {detail::float_to_half(value)};
#endif
}

FRNN_HOST_DEVICE float round_to_tf32(float value) {
#if defined(__CUDA_ARCH__)
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return float_of(bits);
#else
  const uint32_t bits = bits_of(value);
  if ((bits & 0x7f800000u) == 0x7f800000u) return value;
  return float_of((bits + 0x1000u) & ~0x1fffu);
#endif
}

}  // namespace frnn::machine

#endif  // FUSEDRNN_SRC_MACHINE_NUMBERS_H_
