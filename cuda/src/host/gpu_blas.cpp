#include "host/gpu_blas.h"

#include "host/gpu_layout.h"

namespace frnn {
namespace {

// cublasStatus_t in words; the library's own cublasGetStatusString is not in every version.
const char* blas_text(int code) {
  switch (code) {
    case 1:
      return "not initialised";
    case 3:
      return "allocation failed";
    case 7:
      return "invalid value";
    case 8:
      return "architecture mismatch";
    case 11:
      return "mapping error";
    case 13:
      return "execution failed";
    case 14:
      return "internal error";
    case 15:
      return "not supported";
    default:
      return "unknown status";
  }
}

Status blas_status(const Blas& blas, int code, const char* what) {
  if (code == 0) return Status::success();
  return Status::fail(FRNN_BLAS_ERROR, format("%s: cuBLAS answered status %d (%s) from %s", what,
                                              code, blas_text(code), blas.path.c_str()));
}

void* pointer_of(int64_t address) {
  return reinterpret_cast<void*>(address);
}

}  // namespace

GpuBlas::~GpuBlas() {
  if (handle_ != nullptr) (void)blas_.destroy(handle_);
}

Status GpuBlas::open(const std::string& path) {
  FRNN_TRY(open_blas(path, &blas_));
  Status created = blas_status(blas_, blas_.create(&handle_), "cublasCreate");
  if (!created.ok()) {
    created.text += "; the driver may be too old for it: name another by the option cublas";
    return created;
  }
  return blas_status(blas_, blas_.get_version(handle_, &blas_.version), "cublasGetVersion");
}

BlasSession::~BlasSession() {
  (void)end();
}

Status BlasSession::check(int code, const char* what) const {
  return blas_status(blas_.blas_, code, what);
}

Status BlasSession::begin(const BlasSetup& setup) {
  FRNN_TRY(context_.activate());
  counted_stream_ = setup.stream;
  return setup.caller_handle == 0 ? begin_own(setup) : begin_caller(setup);
}

// cublasSetStream puts the workspace back to cuBLAS's own pool, so the workspace comes after it.
Status BlasSession::set_stream(const BlasSetup& setup) {
  const Blas& blas = blas_.blas_;
  const int64_t aligned = (setup.workspace + kBlasAlignment - 1) / kBlasAlignment * kBlasAlignment;
  FRNN_TRY(check(blas.set_stream(handle_, pointer_of(setup.stream)), "cublasSetStream"));
  return check(
      blas.set_workspace(handle_, pointer_of(aligned), static_cast<size_t>(setup.workspace_bytes)),
      "cublasSetWorkspace");
}

Status BlasSession::begin_own(const BlasSetup& setup) {
  const Blas& blas = blas_.blas_;
  guard_ = std::unique_lock<std::mutex>(blas_.lock_);
  handle_ = blas_.handle_;
  FRNN_TRY(set_stream(setup));
  FRNN_TRY(check(blas.set_pointer_mode(handle_, kBlasHostPointers), "cublasSetPointerMode"));
  return check(blas.set_math_mode(handle_, setup.allow_tf32 ? kBlasTf32Math : kBlasDefaultMath),
               "cublasSetMathMode");
}

// A caller's handle keeps its stream and workspace where the stream is already ours. Where it is
// not, setting it and setting it back leaves cuBLAS's own workspace pool in place: a workspace of
// the caller's cannot be asked for, so it cannot be put back.
Status BlasSession::begin_caller(const BlasSetup& setup) {
  const Blas& blas = blas_.blas_;
  handle_ = pointer_of(setup.caller_handle);
  FRNN_TRY(check(blas.get_stream(handle_, &stream_), "cublasGetStream"));
  FRNN_TRY(check(blas.get_pointer_mode(handle_, &pointers_), "cublasGetPointerMode"));
  FRNN_TRY(check(blas.get_math_mode(handle_, &math_), "cublasGetMathMode"));
  if (stream_ != pointer_of(setup.stream)) {
    restore_stream_ = true;
    FRNN_TRY(set_stream(setup));
  }
  if (pointers_ != kBlasHostPointers) {
    restore_pointers_ = true;
    FRNN_TRY(check(blas.set_pointer_mode(handle_, kBlasHostPointers), "cublasSetPointerMode"));
  }
  const int math = setup.allow_tf32 ? kBlasTf32Math : kBlasDefaultMath;
  if (math_ != math) {
    restore_math_ = true;
    FRNN_TRY(check(blas.set_math_mode(handle_, math), "cublasSetMathMode"));
  }
  return Status::success();
}

Status BlasSession::end() {
  const Blas& blas = blas_.blas_;
  Status first;
  const auto keep = [&](int code, const char* what) {
    const Status status = check(code, what);
    if (first.ok() && !status.ok()) first = status;
  };
  if (restore_stream_) keep(blas.set_stream(handle_, stream_), "cublasSetStream");
  if (restore_pointers_) keep(blas.set_pointer_mode(handle_, pointers_), "cublasSetPointerMode");
  if (restore_math_) keep(blas.set_math_mode(handle_, math_), "cublasSetMathMode");
  restore_stream_ = restore_pointers_ = restore_math_ = false;
  if (guard_.owns_lock()) guard_.unlock();
  return first;
}

// cuBLAS is column-major: a row-major c = a b is, read by columns, c' = b' a'. So the operands
// change places and their transpositions stay.
Status BlasSession::multiply(int64_t m, int64_t n, int64_t k, const Operand& a, const Operand& b,
                             float beta, void* c, int c_type, int64_t c_stride) {
  const Blas& blas = blas_.blas_;
  const float one = 1.0f;
  const int op_a = a.transposed ? kBlasTranspose : kBlasNoTranspose;
  const int op_b = b.transposed ? kBlasTranspose : kBlasNoTranspose;
  const int M = static_cast<int>(m), N = static_cast<int>(n), K = static_cast<int>(k);
  const int a_ld = static_cast<int>(a.stride), b_ld = static_cast<int>(b.stride);
  const int c_ld = static_cast<int>(c_stride);
  context_.count_gemm(counted_stream_);
  if (a.type == kBlasF32 && b.type == kBlasF32 && c_type == kBlasF32) {
    return check(
        blas.sgemm(handle_, op_b, op_a, N, M, K, &one, static_cast<const float*>(b.data), b_ld,
                   static_cast<const float*>(a.data), a_ld, &beta, static_cast<float*>(c), c_ld),
        "cublasSgemm");
  }
  return check(
      blas.gemm_ex(handle_, op_b, op_a, N, M, K, &one, b.data, b.type, b_ld, a.data, a.type, a_ld,
                   &beta, c, c_type, c_ld, kBlasComputeF32, kBlasAnyAlgorithm),
      "cublasGemmEx");
}

}  // namespace frnn
