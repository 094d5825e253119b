// Checks of argument structs, made by the door before any provider sees them. Every failure names
// the field, what was expected, what came and how to mend it.

#ifndef FUSEDRNN_SRC_HOST_VALIDATE_H_
#define FUSEDRNN_SRC_HOST_VALIDATE_H_

#include <cstring>

#include "fusedrnn.h"
#include "host/plan.h"
#include "host/provider.h"
#include "host/status.h"

namespace frnn {

// Copies a caller's struct into `out`: an older caller's shorter struct reads as zero in the fields
// that it lacks.
template <typename Struct>
Status load(const char* name, const Struct* given, Struct* out) {
  if (given == nullptr) {
    return Status::fail(FRNN_INVALID_ARGUMENT, format("%s: expected an address, got null", name));
  }
  const int64_t known = static_cast<int64_t>(sizeof(Struct));
  if (given->struct_bytes < 8 || given->struct_bytes > known || given->struct_bytes % 8 != 0) {
    return Status::fail(
        FRNN_INVALID_ARGUMENT,
        format("%s.struct_bytes: expected a multiple of 8 from 8 to %lld, got %lld: set it to "
               "sizeof(%s), and use the header that belongs to this library (%s)",
               name, static_cast<long long>(known), static_cast<long long>(given->struct_bytes),
               name, frnn_version()));
  }
  *out = Struct{};
  std::memcpy(out, given, static_cast<size_t>(given->struct_bytes));
  return Status::success();
}

// `backend` chooses the plan that reserve and workspace are held against.
Status validate(const frnn_rnn& rnn, Pass pass, const std::string& backend);
// Whether this device computes it, with the kernel that the caller forces.
Status check_served(const Device& device, const frnn_rnn& rnn, Pass pass,
                    const std::string& backend);
// Weights packed once. Bytes, 0 where this backend packs none; a type that it does not pack to is
// refused.
Status rnn_packed_bytes(const frnn_rnn& rnn, const std::string& backend, int64_t* bytes);
// The bytes alone, of a call that may be wrong.
int64_t rnn_packed_room(const frnn_rnn& rnn, const std::string& backend);
Status check_packed_dtype(const char* field, int64_t packed_dtype, int64_t flags);
Status check_packed(const frnn_rnn& rnn, const std::string& backend);  // of a call that reads it
Status check_packing(const frnn_rnn& rnn, const Device& device, const std::string& backend);
// After that check; nothing to do where nothing is packed.
Status rnn_pack(Device& device, const frnn_rnn& rnn, const std::string& backend);
Status validate(const frnn_linear& linear, Pass pass, const std::string& backend);
Status validate(const frnn_embedding& embedding, Pass pass, const std::string& backend);
Status validate(const frnn_softmax_xent& xent, const std::string& backend);
Status validate(const frnn_mse& mse, const std::string& backend);
Status validate(const frnn_sample& sample, const std::string& backend);
Status validate(const frnn_clip& clip);
Status validate(const frnn_optimizer& optimizer);
Status validate(const frnn_tensors& tensors);

frnn_rnn_sizes rnn_sizes(const frnn_rnn& rnn, const std::string& backend);
int64_t linear_workspace_bytes(const frnn_linear& linear, const std::string& backend);
int64_t embedding_workspace_bytes(const frnn_embedding& embedding, const std::string& backend);

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_VALIDATE_H_
