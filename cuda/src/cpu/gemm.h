// One matrix product of the CPU backend, in single precision.

#ifndef FUSEDRNN_SRC_CPU_GEMM_H_
#define FUSEDRNN_SRC_CPU_GEMM_H_

#include <cstdint>

namespace frnn::cpu {

// C[M, N] = alpha A[M, K] B[K, N] + (accumulate ? C : bias of the column, or 0).
// Element (i, p) of A lies at a[i * a_row + p * a_column]; one of the two strides is 1, so that a
// transposed matrix is one with its strides exchanged. B likewise. C has unit column stride.
// Each element of C is summed over p in an order that depends on K alone.
struct Gemm {
  int64_t M, N, K;
  const float* a;
  int64_t a_row, a_column;
  const float* b;
  int64_t b_row, b_column;
  float* c;
  int64_t c_row;
  float alpha = 1.0f;
  bool accumulate = false;
  const float* bias = nullptr;  // [N]
  // Another product with the same A, M, K, alpha and accumulate, done at once: A is packed for
  // both.
  const Gemm* with = nullptr;
};

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_GEMM_H_
