// Vectors as lanes: how many of them a rest fills, and their values in double.

#ifndef FUSEDRNN_SRC_CPU_LANES_H_
#define FUSEDRNN_SRC_CPU_LANES_H_

#include "cpu/simd.h"

namespace frnn::cpu::FRNN_CPU_ISA {

FRNN_CPU_INLINE Doubles widen(Vec a) {
  return __builtin_convertvector(a.v, Doubles);
}

FRNN_CPU_INLINE double sum_lanes(Doubles a) {
  double s = 0.0;
  for (int i = 0; i < kWidth; ++i)
    s += a[i];
  return s;
}

FRNN_CPU_INLINE int64_t lanes_at(int64_t i, int64_t count) {
  return count - i < kWidth ? count - i : kWidth;
}

}  // namespace frnn::cpu::FRNN_CPU_ISA

#endif  // FUSEDRNN_SRC_CPU_LANES_H_
