// The functions that cells are written in, for float and double, on host and device.
//
// The cells call them unqualified, so a cell also runs on a vector type V that brings its own
// overloads beside itself (found by argument-dependent lookup): sigmoid, tanh, relu,
// where_positive, clamp, where_inside, sqrt, the operators + - * /, and a conversion from float.
//
// Accuracy of the float forms: sigmoid within 4 ulp, tanh within 3 (expf is within 1 to 2 ulp on
// device and host, a GPU's reciprocal within 1; sums round once each). A recurrent net feeds their
// error back at every step. On a GPU they have no branch and no call: the gates of a unit, and the
// units of a thread, are then computed side by side instead of one after the other.

#ifndef FUSEDRNN_SRC_CELLS_MATH_H_
#define FUSEDRNN_SRC_CELLS_MATH_H_

#include <cmath>

#include "machine/qualifiers.h"

namespace frnn {

// 1 / a of a GPU: one instruction, within 1 ulp, 0 for infinity.
#if defined(__CUDA_ARCH__)
FRNN_HOST_DEVICE float gpu_reciprocal(float a) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(a));
  return y;
}
#endif

// 1 / (1 + e^-a). For a below -88 (float) the exponential is infinite and the quotient exactly 0.
FRNN_HOST_DEVICE float sigmoid(float a) {
  const float sum = 1.0f + ::expf(-a);
#if defined(__CUDA_ARCH__)
  return gpu_reciprocal(sum);
#else
  return 1.0f / sum;
#endif
}
FRNN_HOST_DEVICE double sigmoid(double a) {
  return 1.0 / (1.0 + ::exp(-a));
}

// tanh without a branch, given `quotient` = 1 / (1 + e^2|a|): below 0.625 an odd polynomial of
// degree 11, fitted to a relative error of 2^-27.8; above, 1 - 2 quotient.
FRNN_HOST_DEVICE float tanh_from(float a, float quotient) {
  const float size = ::fabsf(a), square = a * a;
  float series = ::fmaf(-0.005704985f, square, 0.020639084f);
  series = ::fmaf(series, square, -0.053739715f);
  series = ::fmaf(series, square, 0.13331442f);
  series = ::fmaf(series, square, -0.3333328f);
  const float small = ::fmaf(size * square, series, size);
  return ::copysignf(size < 0.625f ? small : ::fmaf(-2.0f, quotient, 1.0f), a);
}

FRNN_HOST_DEVICE float tanh(float a) {
#if defined(__CUDA_ARCH__)
  return tanh_from(a, gpu_reciprocal(1.0f + ::expf(2.0f * ::fabsf(a))));
#else
  return ::tanhf(a);
#endif
}
FRNN_HOST_DEVICE double tanh(double a) {
  return ::tanh(a);
}

// max(a, 0); NaN stays NaN.
FRNN_HOST_DEVICE float relu(float a) {
  return a < 0.0f ? 0.0f : a;
}
FRNN_HOST_DEVICE double relu(double a) {
  return a < 0.0 ? 0.0 : a;
}

// a where y > 0, else 0.
FRNN_HOST_DEVICE float where_positive(float y, float a) {
  return y > 0.0f ? a : 0.0f;
}
FRNN_HOST_DEVICE double where_positive(double y, double a) {
  return y > 0.0 ? a : 0.0;
}

// a limited to [-limit, limit]; NaN stays NaN.
FRNN_HOST_DEVICE float clamp(float a, float limit) {
  return a > limit ? limit : (a < -limit ? -limit : a);
}
FRNN_HOST_DEVICE double clamp(double a, double limit) {
  return a > limit ? limit : (a < -limit ? -limit : a);
}

// a where -limit < c < limit, else 0.
FRNN_HOST_DEVICE float where_inside(float c, float limit, float a) {
  return c > -limit && c < limit ? a : 0.0f;
}
FRNN_HOST_DEVICE double where_inside(double c, double limit, double a) {
  return c > -limit && c < limit ? a : 0.0;
}

FRNN_HOST_DEVICE float sqrt(float a) {
  return ::sqrtf(a);
}
FRNN_HOST_DEVICE double sqrt(double a) {
  return ::sqrt(a);
}

// Derivatives of the two nonlinearities in terms of their value.
template <typename V>
FRNN_HOST_DEVICE V sigmoid_slope(V s) {
  return s * (V(1) - s);
}
template <typename V>
FRNN_HOST_DEVICE V tanh_slope(V t) {
  return V(1) - t * t;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_CELLS_MATH_H_
