// The emulated device's BLAS: host/blas.h's table over gemm.h. As with cuBLAS, a handle belongs to
// the device that was current when it was created, a call enqueues on the handle's stream, and
// wrong sizes are refused at once. Matrices that do not lie in device memory poison the device when
// the product runs.

#include "host/blas.h"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "current.h"
#include "gemm.h"
#include "machine.h"
#include "machine/numbers.h"

namespace frnn {

namespace {

using machine::emulated::Gemm;

// cublasStatus_t
constexpr int kSuccess = 0;
constexpr int kNotInitialized = 1;
constexpr int kInvalidValue = 7;
constexpr int kExecutionFailed = 13;
constexpr int kNotSupported = 15;

constexpr int kDevicePointers = 1;  // CUBLAS_POINTER_MODE_DEVICE
constexpr int kConjugate = 2;       // CUBLAS_OP_C, for real matrices the same as T

struct Handle {
  std::shared_ptr<machine::emulated::Machine> machine;
  machine::Stream stream = 0;
  int math_mode = kBlasDefaultMath;
  int pointer_mode = kBlasHostPointers;
};

// Handles count up and are never used again, so that a destroyed one is known as such.
std::mutex handles_lock;
std::map<void*, std::shared_ptr<Handle>> handles;
int64_t next_handle = 0xb1a5000;

// Null where the handle was never created, or was destroyed.
std::shared_ptr<Handle> find(void* handle) {
  const std::lock_guard<std::mutex> guard(handles_lock);
  const auto found = handles.find(handle);
  return found == handles.end() ? nullptr : found->second;
}

int create(void** handle) {
  auto made = std::make_shared<Handle>();
  made->machine = machine::emulated::current_machine();
  if (handle == nullptr) return kInvalidValue;
  if (made->machine == nullptr) return kNotInitialized;
  const std::lock_guard<std::mutex> guard(handles_lock);
  *handle = reinterpret_cast<void*>(next_handle += 16);
  handles[*handle] = std::move(made);
  return kSuccess;
}

int destroy(void* handle) {
  const std::lock_guard<std::mutex> guard(handles_lock);
  return handles.erase(handle) == 1 ? kSuccess : kNotInitialized;
}

int get_version(void*, int* version) {
  *version = 130000;  // the signatures are those of 13.0
  return kSuccess;
}

// A stream of another device is refused: a GPU may not, and then answers wrong.
int set_stream(void* handle, void* stream) {
  const auto h = find(handle);
  if (h == nullptr) return kNotInitialized;
  if (!h->machine->has_stream(reinterpret_cast<machine::Stream>(stream))) return kInvalidValue;
  h->stream = reinterpret_cast<machine::Stream>(stream);
  return kSuccess;
}

int get_stream(void* handle, void** stream) {
  const auto h = find(handle);
  if (h == nullptr) return kNotInitialized;
  *stream = reinterpret_cast<void*>(h->stream);
  return kSuccess;
}

int set_math_mode(void* handle, int mode) {
  const auto h = find(handle);
  if (h == nullptr) return kNotInitialized;
  h->math_mode = mode;
  return kSuccess;
}

int get_math_mode(void* handle, int* mode) {
  const auto h = find(handle);
  if (h == nullptr) return kNotInitialized;
  *mode = h->math_mode;
  return kSuccess;
}

int set_pointer_mode(void* handle, int mode) {
  const auto h = find(handle);
  if (h == nullptr) return kNotInitialized;
  if (mode != kBlasHostPointers && mode != kDevicePointers) return kInvalidValue;
  h->pointer_mode = mode;
  return kSuccess;
}

int get_pointer_mode(void* handle, int* mode) {
  const auto h = find(handle);
  if (h == nullptr) return kNotInitialized;
  *mode = h->pointer_mode;
  return kSuccess;
}

// Checked and not used: the emulated products need no device memory of their own.
int set_workspace(void* handle, void* workspace, size_t bytes) {
  const auto h = find(handle);
  if (h == nullptr) return kNotInitialized;
  const int64_t address = reinterpret_cast<int64_t>(workspace);
  const int64_t size = static_cast<int64_t>(bytes);
  return h->machine->check_memory(address, size, "workspace").ok() ? kSuccess : kInvalidValue;
}

bool legal(int transpose) {
  return transpose >= kBlasNoTranspose && transpose <= kConjugate;
}

int element_bytes(int type) {
  return type == kBlasF32 ? 4 : (type == kBlasF16 || type == kBlasBf16) ? 2 : 0;
}

// A column-major matrix in device memory, as a caller names it.
struct Matrix {
  int64_t address;
  int type;
  int64_t rows;
  int64_t columns;
  int64_t ld;

  bool legal() const { return element_bytes(type) != 0 && ld >= std::max<int64_t>(1, rows); }
  Status check(const machine::emulated::DeviceMemory& memory, const char* what) const {
    if (rows == 0 || columns == 0) return Status::success();
    return memory.check(address, ((columns - 1) * ld + rows) * element_bytes(type), what);
  }
  int64_t index(int64_t i, int64_t j) const { return j * ld + i; }
};

template <class E>
E* elements(const Matrix& x) {
  return reinterpret_cast<E*>(x.address);
}

float load(const Matrix& x, int64_t at) {
  return x.type == kBlasF32   ? elements<const float>(x)[at]
         : x.type == kBlasF16 ? machine::widen(elements<const machine::F16>(x)[at])
                              : machine::widen(elements<const machine::Bf16>(x)[at]);
}

void store(const Matrix& x, int64_t at, float value) {
  if (x.type == kBlasF32) {
    elements<float>(x)[at] = value;
  } else if (x.type == kBlasF16) {
    elements<machine::F16>(x)[at] = machine::narrow<machine::F16>(value);
  } else {
    elements<machine::Bf16>(x)[at] = machine::narrow<machine::Bf16>(value);
  }
}

// A dense copy in fp32, rounded to TF32 where asked.
std::vector<float> widen(const Matrix& x, bool tf32) {
  std::vector<float> copy(static_cast<size_t>(x.rows * x.columns));
  float* to = copy.data();
  for (int64_t j = 0; j < x.columns; ++j) {
    for (int64_t i = 0; i < x.rows; ++i) {
      const float value = load(x, x.index(i, j));
      *to++ = tf32 && x.type == kBlasF32 ? machine::round_to_tf32(value) : value;
    }
  }
  return copy;
}

// One product as it stands in a stream.
struct Product {
  bool transpose_a;
  bool transpose_b;
  int64_t k;
  Matrix a;
  Matrix b;
  Matrix c;
  bool tf32;
  bool scalars_on_device;
  const float* alpha_address;
  const float* beta_address;
  float alpha;
  float beta;

  Gemm gemm() const {
    const auto at = [](const Matrix& x) { return reinterpret_cast<float*>(x.address); };
    return {transpose_a, transpose_b, c.rows, c.columns, k,     alpha, at(a),
            a.ld,        at(b),       b.ld,   beta,      at(c), c.ld};
  }
};

void run_widened(const Product& p) {
  const std::vector<float> a = widen(p.a, p.tf32), b = widen(p.b, p.tf32);
  std::vector<float> c = p.beta == 0
                             ? std::vector<float>(static_cast<size_t>(p.c.rows * p.c.columns))
                             : widen(p.c, false);
  Gemm g = p.gemm();
  g.a = a.data();
  g.lda = std::max<int64_t>(1, p.a.rows);
  g.b = b.data();
  g.ldb = std::max<int64_t>(1, p.b.rows);
  g.c = c.data();
  g.ldc = p.c.rows;
  run(g);
  const float* from = c.data();
  for (int64_t j = 0; j < p.c.columns; ++j) {
    for (int64_t i = 0; i < p.c.rows; ++i)
      store(p.c, p.c.index(i, j), *from++);
  }
}

Status run_product(const machine::emulated::DeviceMemory& memory, Product p) {
  if (p.scalars_on_device) {
    FRNN_TRY(memory.check(reinterpret_cast<int64_t>(p.alpha_address), 4, "gemm: alpha"));
    FRNN_TRY(memory.check(reinterpret_cast<int64_t>(p.beta_address), 4, "gemm: beta"));
    p.alpha = *p.alpha_address;
    p.beta = *p.beta_address;
  }
  if (p.alpha != 0) {
    FRNN_TRY(p.a.check(memory, "gemm: A"));
    FRNN_TRY(p.b.check(memory, "gemm: B"));
  } else {
    p.k = p.a.rows = p.a.columns = p.b.rows = p.b.columns = 0;  // they are not read
  }
  FRNN_TRY(p.c.check(memory, "gemm: C"));
  const bool plain =
      p.a.type == kBlasF32 && p.b.type == kBlasF32 && p.c.type == kBlasF32 && !p.tf32;
  if (plain) {
    run(p.gemm());
  } else {
    run_widened(p);
  }
  return Status::success();
}

int gemm_ex(void* handle, int transpose_a, int transpose_b, int m, int n, int k, const void* alpha,
            const void* a, int a_type, int lda, const void* b, int b_type, int ldb,
            const void* beta, void* c, int c_type, int ldc, int compute_type, int) {
  const auto h = find(handle);
  if (h == nullptr) return kNotInitialized;
  if (!legal(transpose_a) || !legal(transpose_b) || m < 0 || n < 0 || k < 0 || alpha == nullptr ||
      beta == nullptr) {
    return kInvalidValue;
  }
  if (compute_type != kBlasComputeF32 && compute_type != kBlasComputeTf32) return kNotSupported;
  const auto matrix = [](const void* at, int type, bool transposed, int rows, int columns, int ld) {
    return transposed ? Matrix{reinterpret_cast<int64_t>(at), type, columns, rows, ld}
                      : Matrix{reinterpret_cast<int64_t>(at), type, rows, columns, ld};
  };
  Product p = {};
  p.transpose_a = transpose_a != kBlasNoTranspose;
  p.transpose_b = transpose_b != kBlasNoTranspose;
  p.k = k;
  p.a = matrix(a, a_type, p.transpose_a, m, k, lda);
  p.b = matrix(b, b_type, p.transpose_b, k, n, ldb);
  p.c = matrix(c, c_type, false, m, n, ldc);
  if (!p.a.legal() || !p.b.legal() || !p.c.legal()) return kInvalidValue;
  if (m == 0 || n == 0) return kSuccess;
  p.tf32 = compute_type == kBlasComputeTf32 || h->math_mode == kBlasTf32Math;
  p.scalars_on_device = h->pointer_mode == kDevicePointers;
  p.alpha_address = static_cast<const float*>(alpha);
  p.beta_address = static_cast<const float*>(beta);
  if (!p.scalars_on_device) {
    p.alpha = *p.alpha_address;
    p.beta = *p.beta_address;
  }
  machine::emulated::Machine* const machine = h->machine.get();
  const Status status =
      machine->enqueue(h->stream, [=] { return run_product(machine->memory(), p); });
  return status.ok() ? kSuccess : kExecutionFailed;
}

int sgemm(void* handle, int transpose_a, int transpose_b, int m, int n, int k, const float* alpha,
          const float* a, int lda, const float* b, int ldb, const float* beta, float* c, int ldc) {
  return gemm_ex(handle, transpose_a, transpose_b, m, n, k, alpha, a, kBlasF32, lda, b, kBlasF32,
                 ldb, beta, c, kBlasF32, ldc, kBlasComputeF32, kBlasAnyAlgorithm);
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
  blas->gemm_ex = gemm_ex;
  return Status::success();
}

}  // namespace frnn
