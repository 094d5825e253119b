// A float whose sigmoid and tanh take the GPU's approximate exponential and reciprocal, for cells
// whose state is stored in 16 bits: off by some 2^-21 of 1, where the state is rounded to 2^-9
// (bf16) or 2^-12 (f16) of itself at every step. tanh has no more relative accuracy than that near
// 0; where tanh is below 2^-9 its own rounding to 16 bits is below 2^-21 only in f16, which holds
// such a value with 2^-21 to 2^-25.

#ifndef FUSEDRNN_SRC_KERNELS_QUICK_H_
#define FUSEDRNN_SRC_KERNELS_QUICK_H_

#include "machine/approximate.h"

namespace frnn {

struct Quick {
  float v;

  Quick() = default;
  FRNN_HOST_DEVICE Quick(float value) : v(value) {}
  FRNN_HOST_DEVICE explicit operator float() const { return v; }
};

FRNN_HOST_DEVICE Quick operator+(Quick a, Quick b) {
  return a.v + b.v;
}
FRNN_HOST_DEVICE Quick operator-(Quick a, Quick b) {
  return a.v - b.v;
}
FRNN_HOST_DEVICE Quick operator*(Quick a, Quick b) {
  return a.v * b.v;
}

// 1 / (1 + 2^(-a log2 e)); the power is infinite for large -a, and the reciprocal 0.
FRNN_HOST_DEVICE Quick sigmoid(Quick a) {
  return machine::reciprocal_approx(1.0f + machine::exp2_approx(a.v * -1.442695041f));
}
FRNN_HOST_DEVICE Quick tanh(Quick a) {
  return 1.0f - 2.0f * machine::reciprocal_approx(1.0f + machine::exp2_approx(a.v * 2.885390082f));
}
FRNN_HOST_DEVICE Quick relu(Quick a) {
  return a.v < 0.0f ? 0.0f : a.v;
}
FRNN_HOST_DEVICE Quick clamp(Quick a, Quick limit) {
  return a.v > limit.v ? limit.v : (a.v < -limit.v ? -limit.v : a.v);
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_QUICK_H_
