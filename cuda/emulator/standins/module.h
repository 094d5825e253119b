// A program's own kernels on the emulated machine. Where a GPU loads machine code or PTX, the
// stand-in of the driver loads a shared library: the same .cu file, compiled by g++. That library
// is one source file of two lines:
//
//   #include "standins/module.h"
//   #include "kernels.cu"                 extern "C" __global__ void f(float* x, int n) { .. }
//   FRNN_MODULE(FRNN_MODULE_KERNEL(f));
//
// The file may use one-dimensional grids, threadIdx, blockIdx, blockDim, gridDim and the functions
// of <cmath>; no shared memory, barriers or intrinsics.

#ifndef FUSEDRNN_EMULATOR_STANDINS_MODULE_H_
#define FUSEDRNN_EMULATOR_STANDINS_MODULE_H_

#include <cmath>
#include <cstdint>
#include <utility>

#include "bridge.h"
#include "machine/device.h"

namespace frnn::standins {

constexpr int kMostParameters = 16;

// A kernel of a module. Its parameters are packed, each at its offset.
struct ModuleKernel {
  const char* name;
  void (*kernel)();
  machine::emulated::Invoke invoke;
  int parameters;
  int64_t offsets[kMostParameters];
  int64_t sizes[kMostParameters];
  int64_t bytes;
};

struct Module {
  const ModuleKernel* kernels;
  int count;
};

// Every module exports it under this name, as frnn_module_1.
using ModuleEntry = Module (*)(machine::emulated::Bridge*);

template <class... Parameters>
struct Packed {
  static_assert(sizeof...(Parameters) <= kMostParameters, "a kernel has too many parameters");

  static ModuleKernel describe(const char* name, void (*kernel)(Parameters...)) {
    ModuleKernel k = {name, reinterpret_cast<void (*)()>(kernel), invoke, 0, {}, {}, 0};
    (add<Parameters>(&k), ...);
    return k;
  }

 private:
  template <class T>
  static void add(ModuleKernel* k) {
    k->offsets[k->parameters] = k->bytes;
    k->sizes[k->parameters++] = sizeof(T);
    k->bytes += (static_cast<int64_t>(sizeof(T)) + 15) / 16 * 16;
  }
  static void invoke(void (*kernel)(), const void* args) {
    call(kernel, static_cast<const char*>(args), std::index_sequence_for<Parameters...>());
  }
  template <size_t... i>
  static void call(void (*kernel)(), const char* args, std::index_sequence<i...>) {
    static const ModuleKernel layout = describe("", nullptr);
    reinterpret_cast<void (*)(Parameters...)>(kernel)(
        *reinterpret_cast<const Parameters*>(args + layout.offsets[i])...);
  }
};

template <class... Parameters>
ModuleKernel describe(const char* name, void (*kernel)(Parameters...)) {
  return Packed<Parameters...>::describe(name, kernel);
}

struct Index {
  unsigned x, y, z;
};

inline machine::emulated::Bridge* module_bridge = nullptr;

inline const machine::emulated::Self& running() {
  return module_bridge->running_thread();
}

}  // namespace frnn::standins

#define __global__
#define __device__
#define threadIdx \
  (::frnn::standins::Index{static_cast<unsigned>(::frnn::standins::running().thread), 0, 0})
#define blockIdx \
  (::frnn::standins::Index{static_cast<unsigned>(::frnn::standins::running().block), 0, 0})
#define blockDim \
  (::frnn::standins::Index{static_cast<unsigned>(::frnn::standins::running().threads), 1, 1})
#define gridDim \
  (::frnn::standins::Index{static_cast<unsigned>(::frnn::standins::running().blocks), 1, 1})

#define FRNN_MODULE_KERNEL(name) ::frnn::standins::describe(#name, name)
#define FRNN_MODULE(...)                                                                    \
  extern "C" __attribute__((visibility("default"))) ::frnn::standins::Module frnn_module_1( \
      ::frnn::machine::emulated::Bridge* bridge) {                                          \
    static const ::frnn::standins::ModuleKernel kernels[] = {__VA_ARGS__};                  \
    ::frnn::standins::module_bridge = bridge;                                               \
    return {kernels, static_cast<int>(sizeof(kernels) / sizeof(kernels[0]))};               \
  }                                                                                         \
  static_assert(true, "a semicolon may follow")

#endif  // FUSEDRNN_EMULATOR_STANDINS_MODULE_H_
