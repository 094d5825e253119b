// How launchers take the machine, and the grids of elementwise kernels.

#ifndef FUSEDRNN_SRC_KERNELS_LAUNCH_H_
#define FUSEDRNN_SRC_KERNELS_LAUNCH_H_

#include <cstdint>

#include "machine/host.h"

namespace frnn {

// Where a launcher enqueues its kernel.
struct Queue {
  machine::Context& context;
  machine::Stream stream;
  machine::Event before_dx = 0;  // must have happened before dx is touched; 0: nothing must

  Status wait_before_dx() const {
    return before_dx == 0 ? Status::success() : context.stream_wait(stream, before_dx);
  }
  int64_t multiprocessors() const { return context.properties().multiprocessors; }
};

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_LAUNCH_H_
