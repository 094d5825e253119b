// Checks of frnn_rnn, and what each backend serves of it.

#include <cmath>

#include "host/checks.h"
#include "host/plan.h"
#include "host/validate.h"

namespace frnn {
namespace {

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

Status check_norm(const frnn_rnn& rnn) {
  if (rnn.norm < FRNN_NO_NORM || rnn.norm > FRNN_BATCH_NORM) {
    return invalid(format("rnn.norm: expected an frnn_norm from 0 to %d, got %lld", FRNN_BATCH_NORM,
                          static_cast<Wide>(rnn.norm)));
  }
  if (rnn.norm == FRNN_NO_NORM) return Status::success();
  if (rnn.norm == FRNN_LAYER_NORM && (rnn.cell != FRNN_LSTM || rnn.variant != 0 || rnn.P != 0)) {
    return invalid(
        "rnn.norm: layer norm is for the plain LSTM, without variant and projection; batch norm "
        "serves every cell");
  }
  if (!(rnn.norm_epsilon > 0) || std::isinf(rnn.norm_epsilon)) {
    return invalid(format("rnn.norm_epsilon: expected a number above 0, got %g", rnn.norm_epsilon));
  }
  if (!(rnn.norm_momentum >= 0 && rnn.norm_momentum <= 1)) {
    return invalid(
        format("rnn.norm_momentum: expected a number in [0, 1], got %g", rnn.norm_momentum));
  }
  return Status::success();
}

// A leading dimension of 0 is a dense one.
Status check_rows(const char* field, int64_t ld, int64_t features) {
  if (ld == 0 || ld >= features) return Status::success();
  return invalid(
      format("%s: expected at least %lld, the width of a row, or 0 for dense rows, got "
             "%lld",
             field, static_cast<Wide>(features), static_cast<Wide>(ld)));
}

Status check_rnn_shape(const frnn_rnn& rnn) {
  if (rnn.cell < FRNN_LSTM || rnn.cell > FRNN_MUT3) {
    return invalid(format("rnn.cell: expected an frnn_cell from 0 to %d, got %lld", FRNN_MUT3,
                          static_cast<Wide>(rnn.cell)));
  }
  FRNN_TRY(check_dtype("rnn.dtype", rnn.dtype, true));
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
  FRNN_TRY(check_norm(rnn));
  FRNN_TRY(check_rows("rnn.x_ld", rnn.x_ld, rnn.I));
  FRNN_TRY(check_rows("rnn.y_ld", rnn.y_ld, width_of(rnn.H, rnn.P)));
  return check_product("rnn: T * B * ld", {rnn.T, rnn.B, rnn.x_ld + rnn.y_ld});
}

Status check_rnn_forward(const frnn_rnn& rnn, bool work) {
  const int64_t e = bytes_of(rnn.dtype);
  FRNN_TRY(check_addresses({{"rnn.w_ih", rnn.w_ih, work, e},
                            {"rnn.w_hh", rnn.w_hh, work, e},
                            {"rnn.b_ih", rnn.b_ih, false, e},
                            {"rnn.b_hh", rnn.b_hh, false, e},
                            {"rnn.x", rnn.x, work, e},
                            {"rnn.h0", rnn.h0, false, e},
                            {"rnn.c0", rnn.c0, false, 4},
                            {"rnn.y", rnn.y, work, e},
                            {"rnn.hT", rnn.hT, false, e},
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
  const int64_t e = bytes_of(rnn.dtype);
  FRNN_TRY(check_addresses({{"rnn.w_ih", rnn.w_ih, work, e},
                            {"rnn.w_hh", rnn.w_hh, work, e},
                            {"rnn.b_ih", rnn.b_ih, false, e},
                            {"rnn.b_hh", rnn.b_hh, false, e},
                            {"rnn.x", rnn.x, work, e},
                            {"rnn.h0", rnn.h0, false, e},
                            {"rnn.c0", rnn.c0, false, 4},
                            {"rnn.y", rnn.y, work, e}}));
  return check_addresses({{"rnn.dy", rnn.dy, false, e},
                          {"rnn.dhT", rnn.dhT, false, e},
                          {"rnn.dcT", rnn.dcT, false, 4},
                          {"rnn.dx", rnn.dx, false, e},
                          {"rnn.dh0", rnn.dh0, false, e},
                          {"rnn.dc0", rnn.dc0, false, 4},
                          {"rnn.dw_ih", rnn.dw_ih, false, e},
                          {"rnn.dw_hh", rnn.dw_hh, false, e},
                          {"rnn.db_ih", rnn.db_ih, false, e},
                          {"rnn.db_hh", rnn.db_hh, false, e}});
}

Status check_variant_addresses(const frnn_rnn& rnn, bool work, bool forward) {
  const int64_t e = bytes_of(rnn.dtype);
  const bool projects = rnn.P > 0, peeps = (rnn.variant & FRNN_PEEPHOLE) != 0;
  if ((!projects && (rnn.w_hr | rnn.dw_hr) != 0) ||
      (!peeps && (rnn.w_peephole | rnn.dw_peephole) != 0)) {
    return invalid(
        "rnn.w_hr, rnn.w_peephole: expected 0 where rnn.P is 0 or rnn.variant lacks FRNN_PEEPHOLE");
  }
  return check_addresses({{"rnn.w_hr", rnn.w_hr, work && projects, e},
                          {"rnn.w_peephole", rnn.w_peephole, work && peeps, e},
                          {"rnn.lengths", rnn.lengths, false, 4},
                          {"rnn.offset_address", rnn.offset_address, false, 8},
                          {"rnn.dw_hr", forward ? 0 : rnn.dw_hr, false, e},
                          {"rnn.dw_peephole", forward ? 0 : rnn.dw_peephole, false, e}});
}

Status check_norm_addresses(const frnn_rnn& rnn, bool work, bool forward) {
  const int64_t e = bytes_of(rnn.dtype);
  const bool any = rnn.norm != FRNN_NO_NORM, layer = rnn.norm == FRNN_LAYER_NORM;
  const bool batch = rnn.norm == FRNN_BATCH_NORM;
  FRNN_TRY(check_addresses({{"rnn.norm_ih", rnn.norm_ih, work && any, e},
                            {"rnn.norm_hh", rnn.norm_hh, work && layer, e},
                            {"rnn.norm_c", rnn.norm_c, work && layer, e},
                            {"rnn.norm_c_bias", rnn.norm_c_bias, work && layer, e},
                            {"rnn.running_mean", rnn.running_mean, work && batch, 4},
                            {"rnn.running_var", rnn.running_var, work && batch, 4}}));
  if (forward) return Status::success();
  return check_addresses({{"rnn.dnorm_ih", rnn.dnorm_ih, false, e},
                          {"rnn.dnorm_hh", rnn.dnorm_hh, false, e},
                          {"rnn.dnorm_c", rnn.dnorm_c, false, e},
                          {"rnn.dnorm_c_bias", rnn.dnorm_c_bias, false, e}});
}

Status check_kernel(const frnn_rnn& rnn, const std::string& backend) {
  if (rnn.kernel < FRNN_KERNEL_AUTO || rnn.kernel > FRNN_KERNEL_CLUSTER) {
    return invalid(format("rnn.kernel: expected an frnn_kernel from 0 to %d, got %lld",
                          FRNN_KERNEL_CLUSTER, static_cast<Wide>(rnn.kernel)));
  }
  if (backend != "cpu" || rnn.kernel == FRNN_KERNEL_AUTO) return Status::success();
  return Status::fail(FRNN_UNSUPPORTED,
                      "rnn.kernel: the cpu backend has one way to run a sequence: leave it 0");
}

Status check_no_cell_state(const frnn_rnn& rnn) {
  if (rnn.cell == FRNN_LSTM) return Status::success();
  if ((rnn.c0 | rnn.cT | rnn.dcT | rnn.dc0) == 0) return Status::success();
  return invalid("rnn.c0, rnn.cT, rnn.dcT, rnn.dc0: only an LSTM has a cell state: leave them 0");
}

}  // namespace

frnn_rnn_sizes rnn_sizes(const frnn_rnn& rnn, const std::string& backend) {
  if (rnn.T == 0 || rnn.B == 0) return frnn_rnn_sizes{0, 0, 0};
  return backend == "cpu" ? cpu_rnn_sizes(rnn) : gpu_rnn_sizes(rnn);
}

Status validate(const frnn_rnn& rnn, Pass pass, const std::string& backend) {
  FRNN_TRY(check_backend(backend));
  FRNN_TRY(check_rnn_shape(rnn));
  FRNN_TRY(check_kernel(rnn, backend));
  if (pass == Pass::kSizes) return Status::success();
  FRNN_TRY(check_no_cell_state(rnn));
  const bool work = rnn.T > 0 && rnn.B > 0;
  const bool forward = pass == Pass::kForward;
  FRNN_TRY(forward ? check_rnn_forward(rnn, work) : check_rnn_backward(rnn, work));
  FRNN_TRY(check_variant_addresses(rnn, work, forward));
  FRNN_TRY(check_norm_addresses(rnn, work, forward));
  if (forward && rnn.packed != 0) FRNN_TRY(check_packed(rnn, backend));
  frnn_rnn sized = rnn;
  if (!forward) sized.flags |= FRNN_TRAINING;
  const frnn_rnn_sizes sizes = rnn_sizes(sized, backend);
  if ((sized.flags & FRNN_TRAINING) != 0) {
    FRNN_TRY(check_room("rnn.reserve", rnn.reserve, rnn.reserve_bytes, sizes.reserve_bytes));
  }
  return check_room("rnn.workspace", rnn.workspace, rnn.workspace_bytes,
                    forward ? sizes.forward_workspace_bytes : sizes.backward_workspace_bytes);
}

Status check_served(const Device& device, const frnn_rnn& rnn, Pass pass,
                    const std::string& backend) {
  if (device.planner() != nullptr && rnn.kernel != FRNN_KERNEL_AUTO) {
    RnnChoice choice;
    FRNN_TRY(device.planner()->choose(rnn, pass, &choice));
  }
  if (!is_16_bit(rnn.dtype) || device.serves_16_bit()) return Status::success();
  return Status::fail(
      FRNN_UNSUPPORTED,
      format("rnn.dtype: the %s backend does not compute in bf16 and f16: convert to "
             "f32, or use the cuda backend",
             backend.c_str()));
}

}  // namespace frnn
