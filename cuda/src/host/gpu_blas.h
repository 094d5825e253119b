// One call's use of a cuBLAS handle: the device's own, or the caller's, which is put back as it
// was.

#ifndef FUSEDRNN_SRC_HOST_GPU_BLAS_H_
#define FUSEDRNN_SRC_HOST_GPU_BLAS_H_

#include <mutex>
#include <type_traits>

#include "host/blas.h"
#include "machine/host.h"
#include "machine/numbers.h"

namespace frnn {

struct BlasSetup {
  int64_t stream;
  int64_t caller_handle;    // 0: the device's own
  int64_t workspace;        // device memory for cuBLAS
  int64_t workspace_bytes;  // with room to align `workspace` up to kBlasAlignment
  bool allow_tf32;
};

template <typename Elem>
constexpr int blas_type_of() {
  if constexpr (sizeof(Elem) == 4) {
    return kBlasF32;
  } else {
    return std::is_same_v<Elem, machine::Bf16> ? kBlasBf16 : kBlasF16;
  }
}

// A matrix operand, row-major with `stride` elements from row to row; float, Bf16 or F16.
struct Operand {
  template <typename Elem>
  Operand(const Elem* elements, int64_t row_stride, bool is_transposed = false)
      : data(elements), type(blas_type_of<Elem>()), stride(row_stride), transposed(is_transposed) {}

  const void* data;
  int type;
  int64_t stride;
  bool transposed;
};

// The device's cuBLAS: library and handle, made when the device is opened.
class GpuBlas {
 public:
  ~GpuBlas();
  Status open(const std::string& path);
  const Blas& library() const { return blas_; }

 private:
  friend class BlasSession;
  Blas blas_;
  void* handle_ = nullptr;
  std::mutex lock_;  // a handle has one stream at a time
};

class BlasSession {
 public:
  // `blas` and `context` outlive the session.
  BlasSession(GpuBlas& blas, machine::Context& context) : blas_(blas), context_(context) {}
  ~BlasSession();
  BlasSession(const BlasSession&) = delete;
  BlasSession& operator=(const BlasSession&) = delete;

  Status begin(const BlasSetup& setup);

  // c[m, n] = a[m, k] b[k, n] + beta c, all row-major; `transposed` operands lie as [k, m] or
  // [n, k]. a and b have one type; sums are fp32 whatever it is.
  template <typename Out>
  Status multiply(int64_t m, int64_t n, int64_t k, const Operand& a, const Operand& b, float beta,
                  Out* c, int64_t c_stride) {
    return multiply(m, n, k, a, b, beta, c, blas_type_of<Out>(), c_stride);
  }

  // Puts a caller's handle back. Called by the destructor, too, for the paths that failed.
  Status end();

 private:
  Status multiply(int64_t m, int64_t n, int64_t k, const Operand& a, const Operand& b, float beta,
                  void* c, int c_type, int64_t c_stride);
  Status begin_own(const BlasSetup& setup);
  Status begin_caller(const BlasSetup& setup);
  Status set_stream(const BlasSetup& setup);
  Status check(int code, const char* what) const;

  GpuBlas& blas_;
  machine::Context& context_;
  std::unique_lock<std::mutex> guard_;
  void* handle_ = nullptr;
  machine::Stream counted_stream_ = 0;  // on which the products run
  // What the caller's handle had.
  bool restore_stream_ = false;
  bool restore_math_ = false;
  bool restore_pointers_ = false;
  void* stream_ = nullptr;
  int math_ = 0;
  int pointers_ = 0;
};

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_GPU_BLAS_H_
