// The functions that cells are written in, for float and double, on host and device.
//
// The cells call them unqualified, so a cell also runs on a vector type V that brings its own
// overloads beside itself (found by argument-dependent lookup): sigmoid, tanh, relu,
// where_positive, clamp, where_inside, sqrt, the operators + - * /, and a conversion from float.
//
// Accuracy of the float forms: sigmoid within 3 ulp, tanh within 2 (expf and tanhf are within 1 to
// 2 ulp on device and host; the sum and the quotient round once each). No fast-math forms: a
// recurrent net feeds their error back at every step.

#ifndef FUSEDRNN_SRC_CELLS_MATH_H_
#define FUSEDRNN_SRC_CELLS_MATH_H_

#include <cmath>

#include "machine/qualifiers.h"

namespace frnn {

// 1 / (1 + e^-a). For a below -88 (float) the exponential is infinite and the quotient exactly 0.
FRNN_HOST_DEVICE float sigmoid(float a) {
  return 1.0f / (1.0f + ::expf(-a));
}
FRNN_HOST_DEVICE double sigmoid(double a) {
  return 1.0 / (1.0 + ::exp(-a));
}

FRNN_HOST_DEVICE float tanh(float a) {
  return ::tanhf(a);
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
