// Checks of what stands around a recurrent net.

#include "host/checks.h"
#include "host/plan.h"
#include "host/validate.h"

namespace frnn {

int64_t linear_workspace_bytes(const frnn_linear& linear, const std::string& backend) {
  if (linear.N == 0) return 0;
  return backend == "cpu" ? cpu_linear_workspace_bytes(linear) : gpu_linear_workspace_bytes(linear);
}

Status validate(const frnn_linear& linear, Pass pass, const std::string& backend) {
  FRNN_TRY(check_backend(backend));
  FRNN_TRY(check_dtype("linear.dtype", linear.dtype, false));
  FRNN_TRY(check_flags("linear.flags", linear.flags, FRNN_ACCUMULATE | FRNN_ALLOW_TF32));
  FRNN_TRY(at_least("linear.N", linear.N, 0));
  FRNN_TRY(at_least("linear.I", linear.I, 1));
  FRNN_TRY(at_least("linear.O", linear.O, 1));
  FRNN_TRY(check_product("linear: N * I", {linear.N, linear.I}));
  FRNN_TRY(check_product("linear: N * O", {linear.N, linear.O}));
  FRNN_TRY(check_product("linear: O * I", {linear.O, linear.I}));
  if (pass == Pass::kSizes) return Status::success();
  const bool work = linear.N > 0;
  const bool forward = pass == Pass::kForward;
  const bool reads_x = forward || linear.dw != 0;
  const bool reads_w = forward || linear.dx != 0;
  FRNN_TRY(check_addresses({{"linear.x", linear.x, work && reads_x, 4},
                            {"linear.w", linear.w, work && reads_w, 4},
                            {"linear.b", linear.b, false, 4},
                            {"linear.y", linear.y, work && forward, 4},
                            {"linear.dy", linear.dy, work && !forward, 4},
                            {"linear.dx", linear.dx, false, 4},
                            {"linear.dw", linear.dw, false, 4},
                            {"linear.db", linear.db, false, 4}}));
  return check_room("linear.workspace", linear.workspace, linear.workspace_bytes,
                    linear_workspace_bytes(linear, backend));
}

Status validate(const frnn_embedding& embedding, Pass pass) {
  FRNN_TRY(check_dtype("embedding.dtype", embedding.dtype, false));
  FRNN_TRY(check_flags("embedding.flags", embedding.flags, FRNN_ACCUMULATE));
  FRNN_TRY(at_least("embedding.N", embedding.N, 0));
  FRNN_TRY(at_least("embedding.V", embedding.V, 1));
  FRNN_TRY(at_least("embedding.E", embedding.E, 1));
  FRNN_TRY(check_product("embedding: N * E", {embedding.N, embedding.E}));
  FRNN_TRY(check_product("embedding: V * E", {embedding.V, embedding.E}));
  const bool work = embedding.N > 0;
  const bool forward = pass == Pass::kForward;
  return check_addresses({{"embedding.ids", embedding.ids, work, 4},
                          {"embedding.table", embedding.table, work && forward, 4},
                          {"embedding.y", embedding.y, work && forward, 4},
                          {"embedding.dy", embedding.dy, work && !forward, 4},
                          {"embedding.dtable", embedding.dtable, !forward, 4}});
}

Status validate(const frnn_softmax_xent& xent) {
  FRNN_TRY(check_dtype("softmax_xent.dtype", xent.dtype, false));
  FRNN_TRY(at_least("softmax_xent.N", xent.N, 0));
  FRNN_TRY(at_least("softmax_xent.V", xent.V, 1));
  FRNN_TRY(check_product("softmax_xent: N * V", {xent.N, xent.V}));
  const bool work = xent.N > 0;
  FRNN_TRY(check_addresses({{"softmax_xent.logits", xent.logits, work, 4},
                            {"softmax_xent.targets", xent.targets, work, 4},
                            {"softmax_xent.dlogits", xent.dlogits, false, 4},
                            {"softmax_xent.result", xent.result, true, 8}}));
  return check_room("softmax_xent.workspace", xent.workspace, xent.workspace_bytes, 8 * xent.N);
}

}  // namespace frnn
