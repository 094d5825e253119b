// What one call of a gpu can count.

#ifndef FUSEDRNN_SRC_HOST_GPU_LIMITS_H_
#define FUSEDRNN_SRC_HOST_GPU_LIMITS_H_

#include <cstdint>

#include "fusedrnn.h"
#include "host/status.h"

namespace frnn {

// A grid holds fewer than 2^31 blocks, and cuBLAS counts with 32 bits.
inline Status below_2_31(const char* what, int64_t value) {
  if (value < int64_t{1} << 31) return Status::success();
  return Status::fail(FRNN_UNSUPPORTED,
                      format("%s: a gpu serves fewer than 2^31, got %lld: cut the call in parts",
                             what, static_cast<long long>(value)));
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_GPU_LIMITS_H_
