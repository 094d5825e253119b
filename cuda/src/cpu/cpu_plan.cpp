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

// Products pack into memory that the device keeps for its threads.
int64_t cpu_linear_workspace_bytes(const frnn_linear&) {
  return 0;
}

}  // namespace frnn
