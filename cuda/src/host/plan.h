// Sizes of reserve and workspace: pure functions of the problem that need no device, shared by the
// door (which answers and checks them) and by the providers (which lay their memory out by them).

#ifndef FUSEDRNN_SRC_HOST_PLAN_H_
#define FUSEDRNN_SRC_HOST_PLAN_H_

#include <cstdint>

#include "fusedrnn.h"

namespace frnn {

constexpr int64_t gates_of(int64_t cell) {
  return cell == FRNN_LSTM ? 4 : (cell == FRNN_GRU || cell == FRNN_GRU_RESET_BEFORE) ? 3 : 1;
}
constexpr int64_t align_256(int64_t bytes) {
  return (bytes + 255) / 256 * 256;
}
constexpr int64_t bytes_of(int64_t dtype) {
  return dtype == FRNN_F64 ? 8 : (dtype == FRNN_BF16 || dtype == FRNN_F16) ? 2 : 4;
}

// gpu_plan.cpp (cuda and emulated) and cpu_plan.cpp; both are linked into libfusedrnn.so and
// gpu_plan into the provider libraries.
frnn_rnn_sizes gpu_rnn_sizes(const frnn_rnn& rnn);
frnn_rnn_sizes cpu_rnn_sizes(const frnn_rnn& rnn);
int64_t gpu_linear_workspace_bytes(const frnn_linear& linear);
int64_t cpu_linear_workspace_bytes(const frnn_linear& linear);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_PLAN_H_
