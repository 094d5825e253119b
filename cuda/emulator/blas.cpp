// The emulated device's BLAS: host/blas.h's table over gemm.h. As with cuBLAS, a handle belongs to
// the device that was current when it was created, a call enqueues on the handle's stream, and
// wrong sizes are refused at once. Matrices that do not lie in device memory poison the device when
// the product runs.

#include "host/blas.h"

#include <algorithm>
#include <memory>

#include "current.h"
#include "gemm.h"
#include "machine.h"

namespace frnn {

namespace {

using machine::emulated::Gemm;

// cublasStatus_t
constexpr int kSuccess = 0;
constexpr int kNotInitialized = 1;
constexpr int kInvalidValue = 7;
constexpr int kExecutionFailed = 13;

constexpr int kDevicePointers = 1;  // CUBLAS_POINTER_MODE_DEVICE
constexpr int kConjugate = 2;       // CUBLAS_OP_C, for real matrices the same as T

struct Handle {
  machine::emulated::Machine* machine;
  machine::Stream stream = 0;
  int math_mode = kBlasDefaultMath;
  int pointer_mode = kBlasHostPointers;
};

Handle* of(void* handle) {
  return static_cast<Handle*>(handle);
}

int create(void** handle) {
  machine::Context* context = machine::emulated::current_context();
  if (handle == nullptr) return kInvalidValue;
  if (context == nullptr) return kNotInitialized;
  *handle = new Handle{&context->machine()};
  return kSuccess;
}

int destroy(void* handle) {
  if (handle == nullptr) return kNotInitialized;
  delete of(handle);
  return kSuccess;
}

int get_version(void*, int* version) {
  *version = 130000;  // the signatures are those of 13.0
  return kSuccess;
}

int set_stream(void* handle, void* stream) {
  if (handle == nullptr) return kNotInitialized;
  of(handle)->stream = reinterpret_cast<machine::Stream>(stream);
  return kSuccess;
}

int get_stream(void* handle, void** stream) {
  if (handle == nullptr) return kNotInitialized;
  *stream = reinterpret_cast<void*>(of(handle)->stream);
  return kSuccess;
}

int set_math_mode(void* handle, int mode) {
  if (handle == nullptr) return kNotInitialized;
  of(handle)->math_mode = mode;
  return kSuccess;
}

int get_math_mode(void* handle, int* mode) {
  if (handle == nullptr) return kNotInitialized;
  *mode = of(handle)->math_mode;
  return kSuccess;
}

int set_pointer_mode(void* handle, int mode) {
  if (handle == nullptr) return kNotInitialized;
  if (mode != kBlasHostPointers && mode != kDevicePointers) return kInvalidValue;
  of(handle)->pointer_mode = mode;
  return kSuccess;
}

int get_pointer_mode(void* handle, int* mode) {
  if (handle == nullptr) return kNotInitialized;
  *mode = of(handle)->pointer_mode;
  return kSuccess;
}

// Checked and not used: the emulated products need no device memory of their own.
int set_workspace(void* handle, void* workspace, size_t bytes) {
  if (handle == nullptr) return kNotInitialized;
  const int64_t address = reinterpret_cast<int64_t>(workspace);
  const int64_t size = static_cast<int64_t>(bytes);
  return of(handle)->machine->check_memory(address, size, "workspace").ok() ? kSuccess
                                                                            : kInvalidValue;
}

bool legal(int transpose) {
  return transpose >= kBlasNoTranspose && transpose <= kConjugate;
}

// Bytes from the first to behind the last element of a column-major matrix.
int64_t extent(int64_t rows, int64_t columns, int64_t ld) {
  return rows == 0 || columns == 0 ? 0 : ((columns - 1) * ld + rows) * 4;
}

Status check_and_run(const machine::emulated::DeviceMemory& memory, const Gemm& g) {
  const auto at = [](const float* p) { return reinterpret_cast<int64_t>(p); };
  if (g.alpha != 0 && g.k != 0) {
    const int64_t a = g.transpose_a ? extent(g.k, g.m, g.lda) : extent(g.m, g.k, g.lda);
    const int64_t b = g.transpose_b ? extent(g.n, g.k, g.ldb) : extent(g.k, g.n, g.ldb);
    FRNN_TRY(memory.check(at(g.a), a, "sgemm: A"));
    FRNN_TRY(memory.check(at(g.b), b, "sgemm: B"));
  }
  FRNN_TRY(memory.check(at(g.c), extent(g.m, g.n, g.ldc), "sgemm: C"));
  run(g);
  return Status::success();
}

int sgemm(void* handle, int transpose_a, int transpose_b, int m, int n, int k, const float* alpha,
          const float* a, int lda, const float* b, int ldb, const float* beta, float* c, int ldc) {
  if (handle == nullptr) return kNotInitialized;
  if (!legal(transpose_a) || !legal(transpose_b) || m < 0 || n < 0 || k < 0 || alpha == nullptr ||
      beta == nullptr) {
    return kInvalidValue;
  }
  const bool ta = transpose_a != kBlasNoTranspose;
  const bool tb = transpose_b != kBlasNoTranspose;
  if (lda < std::max(1, ta ? k : m) || ldb < std::max(1, tb ? n : k) || ldc < std::max(1, m)) {
    return kInvalidValue;
  }
  if (m == 0 || n == 0) return kSuccess;
  Handle* h = of(handle);
  Gemm g = {ta, tb, m, n, k, 0, a, lda, b, ldb, 0, c, ldc};
  const bool on_device = h->pointer_mode == kDevicePointers;
  if (!on_device) {
    g.alpha = *alpha;
    g.beta = *beta;
  }
  machine::emulated::Machine* machine = h->machine;
  const Status status = machine->enqueue(h->stream, [=]() mutable {
    const auto& memory = machine->memory();
    if (on_device) {
      FRNN_TRY(memory.check(reinterpret_cast<int64_t>(alpha), 4, "sgemm: alpha"));
      FRNN_TRY(memory.check(reinterpret_cast<int64_t>(beta), 4, "sgemm: beta"));
      g.alpha = *alpha;
      g.beta = *beta;
    }
    return check_and_run(memory, g);
  });
  return status.ok() ? kSuccess : kExecutionFailed;
}

}  // namespace

Status open_blas(const std::string&, Blas* blas) {
  blas->path = "emulated";
  blas->create = create;
  blas->destroy = destroy;
  blas->get_version = get_version;
  blas->set_stream = set_stream;
  blas->get_stream = get_stream;
  blas->set_math_mode = set_math_mode;
  blas->get_math_mode = get_math_mode;
  blas->set_pointer_mode = set_pointer_mode;
  blas->get_pointer_mode = get_pointer_mode;
  blas->set_workspace = set_workspace;
  blas->sgemm = sgemm;
  return Status::success();
}

}  // namespace frnn
