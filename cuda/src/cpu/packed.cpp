#include "cpu/packed.h"

#include <cstring>

#include "cpu/layout.h"

namespace frnn::cpu {
namespace {

constexpr uint64_t kMagic = 0x73746867696557ull;  // "Weights"

const char* name_of(int64_t cell) {
  switch (cell) {
    case FRNN_LSTM:
      return "LSTM";
    case FRNN_GRU:
      return "GRU";
    case FRNN_GRU_RESET_BEFORE:
      return "GRU that resets before";
    default:
      return "plain RNN";
  }
}

std::string text_of(const PackedHeader& h) {
  return format("%s I=%lld H=%lld in %s for vectors of %lld", name_of(h.cell),
                static_cast<long long>(h.I), static_cast<long long>(h.H),
                h.dtype == FRNN_BF16 ? "bf16" : "f32", static_cast<long long>(h.width));
}

}  // namespace

PackedHeader packed_header(const frnn_rnn& rnn, const Kernels& kernels) {
  return {kMagic, rnn.cell, rnn.packed_dtype, rnn.I, rnn.H, kernels.width};
}

Status check_packed(const frnn_rnn& rnn, const Kernels& kernels) {
  static_assert(sizeof(PackedHeader) <= kPackedHeader * sizeof(float), "it has one cache line");
  PackedHeader found;
  std::memcpy(&found, line_start(rnn.packed), sizeof found);
  const PackedHeader wanted = packed_header(rnn, kernels);
  if (found.magic != kMagic) {
    return Status::fail(FRNN_INVALID_ARGUMENT,
                        format("packed: expected weights of %s, got memory that was never packed; "
                               "call frnn_rnn_pack or frnn_net_pack first",
                               text_of(wanted).c_str()));
  }
  if (std::memcmp(&found, &wanted, sizeof found) != 0) {
    return Status::fail(
        FRNN_INVALID_ARGUMENT,
        format("packed: expected weights of %s, got those of %s; pack them for this call's cell, "
               "sizes, packed_dtype and device",
               text_of(wanted).c_str(), text_of(found).c_str()));
  }
  return Status::success();
}

}  // namespace frnn::cpu
