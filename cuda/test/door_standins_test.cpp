// Goal: a program that owns its context, memory, streams, kernels and BLAS handle through CUDA's
// libraries runs on the emulated machine, together with the emulated backend, and what a stand-in
// lacks fails by a number.
// Method: the stand-ins are opened as a program's loader opens them and called by their names; what
// one side wrote the other reads. Every refusal is asked for once.

#include <dlfcn.h>

#include <cstring>
#include <string>
#include <vector>

#include "fusedrnn.h"
#include "testing.h"

namespace {

using Address = uint64_t;

void check(bool good, const char* what) {
  if (!good) frnn::testing::fail(__FILE__, __LINE__, what);
}

// A function of a library, called as int(arguments...).
class Library {
 public:
  explicit Library(const std::string& path) : library_(dlopen(path.c_str(), RTLD_LAZY)) {
    if (library_ == nullptr) frnn::testing::fail(__FILE__, __LINE__, dlerror());
  }
  template <class... Arguments>
  int operator()(const char* name, Arguments... arguments) const {
    void* const function = library_ == nullptr ? nullptr : dlsym(library_, name);
    if (function == nullptr) {
      frnn::testing::fail(__FILE__, __LINE__, std::string("no function ") + name);
      return -1;
    }
    return reinterpret_cast<int (*)(Arguments...)>(function)(arguments...);
  }

 private:
  void* library_;
};

std::string standin(const char* name) {
  return std::string(FRNN_STANDINS) + "/" + name;
}

// The primary context, current, and an emulated device that shares it.
struct Fixture {
  Library cuda{standin("libcuda.so.1")};
  Library cublas{standin("libcublas.so.12")};
  void* context = nullptr;
  int64_t device = 0;

  Fixture() {
    check(cuda("cuInit", 0u) == 0, "init");
    check(cuda("cuDevicePrimaryCtxRetain", &context, 0) == 0, "retain");
    check(cuda("cuCtxSetCurrent", context) == 0, "current");
    check(frnn_device_open("emulated", 0, &device) == FRNN_OK, frnn_last_error());
  }
  ~Fixture() {
    check(frnn_device_close(device) == FRNN_OK, "close");
    check(cuda("cuCtxSetCurrent", static_cast<void*>(nullptr)) == 0, "none");
    check(cuda("cuDevicePrimaryCtxRelease_v2", 0) == 0, "release");
  }

  Address upload(const std::vector<float>& values) const {
    Address at = 0;
    check(cuda("cuMemAlloc_v2", &at, values.size() * 4) == 0, "alloc");
    check(cuda("cuMemcpyHtoD_v2", at, static_cast<const void*>(values.data()), values.size() * 4) ==
              0,
          "to the device");
    return at;
  }
  std::vector<float> download(Address at, size_t count) const {
    std::vector<float> values(count);
    check(cuda("cuMemcpyDtoH_v2", static_cast<void*>(values.data()), at, count * 4) == 0,
          "from the device");
    return values;
  }
};

void shares_memory_and_streams() {
  const Fixture f;
  const Address at = f.upload({1, 2, 3});
  void* stream = nullptr;
  check(f.cuda("cuStreamCreate", &stream, 0u) == 0, "stream");
  check(frnn_fill(f.device, static_cast<int64_t>(at) + 4, 0, 4,
                  reinterpret_cast<int64_t>(stream)) == FRNN_OK,
        frnn_last_error());
  check(f.cuda("cuStreamSynchronize", stream) == 0, "synchronize");
  check(f.download(at, 3) == std::vector<float>{1, 0, 3}, "the door's fill of foreign memory");
  Address base = 0;
  size_t bytes = 0;
  check(f.cuda("cuMemGetAddressRange_v2", &base, &bytes, at + 8) == 0, "range");
  check(base == at && bytes == 12, "the range of an address inside");
  check(f.cuda("cuMemFree_v2", at) == 0, "free");
  check(f.cuda("cuMemGetAddressRange_v2", &base, &bytes, at + 8) != 0, "the range of freed memory");
  check(f.cuda("cuStreamDestroy_v2", stream) == 0, "destroy");
}

void contexts_are_apart() {
  const Fixture f;
  void* other = nullptr;
  check(f.cuda("cuCtxCreate_v2", &other, 0u, 0) == 0, "create");
  const Address at = f.upload({1});
  void* owner = nullptr;
  check(f.cuda("cuPointerGetAttribute", static_cast<void*>(&owner), 1, at) == 0 && owner == other,
        "memory belongs to the context that was current");
  check(frnn_fill(f.device, static_cast<int64_t>(at), 0, 4, 0) == FRNN_INVALID_ARGUMENT,
        "the primary context does not know it");
  check(f.cuda("cuCtxDestroy_v2", other) == 0, "destroy");
  void* now = nullptr;
  check(f.cuda("cuCtxGetCurrent", &now) == 0 && now == f.context, "what was current is again");
  check(f.cuda("cuCtxDestroy_v2", f.context) != 0, "the primary context is not destroyed so");
}

int launch(const Fixture& f, void* kernel, std::vector<void*> parameters) {
  return f.cuda("cuLaunchKernel", kernel, 2u, 1u, 1u, 5u, 1u, 1u, 0u, static_cast<void*>(nullptr),
                parameters.data(), static_cast<void**>(nullptr));
}

void kernels_run() {
  const Fixture f;
  void* module = nullptr;
  void* kernel = nullptr;
  check(f.cuda("cuModuleLoad", &module, FRNN_MODULE_FILE) == 0, "load");
  check(f.cuda("cuModuleGetFunction", &kernel, module, "axpy") == 0, "function");
  check(f.cuda("cuModuleGetFunction", &kernel, module, "absent") == 500, "no such function");
  check(f.cuda("cuModuleGetFunction", &kernel, module, "axpy") == 0, "function");
  Address y = f.upload({1, 2, 3, 4, 5, 6, 7}), x = f.upload({1, 1, 1, 1, 1, 1, 1});
  float a = 2;
  int n = 7;
  check(launch(f, kernel, {&y, &x, &a, &n}) == 0, "launch");
  check(f.download(y, 7) == std::vector<float>{3, 4, 5, 6, 7, 8, 9}, "y += 2 x");
  check(f.cuda("cuModuleUnload", module) == 0, "unload");
  const char* ptx = "//\n.version 8.0\n.target sm_80\n";
  check(f.cuda("cuModuleLoadData", &module, ptx) == 200, "PTX is refused");
}

void a_bad_kernel_is_reported() {
  const Fixture f;
  void* module = nullptr;
  void* kernel = nullptr;
  check(f.cuda("cuModuleLoad", &module, FRNN_MODULE_FILE) == 0, "load");
  check(f.cuda("cuModuleGetFunction", &kernel, module, "beyond") == 0, "function");
  Address x = f.upload(std::vector<float>(64, 0.0f));
  int n = 64;
  check(launch(f, kernel, {&x, &n}) == 0, "launch");
  check(f.cuda("cuCtxSynchronize") == 719, "a write past the end is found");
  check(f.cuda("cuModuleUnload", module) == 0, "unload");
}

void blas_handles_serve_both() {
  const Fixture f;
  void* handle = nullptr;
  check(f.cublas("cublasCreate_v2", &handle) == 0, "create");
  int math = -1;
  check(f.cublas("cublasSetMathMode", handle, 3) == 0, "set the math mode");
  const Address x = f.upload({1, 2}), w = f.upload({3, 4}), y = f.upload({0});
  frnn_linear linear;
  std::memset(&linear, 0, sizeof(linear));
  linear.struct_bytes = sizeof(linear);
  linear.dtype = FRNN_F32;
  linear.N = 1;
  linear.I = 2;
  linear.O = 1;
  linear.x = static_cast<int64_t>(x);
  linear.w = static_cast<int64_t>(w);
  linear.y = static_cast<int64_t>(y);
  linear.blas = reinterpret_cast<int64_t>(handle);
  int64_t bytes = 0;
  check(frnn_linear_bytes("emulated", &linear, &bytes) == FRNN_OK, frnn_last_error());
  linear.workspace_bytes = bytes;
  linear.workspace = static_cast<int64_t>(f.upload(std::vector<float>(bytes / 4 + 1)));
  check(frnn_linear_forward(f.device, &linear) == FRNN_OK, frnn_last_error());
  check(f.download(y, 1) == std::vector<float>{11}, "the product");
  check(f.cublas("cublasGetMathMode", handle, &math) == 0 && math == 3, "the mode is put back");
  check(f.cublas("cublasDestroy_v2", handle) == 0, "destroy");
  check(f.cublas("cublasDestroy_v2", handle) != 0, "destroyed once");
  check(frnn_linear_forward(f.device, &linear) == FRNN_BLAS_ERROR, "a destroyed handle");
}

void what_is_missing_fails() {
  const Fixture f;
  check(f.cuda("cuArrayDestroy", static_cast<void*>(nullptr)) == 801, "a call of the driver");
  check(f.cublas("cublasDgemm_v2", static_cast<void*>(nullptr)) == 15, "a call of cuBLAS");
}

}  // namespace

int main() {
  shares_memory_and_streams();
  contexts_are_apart();
  kernels_run();
  a_bad_kernel_is_reported();
  blas_handles_serve_both();
  what_is_missing_fails();
  return frnn::testing::report();
}
