// cuBLAS opened at run time, version 12 or 13: the functions in use have the same signatures in
// both.

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

#include "host/blas.h"

namespace frnn {
namespace {

constexpr const char* kNames[] = {"libcublas.so.13", "libcublas.so.12"};

// A library that the process has already (a caller's, whose handles must meet their own functions)
// comes first; then the loader's search path; then where CUDA is installed by custom.
std::vector<std::string> candidates() {
  std::vector<std::string> paths(kNames, kNames + 2);
  std::vector<std::string> roots;
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    const char* const value = std::getenv(variable);
    if (value != nullptr && *value != '\0') roots.emplace_back(value);
  }
  for (const char* root : {"/usr/local/cuda", "/usr/local/cuda-13", "/usr/local/cuda-12",
                           "/opt/cuda", "/usr/lib/cuda"}) {
    roots.emplace_back(root);
  }
  for (const std::string& root : roots) {
    for (const char* folder :
         {"/lib64/", "/targets/x86_64-linux/lib/", "/targets/sbsa-linux/lib/"}) {
      for (const char* name : kNames)
        paths.push_back(root + folder + name);
    }
  }
  for (const char* folder : {"/usr/lib/x86_64-linux-gnu/", "/usr/lib/aarch64-linux-gnu/",
                             "/usr/lib64/", "/usr/lib/wsl/lib/"}) {
    for (const char* name : kNames)
      paths.push_back(std::string(folder) + name);
  }
  return paths;
}

template <typename Function>
bool bind(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

Status bind_all(void* library, Blas* blas) {
  const char* missing = nullptr;
  const auto need = [&](const char* name, auto* function) {
    if (!bind(library, name, function) && missing == nullptr) missing = name;
  };
  need("cublasCreate_v2", &blas->create);
  need("cublasDestroy_v2", &blas->destroy);
  need("cublasGetVersion_v2", &blas->get_version);
  need("cublasSetStream_v2", &blas->set_stream);
  need("cublasGetStream_v2", &blas->get_stream);
  need("cublasSetMathMode", &blas->set_math_mode);
  need("cublasGetMathMode", &blas->get_math_mode);
  need("cublasSetPointerMode_v2", &blas->set_pointer_mode);
  need("cublasGetPointerMode_v2", &blas->get_pointer_mode);
  need("cublasSetWorkspace_v2", &blas->set_workspace);
  need("cublasSgemm_v2", &blas->sgemm);
  need("cublasGemmEx", &blas->gemm_ex);
  if (missing == nullptr) return Status::success();
  return Status::fail(FRNN_UNAVAILABLE, format("%s has no function %s: cuBLAS 12 or 13 is needed",
                                               blas->path.c_str(), missing));
}

// The file behind the library: the soname alone says too little about which of several was found.
std::string file_of(const Blas& blas, const std::string& asked) {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(blas.create), &info) != 0 && info.dli_fname != nullptr) {
    return info.dli_fname;
  }
  return asked;
}

Status take(void* library, const std::string& path, Blas* blas) {
  blas->path = path;
  FRNN_TRY(bind_all(library, blas));
  blas->path = file_of(*blas, path);
  return Status::success();
}

}  // namespace

Status open_blas(const std::string& path, Blas* blas) {
  if (!path.empty()) {
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) return take(library, path, blas);
    return Status::fail(FRNN_UNAVAILABLE,
                        format("the cuBLAS library named by the option cublas could not be opened: "
                               "%s",
                               dlerror()));
  }
  for (const char* name : kNames) {
    void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (library != nullptr) return take(library, name, blas);
  }
  std::string tried;
  for (const std::string& candidate : candidates()) {
    void* const library = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) return take(library, candidate, blas);
    tried += (tried.empty() ? "" : ", ") + candidate;
  }
  return Status::fail(FRNN_UNAVAILABLE,
                      "the cuda backend needs cuBLAS 12 or 13, which was not found. Install it (it "
                      "comes with the CUDA toolkit, or alone as libcublas), put its folder on "
                      "LD_LIBRARY_PATH, or name the file by the option cublas. Tried: " +
                          tried);
}

}  // namespace frnn
