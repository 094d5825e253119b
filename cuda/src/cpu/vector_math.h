// exp, sigmoid and tanh of a vector; NaN in gives NaN out. Largest errors, as cpu_math_test
// measures them: exp 1.1 ulp (0 for x < -87), sigmoid 2.4 ulp (2^-125 absolute for x < -87),
// tanh 2.6 ulp.
//
// exp(x) = 2^n exp(r) with n = round(x / ln 2), |r| <= ln 2 / 2 (Cody and Waite 1980), and
// expm1(r) = r + r^2 q(r), q a minimax polynomial of degree 4: relative error 1.4e-8.

#ifndef FUSEDRNN_SRC_CPU_VECTOR_MATH_H_
#define FUSEDRNN_SRC_CPU_VECTOR_MATH_H_

#include "cpu/simd.h"

namespace frnn::cpu::FRNN_CPU_ISA {

// exp(x) = scale * (1 + p), scale a power of two. |x| must not exceed 87.
struct ScaledExp {
  Vec scale, p;
};

FRNN_CPU_INLINE ScaledExp scaled_exp(Vec x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer in the low bits
  const Vec shifted = fma(x, Vec(1.44269504f), Vec(kRound));
  const Vec n = shifted - Vec(kRound);
  // ln 2 = 355/512 - 2.12e-4; n * 355/512 is exact.
  const Vec r = fma(n, Vec(2.12194440e-4f), fma(n, Vec(-0.693359375f), x));
  Vec q = fma(r, Vec(0.0013946555f), Vec(0.0083666439f));
  q = fma(r, q, Vec(0.04166628f));
  q = fma(r, q, Vec(0.16666543f));
  q = fma(r, q, Vec(0.5f));
  ScaledExp e;
  e.p = fma(r * r, q, r);
  e.scale = floats_of((bits_of(shifted) << 23) + 0x3f800000);
  return e;
}

// 1 / d for 1 <= d <= 2^126. For AVX-512: 14 bits and a step of Newton's, in a third of the time of
// a division.
FRNN_CPU_INLINE Vec reciprocal(Vec d) {
#if defined(__AVX512F__)
  const Vec y = Floats(_mm512_maskz_rcp14_ps(kAllLanes, d.v));
  return fma(y, fma(-d, y, Vec(1.0f)), y);
#else
  return Vec(1.0f) / d;
#endif
}

// a / d for such d.
FRNN_CPU_INLINE Vec divide(Vec a, Vec d) {
#if defined(__AVX512F__)
  const Vec r = reciprocal(d);
  const Vec q = a * r;
  return fma(r, fma(-q, d, a), q);
#else
  return a / d;
#endif
}

FRNN_CPU_INLINE Vec clamp(Vec x, float low, float high) {
  x = select(x.v < low, Vec(low), x);  // false for NaN, which goes through
  return select(x.v > high, Vec(high), x);
}

FRNN_CPU_INLINE Vec exp(Vec x) {
  const ScaledExp e = scaled_exp(clamp(x, -87.0f, 88.0f));
  Vec y = fma(e.scale, e.p, e.scale);
  y = select(x.v < -87.0f, Vec(0.0f), y);
  return select(x.v > 88.0f, Vec(__builtin_inff()), y);
}

FRNN_CPU_INLINE Vec sigmoid(Vec x) {
  const ScaledExp e = scaled_exp(clamp(-x, -87.0f, 87.0f));
  return reciprocal(Vec(1.0f) + fma(e.scale, e.p, e.scale));
}

FRNN_CPU_INLINE Vec tanh(Vec x) {
  const Ints sign = bits_of(x) & static_cast<int32_t>(0x80000000);
  Vec y = floats_of(bits_of(x) & 0x7fffffff) * Vec(-2.0f);
  y = select(y.v < -40.0f, Vec(-40.0f), y);
  const ScaledExp e = scaled_exp(y);
  const Vec m = fma(e.scale, e.p, e.scale - Vec(1.0f));  // expm1(-2|x|), no cancellation
  const Vec t = divide(-m, Vec(2.0f) + m);
  return floats_of(bits_of(t) | sign);
}

FRNN_CPU_INLINE Vec relu(Vec x) {
  return select(x.v < 0.0f, Vec(0.0f), x);
}

FRNN_CPU_INLINE Vec clamp(Vec a, Vec limit) {
  a = select(a.v > limit.v, limit, a);
  return select(a.v < (-limit).v, -limit, a);
}

// a where -limit < c < limit, else 0.
FRNN_CPU_INLINE Vec where_inside(Vec c, Vec limit, Vec a) {
  return select((c.v > (-limit).v) & (c.v < limit.v), a, Vec(0.0f));
}

// a where y > 0, else 0: the derivative of relu, by its result.
FRNN_CPU_INLINE Vec where_positive(Vec y, Vec a) {
  return select(y.v > 0.0f, a, Vec(0.0f));
}

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_VECTOR_MATH_H_
