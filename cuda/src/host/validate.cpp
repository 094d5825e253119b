#include "host/validate.h"

#include <cmath>

#include "host/checks.h"
#include "host/plan.h"

namespace frnn {
namespace {

Status check_table(const char* what, int64_t dtype, int64_t table, int64_t chunks) {
  FRNN_TRY(check_dtype(what, dtype, false));
  FRNN_TRY(at_least("chunks", chunks, 0));
  return check_addresses({{"table", table, chunks > 0, 8}});
}

}  // namespace

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

Status validate(const frnn_clip& clip) {
  FRNN_TRY(check_table("clip.dtype", clip.dtype, clip.table, clip.chunks));
  if (clip.list < 0 || clip.list > 3) {
    return invalid(format("clip.list: expected 0 to 3, got %lld", static_cast<Wide>(clip.list)));
  }
  if (clip.action < FRNN_MEASURE || clip.action > FRNN_CLAMP_ELEMENTS) {
    return invalid(format("clip.action: expected an frnn_clip_action from 0 to %d, got %lld",
                          FRNN_CLAMP_ELEMENTS, static_cast<Wide>(clip.action)));
  }
  if (!(clip.max_norm > 0)) {
    return invalid(
        format("clip.max_norm: expected a number above 0 (infinity only measures), got "
               "%g",
               clip.max_norm));
  }
  FRNN_TRY(check_addresses({{"clip.result", clip.result, true, 8}}));
  return check_room("clip.workspace", clip.workspace, clip.workspace_bytes, 8 * clip.chunks);
}

Status validate(const frnn_optimizer& o) {
  if (o.kind < FRNN_SGD || o.kind > FRNN_ADAM) {
    return invalid(format("optimizer.kind: expected an frnn_optimizer_kind from 0 to %d, got %lld",
                          FRNN_ADAM, static_cast<Wide>(o.kind)));
  }
  FRNN_TRY(check_table("optimizer.dtype", o.dtype, o.table, o.chunks));
  FRNN_TRY(check_flags("optimizer.flags", o.flags, FRNN_SKIP_NONFINITE));
  if ((o.flags & FRNN_SKIP_NONFINITE) != 0 && o.clip == 0) {
    return invalid("optimizer.clip: FRNN_SKIP_NONFINITE needs the address of an frnn_clip_result");
  }
  FRNN_TRY(check_addresses({{"optimizer.clip", o.clip, false, 8}}));
  FRNN_TRY(at_least("optimizer.step", o.step, 1));
  struct Number {
    const char* field;
    double value;
    bool below_one;
  };
  for (const Number& n :
       {Number{"learning_rate", o.learning_rate, false}, Number{"beta1", o.beta1, true},
        Number{"beta2", o.beta2, true}, Number{"epsilon", o.epsilon, false},
        Number{"weight_decay", o.weight_decay, false}}) {
    if (!(n.value >= 0) || std::isinf(n.value) || (n.below_one && n.value >= 1)) {
      return invalid(format("optimizer.%s: expected a finite number %s, got %g", n.field,
                            n.below_one ? "in [0, 1)" : "of at least 0", n.value));
    }
  }
  return Status::success();
}

Status validate(const frnn_tensors& tensors) {
  FRNN_TRY(check_dtype("tensors.dtype", tensors.dtype, false));
  FRNN_TRY(at_least("tensors.count", tensors.count, 0));
  if (tensors.lists < 1 || tensors.lists > 4) {
    return invalid(
        format("tensors.lists: expected 1 to 4, got %lld", static_cast<Wide>(tensors.lists)));
  }
  FRNN_TRY(check_product("tensors: lists * count", {tensors.lists, tensors.count}));
  FRNN_TRY(check_addresses({{"tensors.lengths", tensors.lengths, tensors.count > 0, 8}}));
  const int64_t* lengths = reinterpret_cast<const int64_t*>(tensors.lengths);
  for (int64_t k = 0; k < tensors.count; ++k) {
    if (lengths[k] < 0 || lengths[k] > (int64_t{1} << 60)) {
      return invalid(format("tensors.lengths[%lld]: expected 0 to 2^60 elements, got %lld",
                            static_cast<Wide>(k), static_cast<Wide>(lengths[k])));
    }
  }
  return Status::success();
}

}  // namespace frnn
