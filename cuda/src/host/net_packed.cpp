// Weights of a whole net packed once: a slice of one buffer for each layer and direction.

#include "host/checks.h"
#include "host/net.h"
#include "host/net_parts.h"

namespace frnn {
namespace {

// Layers after the second are as it is.
Status check_layers(const NetParts& parts) {
  const frnn_net& net = parts.net();
  FRNN_TRY(parts.check_shape());
  FRNN_TRY(check_packed_dtype("net.packed_dtype", net.packed_dtype, net.flags));
  for (int64_t k = 0; k < std::min<int64_t>(net.L, 2); ++k) {
    for (int64_t d = 0; d < net.D; ++d) {
      int64_t bytes = 0;
      FRNN_TRY(rnn_packed_bytes(parts.directed(k, d), parts.backend(), &bytes));
    }
  }
  return Status::success();
}

}  // namespace

Status net_packed_bytes(const frnn_net& net, const std::string& backend, int64_t* bytes) {
  NetParts parts(net, backend, false, 1);
  FRNN_TRY(check_layers(parts));
  parts.lay_out_packed();
  *bytes = parts.packed_used();
  return Status::success();
}

Status net_pack(OpenDevice& open, const frnn_net& net) {
  NetParts parts(net, open.backend, false, 1);
  FRNN_TRY(check_layers(parts));
  parts.lay_out_packed();
  if (parts.packed_used() == 0) return Status::success();
  FRNN_TRY(parts.check_packing(*open.device));
  for (int64_t k = 0; k < net.L; ++k) {
    for (int64_t d = 0; d < net.D; ++d)
      FRNN_TRY(rnn_pack(*open.device, parts.packing(k, d), open.backend));
  }
  return Status::success();
}

}  // namespace frnn
