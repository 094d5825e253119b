// What the stand-ins of CUDA's driver and of cuBLAS share. They let programs that own their
// context, memory, streams and handles through those libraries run on the emulated machine, for
// tests. Names and signatures are those of the CUDA 12 documentation; handles are void*, enums int.

#ifndef FUSEDRNN_EMULATOR_STANDINS_STANDIN_H_
#define FUSEDRNN_EMULATOR_STANDINS_STANDIN_H_

#include <cstdio>
#include <memory>

#include "bridge.h"

#define FRNN_STANDIN extern "C" __attribute__((visibility("default")))

namespace frnn::standins {

using machine::Context;
using machine::emulated::Bridge;

inline Bridge& bridge() {
  return *frnn_emulated_bridge_1();
}

// A call that fails says so by its name: the caller sees a number alone.
inline int complain(const char* library, const char* call, int code, const char* why) {
  std::fprintf(stderr, "stand-in %s: %s answers %d: %s\n", library, call, code, why);
  return code;
}

inline int lacks(const char* library, const char* call, int code) {
  return complain(library, call, code,
                  "the stand-in of the emulated machine lacks this call; run it on a GPU, or write "
                  "it in cuda/emulator/standins");
}

}  // namespace frnn::standins

#endif  // FUSEDRNN_EMULATOR_STANDINS_STANDIN_H_
