// Single-precision matrix product on column-major matrices, on the calling OS thread.

#ifndef FUSEDRNN_EMULATOR_GEMM_H_
#define FUSEDRNN_EMULATOR_GEMM_H_

#include <cstdint>

namespace frnn::machine::emulated {

// C = alpha op(A) op(B) + beta C. C is m x n and k the shared dimension; op transposes where asked.
// With beta = 0 C is not read, with alpha = 0 neither are A and B, as BLAS has it.
struct Gemm {
  bool transpose_a;
  bool transpose_b;
  int64_t m;
  int64_t n;
  int64_t k;
  float alpha;
  const float* a;
  int64_t lda;
  const float* b;
  int64_t ldb;
  float beta;
  float* c;
  int64_t ldc;
};

void run(const Gemm& gemm);

}  // namespace frnn::machine::emulated

#endif  // FUSEDRNN_EMULATOR_GEMM_H_
