// Checks of lists of tensors, clips and optimisers.

#include <cmath>

#include "host/checks.h"
#include "host/table.h"
#include "host/validate.h"

namespace frnn {
namespace {

const char* const kDtypes[] = {"f64", "f32", "bf16", "f16", "i32"};
const char* const kOptimizers[] = {"sgd", "adagrad", "adam", "adamw", "rmsprop"};

Status between(const char* field, int64_t value, int64_t last, const char* type) {
  if (value >= 0 && value <= last) return Status::success();
  return invalid(format("%s: expected an %s from 0 to %lld, got %lld", field, type,
                        static_cast<Wide>(last), static_cast<Wide>(value)));
}

Status flag(const char* field, int64_t value) {
  if (value == 0 || value == 1) return Status::success();
  return invalid(format("%s: expected 0 or 1, got %lld", field, static_cast<Wide>(value)));
}

// What the door itself made of frnn_tensors.
bool is_layout(int64_t layout) {
  if (lists_of(layout) < 1 || lists_of(layout) > kMostLists) return false;
  int64_t expected = kLayoutMark | lists_of(layout);
  for (int64_t list = 0; list < lists_of(layout); ++list) {
    const int64_t dtype = dtype_of(layout, list);
    if (dtype != FRNN_F32 && dtype != FRNN_BF16 && dtype != FRNN_F16) return false;
    expected |= dtype << (4 + 4 * list);
  }
  return layout == expected;
}

Status check_table(const char* call, int64_t table, int64_t chunks, int64_t layout) {
  const auto field = [&](const char* name) { return std::string(call) + "." + name; };
  FRNN_TRY(check_addresses({{field("table").c_str(), table, true, 8}}));
  FRNN_TRY(at_least(field("chunks").c_str(), chunks, 0));
  if (is_layout(layout)) return Status::success();
  return invalid(
      format("%s: expected the layout that frnn_table_bytes answered for the table, got "
             "0x%llx",
             field("layout").c_str(), static_cast<unsigned long long>(layout)));
}

std::string types_of(int64_t layout) {
  std::string text;
  for (int64_t list = 0; list < lists_of(layout); ++list) {
    text += (list == 0 ? "" : ", ") + std::string(kDtypes[dtype_of(layout, list)]);
  }
  return text;
}

// Whether the lists are those that the kind needs.
Status check_lists(const frnn_optimizer& o) {
  const bool momentum = o.beta1 > 0;
  int64_t least = 1, most = 1;
  if (o.kind == FRNN_ADAM || o.kind == FRNN_ADAMW) least = most = 2;
  if (o.kind == FRNN_SGD) least = momentum ? 1 : 0;
  if (o.kind == FRNN_RMSPROP) least = momentum ? 2 : 1, most = 2;
  const int64_t states = states_of(o.layout);
  bool fits = lists_of(o.layout) >= 2 && states >= least && states <= most &&
              dtype_of(o.layout, 0) == FRNN_F32;
  for (int64_t list = 2; list < 2 + states; ++list)
    fits = fits && dtype_of(o.layout, list) == FRNN_F32;
  if (fits) return Status::success();
  return invalid(
      format("optimizer.layout: %s%s needs lists of f32 parameters, gradients, %lld to "
             "%lld of f32 state, and perhaps a bf16 or f16 copy; got %s",
             kOptimizers[o.kind], momentum ? " with this beta1" : "", static_cast<Wide>(least),
             static_cast<Wide>(most), types_of(o.layout).c_str()));
}

struct Number {
  const char* field;
  double value;
  double most;
};

Status check_numbers(const frnn_optimizer& o) {
  const double any = HUGE_VAL;
  for (const Number& n :
       {Number{"beta1", o.beta1, 1}, Number{"beta2", o.beta2, 1}, Number{"epsilon", o.epsilon, any},
        Number{"weight_decay", o.weight_decay, any}, Number{"decay", o.decay, any}}) {
    if (!(n.value >= 0 && n.value < n.most)) {
      return invalid(format("optimizer.%s: expected a finite number %s, got %g", n.field,
                            n.most == 1 ? "in [0, 1)" : "of at least 0", n.value));
    }
  }
  return Status::success();
}

Status check_loss_scale(const frnn_optimizer& o) {
  if (o.loss_scale == 0) return Status::success();
  if (o.clip == 0) {
    return invalid(
        "optimizer.clip: a loss scale needs the address of an frnn_clip_result, which "
        "says whether the gradient was finite");
  }
  if (!(o.growth_factor >= 1) || std::isinf(o.growth_factor)) {
    return invalid(format("optimizer.growth_factor: expected a finite number of at least 1, got %g",
                          o.growth_factor));
  }
  if (!(o.backoff_factor > 0 && o.backoff_factor <= 1)) {
    return invalid(
        format("optimizer.backoff_factor: expected a number in (0, 1], got %g", o.backoff_factor));
  }
  return at_least("optimizer.growth_interval", o.growth_interval, 1);
}

}  // namespace

Status validate(const frnn_clip& clip) {
  FRNN_TRY(check_table("clip", clip.table, clip.chunks, clip.layout));
  if (clip.list < 0 || clip.list >= lists_of(clip.layout)) {
    return invalid(format("clip.list: expected 0 to %lld, got %lld",
                          static_cast<Wide>(lists_of(clip.layout) - 1),
                          static_cast<Wide>(clip.list)));
  }
  FRNN_TRY(between("clip.action", clip.action, FRNN_CLAMP_ELEMENTS, "frnn_clip_action"));
  FRNN_TRY(between("clip.norm_kind", clip.norm_kind, FRNN_INFINITY, "frnn_norm_kind"));
  FRNN_TRY(between("clip.policy", clip.policy, FRNN_CLAMP, "frnn_nonfinite"));
  FRNN_TRY(flag("clip.per_tensor", clip.per_tensor));
  if (!(clip.max_norm > 0)) {
    return invalid(
        format("clip.max_norm: expected a number above 0 (infinity only measures), got "
               "%g",
               clip.max_norm));
  }
  FRNN_TRY(check_addresses(
      {{"clip.loss_scale", clip.loss_scale, false, 8}, {"clip.result", clip.result, true, 8}}));
  return check_room("clip.workspace", clip.workspace, clip.workspace_bytes, 16 * clip.chunks);
}

Status validate(const frnn_optimizer& o) {
  FRNN_TRY(between("optimizer.kind", o.kind, FRNN_RMSPROP, "frnn_optimizer_kind"));
  FRNN_TRY(check_table("optimizer", o.table, o.chunks, o.layout));
  FRNN_TRY(check_numbers(o));
  FRNN_TRY(check_lists(o));
  FRNN_TRY(flag("optimizer.per_tensor", o.per_tensor));
  FRNN_TRY(check_addresses({{"optimizer.state", o.state, true, 8},
                            {"optimizer.clip", o.clip, o.per_tensor != 0, 8},
                            {"optimizer.loss_scale", o.loss_scale, false, 8}}));
  FRNN_TRY(check_loss_scale(o));
  FRNN_TRY(between("optimizer.schedule", o.schedule, FRNN_INVERSE_SQRT, "frnn_schedule"));
  FRNN_TRY(at_least("optimizer.warmup", o.warmup, 0));
  return at_least("optimizer.period", o.period, o.schedule == FRNN_CONSTANT ? 0 : 1);
}

Status validate(const frnn_tensors& tensors) {
  FRNN_TRY(at_least("tensors.count", tensors.count, 0));
  if (tensors.lists < 1 || tensors.lists > kMostLists) {
    return invalid(format("tensors.lists: expected 1 to %lld, got %lld",
                          static_cast<Wide>(kMostLists), static_cast<Wide>(tensors.lists)));
  }
  FRNN_TRY(check_product("tensors: lists * count", {tensors.lists, tensors.count}));
  FRNN_TRY(check_addresses({{"tensors.dtypes", tensors.dtypes, true, 8},
                            {"tensors.lengths", tensors.lengths, tensors.count > 0, 8}}));
  const int64_t* dtypes = reinterpret_cast<const int64_t*>(tensors.dtypes);
  for (int64_t list = 0; list < tensors.lists; ++list) {
    FRNN_TRY(check_dtype(format("tensors.dtypes[%lld]", static_cast<Wide>(list)).c_str(),
                         dtypes[list], true));
  }
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
