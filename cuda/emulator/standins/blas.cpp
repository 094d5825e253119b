// libcublas.so.12: the calls of cuBLAS that are in use, over the emulated machine's BLAS. A handle
// is one that the emulated backend takes as the caller's own.

#include "standin.h"

using frnn::standins::bridge;

FRNN_STANDIN int cublasCreate_v2(void** handle) {
  return bridge().blas().create(handle);
}
FRNN_STANDIN int cublasDestroy_v2(void* handle) {
  return bridge().blas().destroy(handle);
}
FRNN_STANDIN int cublasGetVersion_v2(void* handle, int* version) {
  return bridge().blas().get_version(handle, version);
}
FRNN_STANDIN int cublasSetStream_v2(void* handle, void* stream) {
  return bridge().blas().set_stream(handle, stream);
}
FRNN_STANDIN int cublasGetStream_v2(void* handle, void** stream) {
  return bridge().blas().get_stream(handle, stream);
}
FRNN_STANDIN int cublasSetMathMode(void* handle, int mode) {
  return bridge().blas().set_math_mode(handle, mode);
}
FRNN_STANDIN int cublasGetMathMode(void* handle, int* mode) {
  return bridge().blas().get_math_mode(handle, mode);
}
FRNN_STANDIN int cublasSetPointerMode_v2(void* handle, int mode) {
  return bridge().blas().set_pointer_mode(handle, mode);
}
FRNN_STANDIN int cublasGetPointerMode_v2(void* handle, int* mode) {
  return bridge().blas().get_pointer_mode(handle, mode);
}
FRNN_STANDIN int cublasSetWorkspace_v2(void* handle, void* workspace, size_t bytes) {
  return bridge().blas().set_workspace(handle, workspace, bytes);
}
FRNN_STANDIN int cublasSgemm_v2(void* handle, int transpose_a, int transpose_b, int m, int n, int k,
                                const float* alpha, const float* a, int lda, const float* b,
                                int ldb, const float* beta, float* c, int ldc) {
  return bridge().blas().sgemm(handle, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb,
                               beta, c, ldc);
}
FRNN_STANDIN int cublasGemmEx(void* handle, int transpose_a, int transpose_b, int m, int n, int k,
                              const void* alpha, const void* a, int a_type, int lda, const void* b,
                              int b_type, int ldb, const void* beta, void* c, int c_type, int ldc,
                              int compute_type, int algorithm) {
  return bridge().blas().gemm_ex(handle, transpose_a, transpose_b, m, n, k, alpha, a, a_type, lda,
                                 b, b_type, ldb, beta, c, c_type, ldc, compute_type, algorithm);
}

// In words, as cuBLAS has them, by number alone: what programs print beside it is theirs.
FRNN_STANDIN const char* cublasGetStatusName(int status) {
  return status == 0 ? "CUBLAS_STATUS_SUCCESS" : "a cublasStatus_t other than success";
}
FRNN_STANDIN const char* cublasGetStatusString(int status) {
  return cublasGetStatusName(status);
}
