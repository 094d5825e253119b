#include "cpu/isa.h"

#include <atomic>

namespace frnn::cpu {

#if defined(FRNN_CPU_WITH_X86)
namespace avx512 {
extern const Kernels kKernels;
}
namespace avx2 {
extern const Kernels kKernels;
}
#endif
namespace portable {
extern const Kernels kKernels;
}

namespace {
std::atomic<const Kernels*> selected{nullptr};
}

std::vector<const Kernels*> usable_kernels() {
  std::vector<const Kernels*> usable;
#if defined(FRNN_CPU_WITH_X86)
  // These ask the operating system too whether it keeps the wide registers.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("fma")) {
    usable.push_back(&avx512::kKernels);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    usable.push_back(&avx2::kKernels);
  }
#endif
  usable.push_back(&portable::kKernels);
  return usable;
}

Status select_isa(const std::string& name) {
  const std::vector<const Kernels*> usable = usable_kernels();
  if (name.empty()) {
    selected.store(usable.front());
    return Status::success();
  }
  std::string names;
  for (const Kernels* kernels : usable) {
    if (name == kernels->name) {
      selected.store(kernels);
      return Status::success();
    }
    names += (names.empty() ? "" : ", ") + std::string(kernels->name);
  }
  if (name == "avx512" || name == "avx2") {
    return Status::fail(FRNN_UNAVAILABLE,
                        format("cpu.isa: %s does not run on this processor; it has: %s",
                               name.c_str(), names.c_str()));
  }
  return Status::fail(
      FRNN_INVALID_ARGUMENT,
      format("cpu.isa: expected avx512, avx2, portable or nothing, got '%s'", name.c_str()));
}

const Kernels& selected_kernels() {
  const Kernels* kernels = selected.load();
  return kernels != nullptr ? *kernels : *usable_kernels().front();
}

}  // namespace frnn::cpu
