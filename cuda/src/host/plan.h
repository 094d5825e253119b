// Sizes of reserve and workspace: pure functions of the problem that need no device, shared by the
// door (which answers and checks them) and by the providers (which lay their memory out by them).

#ifndef FUSEDRNN_SRC_HOST_PLAN_H_
#define FUSEDRNN_SRC_HOST_PLAN_H_

#include <cstdint>

#include "cells/philox.h"
#include "fusedrnn.h"

namespace frnn {

enum class Pass { kSizes, kForward, kBackward };

constexpr int64_t gates_of(int64_t cell) {
  return cell == FRNN_LSTM ? 4 : (cell == FRNN_RNN_TANH || cell == FRNN_RNN_RELU) ? 1 : 3;
}
// Gate blocks of a layer's parameters: those of the cell less those that the variant lacks.
constexpr int64_t gates_of(int64_t cell, int64_t variant) {
  constexpr int64_t kOneLess =
      FRNN_COUPLED | FRNN_NO_INPUT_GATE | FRNN_NO_FORGET_GATE | FRNN_NO_OUTPUT_GATE;
  int64_t gates = gates_of(cell);
  for (int64_t bits = variant & kOneLess; bits != 0; bits &= bits - 1)
    --gates;
  return gates;
}
// Rows of w_peephole: the gates i, f, o that are there and have one.
constexpr int64_t peepholes_of(int64_t variant) {
  return (variant & FRNN_PEEPHOLE) == 0 ? 0 : gates_of(FRNN_LSTM, variant) - 1;
}
// Gate blocks of w_hh and b_hh.
constexpr int64_t recurrent_gates_of(int64_t cell, int64_t variant) {
  return cell == FRNN_MUT1 ? 2 : gates_of(cell, variant);
}
constexpr bool is_16_bit(int64_t dtype) {
  return dtype == FRNN_BF16 || dtype == FRNN_F16;
}
// Bytes of an element of c0, cT, dc0, dcT: the cell state is never narrower than fp32.
constexpr int64_t state_bytes_of(int64_t dtype) {
  return dtype == FRNN_F64 ? 8 : 4;
}
constexpr int64_t width_of(int64_t H, int64_t P) {
  return P > 0 ? P : H;
}

inline MaskSource mask_source(const frnn_rnn& rnn) {
  return {rnn.seed, rnn.offset, rnn.mask_stream, rnn.offset_address};
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
// Of weights packed once; 0 where there is nothing to gain. Of any T and B. A gpu never gains.
int64_t cpu_rnn_packed_bytes(const frnn_rnn& rnn);
int64_t gpu_linear_workspace_bytes(const frnn_linear& linear);
int64_t cpu_linear_workspace_bytes(const frnn_linear& linear);
int64_t gpu_embedding_workspace_bytes(const frnn_embedding& embedding);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_PLAN_H_
