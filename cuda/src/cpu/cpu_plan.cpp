#include "cpu/family_layout.h"
#include "cpu/layout.h"
#include "host/plan.h"

namespace frnn {

frnn_rnn_sizes cpu_rnn_sizes(const frnn_rnn& rnn) {
  frnn_rnn_sizes sizes{};
  if (!cpu::plain_call(rnn)) {
    const cpu::FamilyLayout layout = cpu::family_layout_of(rnn, cpu::kWidestVector);
    sizes.reserve_bytes = layout.reserve_bytes;
    sizes.forward_workspace_bytes = layout.forward_bytes;
    sizes.backward_workspace_bytes = layout.backward_bytes;
    return sizes;
  }
  const cpu::Layout layout = cpu::layout_of(rnn, cpu::kWidestVector);
  sizes.reserve_bytes = layout.reserve_bytes;
  sizes.forward_workspace_bytes = layout.forward_bytes;
  sizes.backward_workspace_bytes = layout.backward_bytes;
  return sizes;
}

int64_t cpu_rnn_packed_bytes(const frnn_rnn& rnn) {
  if (!cpu::plain_call(rnn)) return 0;
  frnn_rnn packed = rnn;
  packed.packed = 1;  // the size depends on packed_dtype then
  const int64_t floats = cpu::layout_of(packed, cpu::kWidestVector).weights_floats;
  // The buffer itself may lie off a cache line.
  return (2 * cpu::kPackedHeader + floats) * static_cast<int64_t>(sizeof(float));
}

// Products pack into memory that the device keeps for its threads.
int64_t cpu_linear_workspace_bytes(const frnn_linear&) {
  return 0;
}

}  // namespace frnn
