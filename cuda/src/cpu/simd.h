// A vector of kWidth floats, written with GCC's vector extensions, so that one source serves every
// instruction set. Each unit that includes this header is compiled once per instruction set, with
// FRNN_CPU_ISA (a namespace) and FRNN_CPU_WIDTH (floats in a vector) defined: everything below
// lives in that namespace, so that no function compiled for AVX-512 can be linked into the portable
// path.

#ifndef FUSEDRNN_SRC_CPU_SIMD_H_
#define FUSEDRNN_SRC_CPU_SIMD_H_

#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define FRNN_CPU_INLINE inline __attribute__((always_inline))

namespace frnn::cpu::FRNN_CPU_ISA {

constexpr int kWidth = FRNN_CPU_WIDTH;
// AVX-512 and NEON have 32 vector registers, AVX2 and SSE 16: tiles are chosen by it.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

#if defined(__AVX512F__)
// The forms without a mask read an undefined register in GCC 12's header, which warns of it.
constexpr __mmask16 kAllLanes = 0xffff;
#endif

typedef float Floats __attribute__((vector_size(4 * FRNN_CPU_WIDTH)));
typedef int32_t Ints __attribute__((vector_size(4 * FRNN_CPU_WIDTH)));
typedef double Doubles __attribute__((vector_size(8 * FRNN_CPU_WIDTH)));
typedef float FloatsAnywhere
    __attribute__((vector_size(4 * FRNN_CPU_WIDTH), aligned(4), may_alias));

// The scalar type with which cells/ are instantiated here.
struct Vec {
  Floats v;

  Vec() = default;
  FRNN_CPU_INLINE Vec(Floats value) : v(value) {}
  FRNN_CPU_INLINE Vec(float value) : v(value - Floats{}) {}
};

FRNN_CPU_INLINE Vec operator+(Vec a, Vec b) {
  return a.v + b.v;
}
FRNN_CPU_INLINE Vec operator-(Vec a, Vec b) {
  return a.v - b.v;
}
FRNN_CPU_INLINE Vec operator*(Vec a, Vec b) {
  return a.v * b.v;
}
FRNN_CPU_INLINE Vec operator/(Vec a, Vec b) {
  return a.v / b.v;
}
FRNN_CPU_INLINE Vec operator-(Vec a) {
  return -a.v;
}
// a * b + c, rounded once where the processor can. Nothing else is ever contracted (the units are
// compiled with -ffp-contract=off), so that the same formula gives the same bits wherever it
// stands.
FRNN_CPU_INLINE Vec fma(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return Floats(_mm512_fmadd_ps(a.v, b.v, c.v));
#elif defined(__FMA__)
  return Floats(_mm256_fmadd_ps(a.v, b.v, c.v));
#elif defined(__aarch64__)
  return Floats(vfmaq_f32(c.v, a.v, b.v));
#else
  return a.v * b.v + c.v;
#endif
}
FRNN_CPU_INLINE Vec& operator+=(Vec& a, Vec b) {
  a.v += b.v;
  return a;
}
FRNN_CPU_INLINE Vec& operator*=(Vec& a, Vec b) {
  a.v *= b.v;
  return a;
}

FRNN_CPU_INLINE Vec load(const float* p) {
  return Floats(*reinterpret_cast<const FloatsAnywhere*>(p));
}
FRNN_CPU_INLINE void store(float* p, Vec a) {
  *reinterpret_cast<FloatsAnywhere*>(p) = a.v;
}

// The first `count` (1 to kWidth) elements; the others read as zero and are not written.
FRNN_CPU_INLINE Vec load_first(const float* p, int64_t count) {
  if (count >= kWidth) return load(p);
#if defined(__AVX512F__)
  return Floats(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p));
#else
  Floats a{};
  for (int i = 0; i < kWidth; ++i) {
    if (i < count) a[i] = p[i];
  }
  return a;
#endif
}
FRNN_CPU_INLINE void store_first(float* p, Vec a, int64_t count) {
  if (count >= kWidth) {
    store(p, a);
    return;
  }
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), a.v);
#else
  for (int i = 0; i < kWidth; ++i) {
    if (i < count) p[i] = a.v[i];
  }
#endif
}

// `value` where the mask is set (all ones), else `other`.
FRNN_CPU_INLINE Vec select(Ints mask, Vec value, Vec other) {
  return mask ? value.v : other.v;
}
FRNN_CPU_INLINE Ints bits_of(Vec a) {
  return reinterpret_cast<Ints>(a.v);
}
FRNN_CPU_INLINE Vec floats_of(Ints a) {
  return reinterpret_cast<Floats>(a);
}

// Sums and maxima over the lanes, in the order of the lanes.
FRNN_CPU_INLINE float sum(Vec a) {
  float s = a.v[0];
  for (int i = 1; i < kWidth; ++i)
    s += a.v[i];
  return s;
}
FRNN_CPU_INLINE float maximum(Vec a) {
  float m = a.v[0];
  for (int i = 1; i < kWidth; ++i)
    m = a.v[i] > m ? a.v[i] : m;
  return m;
}

FRNN_CPU_INLINE Vec sqrt(Vec a) {
#if defined(__AVX512F__)
  return Floats(_mm512_maskz_sqrt_ps(kAllLanes, a.v));
#else
  Floats r{};
  for (int i = 0; i < kWidth; ++i)
    r[i] = __builtin_sqrtf(a.v[i]);
  return r;
#endif
}

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_SIMD_H_
