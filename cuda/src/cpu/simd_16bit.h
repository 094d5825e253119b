// Vectors of floats to and from 16-bit memory, in integer arithmetic that every instruction set
// has. To nearest, ties to even; NaN stays NaN; as machine/numbers.h has it.

#ifndef FUSEDRNN_SRC_CPU_SIMD_16BIT_H_
#define FUSEDRNN_SRC_CPU_SIMD_16BIT_H_

#include "cpu/simd.h"
#include "machine/numbers.h"

namespace frnn::cpu::FRNN_CPU_ISA {

typedef uint16_t Halves __attribute__((vector_size(2 * FRNN_CPU_WIDTH)));
typedef uint16_t HalvesAnywhere
    __attribute__((vector_size(2 * FRNN_CPU_WIDTH), aligned(2), may_alias));

FRNN_CPU_INLINE Halves load_halves(const void* p, int64_t count) {
  if (count >= kWidth) return *static_cast<const HalvesAnywhere*>(p);
  Halves a{};
  for (int i = 0; i < kWidth; ++i) {
    if (i < count) a[i] = static_cast<const uint16_t*>(p)[i];
  }
  return a;
}

FRNN_CPU_INLINE void store_halves(void* p, Halves a, int64_t count) {
  if (count >= kWidth) {
    *static_cast<HalvesAnywhere*>(p) = a;
    return;
  }
  for (int i = 0; i < kWidth; ++i) {
    if (i < count) static_cast<uint16_t*>(p)[i] = a[i];
  }
}

// The first `count` (1 to kWidth) elements; the others read as zero and are not written.
FRNN_CPU_INLINE Vec load_lanes(const float* p, int64_t count) {
  return load_first(p, count);
}
FRNN_CPU_INLINE void store_lanes(float* p, Vec a, int64_t count) {
  store_first(p, a, count);
}

FRNN_CPU_INLINE Vec load_lanes(const machine::Bf16* p, int64_t count) {
  return floats_of(__builtin_convertvector(load_halves(p, count), Ints) << 16);
}

// A bf16 number in the low half of each lane.
FRNN_CPU_INLINE Ints bf16_bits(Vec a) {
  const Ints bits = bits_of(a);
  const Ints rounded = ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) & 0xffff;
  const Ints nan = (bits & 0x7fffffff) > 0x7f800000;
  return nan ? Ints{} + 0x7fff : rounded;
}
FRNN_CPU_INLINE void store_lanes(machine::Bf16* p, Vec a, int64_t count) {
  store_halves(p, __builtin_convertvector(bf16_bits(a), Halves), count);
}

FRNN_CPU_INLINE Vec load_lanes(const machine::F16* p, int64_t count) {
  const Ints half = __builtin_convertvector(load_halves(p, count), Ints);
  const Ints shifted = (half & 0x7fff) << 13;
  const Ints exponent = shifted & 0x0f800000;
  const Ints normal = shifted + (112 << 23);
  // A subnormal's fraction under the exponent of 2^-14; taking that away leaves its value.
  const Vec smallest = floats_of(Ints{} + (113 << 23));
  const Ints subnormal = bits_of(floats_of(shifted + (113 << 23)) - smallest);
  const Ints special = shifted + (224 << 23);
  const Ints magnitude = exponent == 0x0f800000 ? special : exponent == 0 ? subnormal : normal;
  return floats_of(magnitude | ((half & 0x8000) << 16));
}

FRNN_CPU_INLINE void store_lanes(machine::F16* p, Vec a, int64_t count) {
  const Ints bits = bits_of(a);
  const Ints sign = (bits >> 16) & 0x8000;
  const Ints magnitude = bits & 0x7fffffff;
  const Ints normal = (magnitude + 0xfff + ((magnitude >> 13) & 1) - 0x38000000) >> 13;
  // Adding 0.5 leaves the value's multiple of 2^-24, rounded, in the lowest bits.
  const Ints subnormal = bits_of(floats_of(magnitude) + Vec(0.5f)) - 0x3f000000;
  Ints half = magnitude < 0x38800000 ? subnormal : normal;
  half = magnitude >= 0x477ff000 ? Ints{} + 0x7c00 : half;
  half |= sign;
  half = magnitude > 0x7f800000 ? Ints{} + 0x7fff : half;
  store_halves(p, __builtin_convertvector(half & 0xffff, Halves), count);
}

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_SIMD_16BIT_H_
