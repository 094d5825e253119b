#include "host/validate.h"

#include <cmath>
#include <initializer_list>

#include "host/plan.h"

namespace frnn {
namespace {

using Wide = long long;

Status invalid(std::string text) {
  return Status::fail(FRNN_INVALID_ARGUMENT, std::move(text));
}

Status at_least(const char* field, int64_t value, int64_t least) {
  if (value >= least) return Status::success();
  return invalid(format("%s: expected at least %lld, got %lld", field, static_cast<Wide>(least),
                        static_cast<Wide>(value)));
}

// One tensor argument: where it must be present, it is; where present, it is aligned.
struct Address {
  const char* field;
  int64_t value;
  bool required;
  int64_t alignment;
};

Status check_addresses(std::initializer_list<Address> addresses) {
  for (const Address& a : addresses) {
    if (a.value == 0) {
      if (a.required) {
        return invalid(
            format("%s: expected the address of a tensor, got 0: this call needs it", a.field));
      }
    } else if (a.value < 0 || a.value % a.alignment != 0) {
      return invalid(format("%s: expected an address aligned to %lld bytes, got 0x%llx", a.field,
                            static_cast<Wide>(a.alignment),
                            static_cast<unsigned long long>(a.value)));
    }
  }
  return Status::success();
}

// The product of the sizes, in bytes of 8, must fit 63 bits: no later computation can overflow.
Status check_product(const char* what, std::initializer_list<int64_t> sizes) {
  int64_t product = 8;
  for (int64_t size : sizes) {
    if (size == 0) return Status::success();
    if (__builtin_mul_overflow(product, size, &product)) {
      return invalid(format("%s: the sizes multiply to more than 2^60 elements", what));
    }
  }
  return Status::success();
}

Status check_dtype(const char* field, int64_t dtype) {
  if (dtype == FRNN_F32) return Status::success();
  static const char* const names[] = {"f64", "f32", "bf16", "f16", "i32"};
  if (dtype < 0 || dtype > FRNN_I32) {
    return invalid(format("%s: expected an frnn_dtype from 0 to %d, got %lld", field, FRNN_I32,
                          static_cast<Wide>(dtype)));
  }
  return Status::fail(
      FRNN_UNSUPPORTED,
      format("%s: the native backends compute in f32, got %s: convert to f32, or use the "
             "reference backend for f64",
             field, names[dtype]));
}

Status check_flags(const char* field, int64_t flags, int64_t known) {
  if ((flags & ~known) == 0) return Status::success();
  return invalid(format("%s: expected only bits of 0x%llx here, got 0x%llx", field,
                        static_cast<unsigned long long>(known),
                        static_cast<unsigned long long>(flags)));
}

Status check_backend(const std::string& backend) {
  if (backend == "cpu" || backend == "cuda" || backend == "emulated") return Status::success();
  return invalid(format("backend: expected cpu, cuda or emulated, got '%s'", backend.c_str()));
}

// What only an LSTM has.
Status check_lstm_options(const frnn_rnn& rnn) {
  if (rnn.cell == FRNN_LSTM) return Status::success();
  const struct {
    const char* field;
    bool set;
  } options[] = {{"rnn.variant", rnn.variant != 0},
                 {"rnn.P", rnn.P != 0},
                 {"rnn.cell_clip", rnn.cell_clip != 0},
                 {"rnn.zoneout_c", rnn.zoneout_c != 0}};
  for (const auto& option : options) {
    if (!option.set) continue;
    return invalid(format("%s: expected 0 for this cell: only an LSTM has it", option.field));
  }
  return Status::success();
}

Status check_variant(const frnn_rnn& rnn) {
  FRNN_TRY(check_lstm_options(rnn));
  constexpr int64_t kKnown =
      FRNN_PEEPHOLE | FRNN_COUPLED | FRNN_NO_INPUT_GATE | FRNN_NO_FORGET_GATE | FRNN_NO_OUTPUT_GATE;
  FRNN_TRY(check_flags("rnn.variant", rnn.variant, kKnown));
  const int64_t input = rnn.variant & (FRNN_COUPLED | FRNN_NO_INPUT_GATE);
  const int64_t forget = rnn.variant & (FRNN_COUPLED | FRNN_NO_FORGET_GATE);
  if ((input & (input - 1)) != 0 || (forget & (forget - 1)) != 0) {
    return invalid(
        "rnn.variant: FRNN_COUPLED sets both the input and the forget gate: it excludes "
        "FRNN_NO_INPUT_GATE and FRNN_NO_FORGET_GATE");
  }
  FRNN_TRY(at_least("rnn.P", rnn.P, 0));
  if (rnn.P >= rnn.H && rnn.P != 0) {
    return invalid(
        format("rnn.P: expected a projection smaller than H = %lld, or 0 for none, got "
               "%lld",
               static_cast<Wide>(rnn.H), static_cast<Wide>(rnn.P)));
  }
  if (!(rnn.cell_clip >= 0) || std::isinf(rnn.cell_clip)) {
    return invalid(
        format("rnn.cell_clip: expected a number above 0, or 0 for none, got %g", rnn.cell_clip));
  }
  FRNN_TRY(check_probability("rnn.recurrent_dropout", rnn.recurrent_dropout));
  FRNN_TRY(check_probability("rnn.zoneout_h", rnn.zoneout_h));
  return check_probability("rnn.zoneout_c", rnn.zoneout_c);
}

// A leading dimension of 0 is a dense one.
Status check_rows(const char* field, int64_t ld, int64_t features) {
  if (ld == 0 || ld >= features) return Status::success();
  return invalid(
      format("%s: expected at least %lld, the width of a row, or 0 for dense rows, got "
             "%lld",
             field, static_cast<Wide>(features), static_cast<Wide>(ld)));
}

Status check_variant_addresses(const frnn_rnn& rnn, bool work, bool forward) {
  const bool projects = rnn.P > 0, peeps = (rnn.variant & FRNN_PEEPHOLE) != 0;
  if ((!projects && (rnn.w_hr | rnn.dw_hr) != 0) ||
      (!peeps && (rnn.w_peephole | rnn.dw_peephole) != 0)) {
    return invalid(
        "rnn.w_hr, rnn.w_peephole: expected 0 where rnn.P is 0 or rnn.variant lacks FRNN_PEEPHOLE");
  }
  return check_addresses({{"rnn.w_hr", rnn.w_hr, work && projects, 4},
                          {"rnn.w_peephole", rnn.w_peephole, work && peeps, 4},
                          {"rnn.lengths", rnn.lengths, false, 4},
                          {"rnn.dw_hr", forward ? 0 : rnn.dw_hr, false, 4},
                          {"rnn.dw_peephole", forward ? 0 : rnn.dw_peephole, false, 4}});
}

Status check_rnn_shape(const frnn_rnn& rnn) {
  if (rnn.cell < FRNN_LSTM || rnn.cell > FRNN_RNN_RELU) {
    return invalid(format("rnn.cell: expected an frnn_cell from 0 to %d, got %lld", FRNN_RNN_RELU,
                          static_cast<Wide>(rnn.cell)));
  }
  FRNN_TRY(check_dtype("rnn.dtype", rnn.dtype));
  FRNN_TRY(check_flags("rnn.flags", rnn.flags,
                       FRNN_TRAINING | FRNN_ACCUMULATE | FRNN_ALLOW_TF32 | FRNN_REVERSE |
                           FRNN_BATCH_FIRST | FRNN_ACCUMULATE_DX));
  FRNN_TRY(at_least("rnn.T", rnn.T, 0));
  FRNN_TRY(at_least("rnn.B", rnn.B, 0));
  FRNN_TRY(at_least("rnn.I", rnn.I, 1));
  FRNN_TRY(at_least("rnn.H", rnn.H, 1));
  const int64_t widest = 16;  // no layout of ours holds more than 16 values for a unit and step
  FRNN_TRY(check_product("rnn: T * B * H", {rnn.T + 1, rnn.B, rnn.H, widest}));
  FRNN_TRY(check_product("rnn: T * B * I", {rnn.T, rnn.B, rnn.I}));
  FRNN_TRY(check_product("rnn: G * H * I", {widest, rnn.H, rnn.I}));
  FRNN_TRY(check_product("rnn: G * H * H", {widest, rnn.H, rnn.H}));
  FRNN_TRY(check_variant(rnn));
  FRNN_TRY(check_rows("rnn.x_ld", rnn.x_ld, rnn.I));
  FRNN_TRY(check_rows("rnn.y_ld", rnn.y_ld, width_of(rnn.H, rnn.P)));
  return check_product("rnn: T * B * ld", {rnn.T, rnn.B, rnn.x_ld + rnn.y_ld});
}

Status check_rnn_forward(const frnn_rnn& rnn, bool work) {
  FRNN_TRY(check_addresses({{"rnn.w_ih", rnn.w_ih, work, 4},
                            {"rnn.w_hh", rnn.w_hh, work, 4},
                            {"rnn.b_ih", rnn.b_ih, false, 4},
                            {"rnn.b_hh", rnn.b_hh, false, 4},
                            {"rnn.x", rnn.x, work, 4},
                            {"rnn.h0", rnn.h0, false, 4},
                            {"rnn.c0", rnn.c0, false, 4},
                            {"rnn.y", rnn.y, work, 4},
                            {"rnn.hT", rnn.hT, false, 4},
                            {"rnn.cT", rnn.cT, false, 4}}));
  const bool aliased = (rnn.hT != 0 && rnn.hT == rnn.h0) || (rnn.cT != 0 && rnn.cT == rnn.c0);
  if (aliased && (rnn.flags & FRNN_TRAINING) != 0) {
    return invalid(
        "rnn.hT, rnn.cT: with FRNN_TRAINING they must not be the memory of h0 and c0, which the "
        "backward pass reads again: give them memory of their own");
  }
  return Status::success();
}

Status check_rnn_backward(const frnn_rnn& rnn, bool work) {
  FRNN_TRY(check_addresses({{"rnn.w_ih", rnn.w_ih, work, 4},
                            {"rnn.w_hh", rnn.w_hh, work, 4},
                            {"rnn.b_ih", rnn.b_ih, false, 4},
                            {"rnn.b_hh", rnn.b_hh, false, 4},
                            {"rnn.x", rnn.x, work, 4},
                            {"rnn.h0", rnn.h0, false, 4},
                            {"rnn.c0", rnn.c0, false, 4},
                            {"rnn.y", rnn.y, work, 4}}));
  return check_addresses({{"rnn.dy", rnn.dy, false, 4},
                          {"rnn.dhT", rnn.dhT, false, 4},
                          {"rnn.dcT", rnn.dcT, false, 4},
                          {"rnn.dx", rnn.dx, false, 4},
                          {"rnn.dh0", rnn.dh0, false, 4},
                          {"rnn.dc0", rnn.dc0, false, 4},
                          {"rnn.dw_ih", rnn.dw_ih, false, 4},
                          {"rnn.dw_hh", rnn.dw_hh, false, 4},
                          {"rnn.db_ih", rnn.db_ih, false, 4},
                          {"rnn.db_hh", rnn.db_hh, false, 4}});
}

Status check_no_cell_state(const frnn_rnn& rnn) {
  if (rnn.cell == FRNN_LSTM) return Status::success();
  if ((rnn.c0 | rnn.cT | rnn.dcT | rnn.dc0) == 0) return Status::success();
  return invalid("rnn.c0, rnn.cT, rnn.dcT, rnn.dc0: only an LSTM has a cell state: leave them 0");
}

Status check_table(const char* what, int64_t dtype, int64_t table, int64_t chunks) {
  FRNN_TRY(check_dtype(what, dtype));
  FRNN_TRY(at_least("chunks", chunks, 0));
  return check_addresses({{"table", table, chunks > 0, 8}});
}

}  // namespace

Status check_room(const char* what, int64_t address, int64_t given, int64_t needed) {
  if (needed == 0) return Status::success();
  if (given < needed) {
    return Status::fail(FRNN_WORKSPACE_TOO_SMALL,
                        format("%s_bytes: expected at least %lld bytes for this call, got %lld",
                               what, static_cast<Wide>(needed), static_cast<Wide>(given)));
  }
  if (address == 0 || address % 16 != 0) {
    return invalid(format("%s: expected an address aligned to 16 bytes, got 0x%llx", what,
                          static_cast<unsigned long long>(address)));
  }
  return Status::success();
}

Status check_probability(const char* field, double p) {
  if (p >= 0 && p < 1) return Status::success();
  return invalid(format("%s: expected a probability in [0, 1), got %g", field, p));
}

frnn_rnn_sizes rnn_sizes(const frnn_rnn& rnn, const std::string& backend) {
  if (rnn.T == 0 || rnn.B == 0) return frnn_rnn_sizes{0, 0, 0};
  return backend == "cpu" ? cpu_rnn_sizes(rnn) : gpu_rnn_sizes(rnn);
}

int64_t linear_workspace_bytes(const frnn_linear& linear, const std::string& backend) {
  if (linear.N == 0) return 0;
  return backend == "cpu" ? cpu_linear_workspace_bytes(linear) : gpu_linear_workspace_bytes(linear);
}

Status validate(const frnn_rnn& rnn, Pass pass, const std::string& backend) {
  FRNN_TRY(check_backend(backend));
  FRNN_TRY(check_rnn_shape(rnn));
  if (pass == Pass::kSizes) return Status::success();
  FRNN_TRY(check_no_cell_state(rnn));
  const bool work = rnn.T > 0 && rnn.B > 0;
  const bool forward = pass == Pass::kForward;
  FRNN_TRY(forward ? check_rnn_forward(rnn, work) : check_rnn_backward(rnn, work));
  FRNN_TRY(check_variant_addresses(rnn, work, forward));
  frnn_rnn sized = rnn;
  if (!forward) sized.flags |= FRNN_TRAINING;
  const frnn_rnn_sizes sizes = rnn_sizes(sized, backend);
  if ((sized.flags & FRNN_TRAINING) != 0) {
    FRNN_TRY(check_room("rnn.reserve", rnn.reserve, rnn.reserve_bytes, sizes.reserve_bytes));
  }
  return check_room("rnn.workspace", rnn.workspace, rnn.workspace_bytes,
                    forward ? sizes.forward_workspace_bytes : sizes.backward_workspace_bytes);
}

Status check_served(const Device& device, const frnn_rnn& rnn, const std::string& backend) {
  constexpr int64_t kFamily = FRNN_REVERSE | FRNN_BATCH_FIRST | FRNN_ACCUMULATE_DX;
  const bool plain = (rnn.flags & kFamily) == 0 && rnn.variant == 0 && rnn.P == 0 &&
                     rnn.lengths == 0 && rnn.x_ld == 0 && rnn.y_ld == 0 && rnn.cell_clip == 0 &&
                     rnn.recurrent_dropout == 0 && rnn.zoneout_h == 0 && rnn.zoneout_c == 0;
  if (plain || device.serves_family()) return Status::success();
  return Status::fail(
      FRNN_UNSUPPORTED,
      format("the %s backend computes plain cells in one direction, time first, with "
             "rows of equal length: use the reference backend for the rest",
             backend.c_str()));
}

Status validate(const frnn_linear& linear, Pass pass, const std::string& backend) {
  FRNN_TRY(check_backend(backend));
  FRNN_TRY(check_dtype("linear.dtype", linear.dtype));
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
  FRNN_TRY(check_dtype("embedding.dtype", embedding.dtype));
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
  FRNN_TRY(check_dtype("softmax_xent.dtype", xent.dtype));
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
  if (clip.scale != 0 && clip.scale != 1) {
    return invalid(format("clip.scale: expected 0 or 1, got %lld", static_cast<Wide>(clip.scale)));
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
  FRNN_TRY(check_dtype("tensors.dtype", tensors.dtype));
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
