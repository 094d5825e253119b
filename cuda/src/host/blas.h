// The few cuBLAS functions in use, as a table. In the CUDA library it is filled by dlopen
// (blas_cublas.cpp), so that building needs no cuBLAS and running takes version 12 or 13; in the
// emulated library by the emulator's own functions. Signatures are cuBLAS's with enums as int;
// matrices are column-major, as cuBLAS has them.

#ifndef FUSEDRNN_SRC_HOST_BLAS_H_
#define FUSEDRNN_SRC_HOST_BLAS_H_

#include <cstddef>
#include <string>

#include "host/status.h"

namespace frnn {

constexpr int kBlasNoTranspose = 0;    // CUBLAS_OP_N
constexpr int kBlasTranspose = 1;      // CUBLAS_OP_T
constexpr int kBlasHostPointers = 0;   // CUBLAS_POINTER_MODE_HOST
constexpr int kBlasDefaultMath = 0;    // CUBLAS_DEFAULT_MATH: fp32 products for fp32 data
constexpr int kBlasTf32Math = 3;       // CUBLAS_TF32_TENSOR_OP_MATH
constexpr int kBlasF32 = 0;            // CUDA_R_32F
constexpr int kBlasF16 = 2;            // CUDA_R_16F
constexpr int kBlasBf16 = 14;          // CUDA_R_16BF
constexpr int kBlasComputeF32 = 68;    // CUBLAS_COMPUTE_32F: sums in fp32
constexpr int kBlasComputeTf32 = 77;   // CUBLAS_COMPUTE_32F_FAST_TF32: fp32 factors become TF32
constexpr int kBlasAnyAlgorithm = -1;  // CUBLAS_GEMM_DEFAULT

// Each returns a cublasStatus_t: 0 is success. `stream` is a cudaStream_t.
struct Blas {
  std::string path;  // where the library was found
  int version = 0;   // as cublasGetVersion answers, 130000 for 13.0.0

  int (*create)(void** handle) = nullptr;
  int (*destroy)(void* handle) = nullptr;
  int (*get_version)(void* handle, int* version) = nullptr;
  int (*set_stream)(void* handle, void* stream) = nullptr;
  int (*get_stream)(void* handle, void** stream) = nullptr;
  int (*set_math_mode)(void* handle, int mode) = nullptr;
  int (*get_math_mode)(void* handle, int* mode) = nullptr;
  int (*set_pointer_mode)(void* handle, int mode) = nullptr;
  int (*get_pointer_mode)(void* handle, int* mode) = nullptr;
  int (*set_workspace)(void* handle, void* workspace, size_t bytes) = nullptr;
  // C = alpha op(A) op(B) + beta C; C is m x n, k the shared dimension.
  int (*sgemm)(void* handle, int transpose_a, int transpose_b, int m, int n, int k,
               const float* alpha, const float* a, int lda, const float* b, int ldb,
               const float* beta, float* c, int ldc) = nullptr;
  // The same with the type of each matrix named; `alpha` and `beta` are floats.
  int (*gemm_ex)(void* handle, int transpose_a, int transpose_b, int m, int n, int k,
                 const void* alpha, const void* a, int a_type, int lda, const void* b, int b_type,
                 int ldb, const void* beta, void* c, int c_type, int ldc, int compute_type,
                 int algorithm) = nullptr;
};

// Fills everything but `version` (which needs a handle). `path` names a library to open instead of
// searching; empty searches. The message of a failure lists what was tried.
Status open_blas(const std::string& path, Blas* blas);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_BLAS_H_
