// Checks of lists of tensors, clipping and optimisers.

#include "host/validate.h"

#include <cmath>

#include "host/checks.h"

namespace frnn {
namespace {

Status check_table(const char* what, int64_t dtype, int64_t table, int64_t chunks) {
  FRNN_TRY(check_dtype(what, dtype, false));
  FRNN_TRY(at_least("chunks", chunks, 0));
  return check_addresses({{"table", table, chunks > 0, 8}});
}

}  // namespace

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
