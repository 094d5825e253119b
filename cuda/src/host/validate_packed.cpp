// Checks of weights packed once, and what each backend packs.

#include "host/checks.h"
#include "host/plan.h"
#include "host/validate.h"

namespace frnn {
namespace {

Status not_packed(const std::string& backend) {
  if (backend == "cpu") {
    return Status::fail(
        FRNN_UNSUPPORTED,
        "rnn.packed_dtype: the cpu backend packs the weights of the plain LSTM, GRU and RNN alone, "
        "over time-first rows without lengths, norm, clip and masks: "
        "use FRNN_F32, which changes no result, or round the parameters themselves");
  }
  return Status::fail(
      FRNN_UNSUPPORTED,
      format("rnn.packed_dtype: the %s backend reads the parameters as they are and packs none: "
             "use FRNN_F32, or a dtype of bf16 for the whole call",
             backend.c_str()));
}

}  // namespace

int64_t rnn_packed_room(const frnn_rnn& rnn, const std::string& backend) {
  const bool known = rnn.packed_dtype == FRNN_F32 || rnn.packed_dtype == FRNN_BF16;
  return known && backend == "cpu" ? cpu_rnn_packed_bytes(rnn) : 0;
}

Status check_packed_dtype(const char* field, int64_t packed_dtype, int64_t flags) {
  if (packed_dtype != FRNN_F32 && packed_dtype != FRNN_BF16) {
    return invalid(format("%s: expected FRNN_F32 (%d) or FRNN_BF16 (%d), got %lld", field, FRNN_F32,
                          FRNN_BF16, static_cast<Wide>(packed_dtype)));
  }
  if (packed_dtype == FRNN_F32 || (flags & FRNN_TRAINING) == 0) return Status::success();
  return invalid(
      format("%s: FRNN_BF16 excludes FRNN_TRAINING, for the backward pass reads the parameters "
             "and would differentiate another function: use FRNN_F32, or leave `packed` 0",
             field));
}

Status rnn_packed_bytes(const frnn_rnn& rnn, const std::string& backend, int64_t* bytes) {
  FRNN_TRY(validate(rnn, Pass::kSizes, backend));
  FRNN_TRY(check_packed_dtype("rnn.packed_dtype", rnn.packed_dtype, rnn.flags));
  *bytes = rnn_packed_room(rnn, backend);
  return *bytes > 0 || rnn.packed_dtype == FRNN_F32 ? Status::success() : not_packed(backend);
}

Status check_packed(const frnn_rnn& rnn, const std::string& backend) {
  int64_t needed = 0;
  FRNN_TRY(rnn_packed_bytes(rnn, backend, &needed));
  if (needed == 0) return Status::success();
  FRNN_TRY(check_addresses({{"rnn.packed", rnn.packed, true, 64}}));
  return check_room("rnn.packed", rnn.packed, rnn.packed_bytes, needed);
}

Status check_packing(const frnn_rnn& rnn, const Device& device, const std::string& backend) {
  FRNN_TRY(check_packed(rnn, backend));
  if (rnn_packed_room(rnn, backend) == 0) return Status::success();
  const int64_t e = bytes_of(rnn.dtype);
  FRNN_TRY(check_addresses({{"rnn.w_ih", rnn.w_ih, true, e},
                            {"rnn.w_hh", rnn.w_hh, true, e},
                            {"rnn.b_ih", rnn.b_ih, false, e},
                            {"rnn.b_hh", rnn.b_hh, false, e}}));
  return check_served(device, rnn, Pass::kForward, backend);
}

Status rnn_pack(Device& device, const frnn_rnn& rnn, const std::string& backend) {
  return rnn_packed_room(rnn, backend) == 0 ? Status::success() : device.rnn_pack(rnn);
}

}  // namespace frnn
