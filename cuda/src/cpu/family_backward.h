// What the backward units of the general path share: a call's memory, and where a row of a step and
// a group of units lie in it.

#ifndef FUSEDRNN_SRC_CPU_FAMILY_BACKWARD_H_
#define FUSEDRNN_SRC_CPU_FAMILY_BACKWARD_H_

#include "cpu/family.h"

namespace frnn::cpu::FRNN_CPU_ISA::backward {

struct Call : FamilyShape {
  const Family& family;
  LstmBlocks blocks;
  Panels w_hh, w_hr;
  int64_t gradient_row;
  const float *gates, *kept_hin, *kept_c, *kept_middle, *kept_inner, *kept_normal, *kept_recurrent,
      *kept_scale;
  float *gradients, *now, *dh, *dc, *projected, *projected_rows, *mask, *x_copy;
  float *recurrent, *inner, *normal_c, *row_c, *row;  // layer norm

  explicit Call(const Family& f)
      : FamilyShape(f.rnn),
        family(f),
        blocks(lstm_blocks(f.rnn)),
        w_hh{N, R * H, nullptr},
        w_hr{H, N, nullptr},
        gradient_row(l.gradients * H) {
    float* work = line_start(rnn.workspace);
    w_hh.packed = work + l.back_w_hh;
    w_hr.packed = work + l.back_w_hr;
    gradients = work + l.back_gradients;
    now = work + l.back_step;
    dh = work + l.back_dh;
    dc = work + l.back_dc;
    projected = work + l.back_projected;
    projected_rows = work + l.back_projected_rows;
    mask = work + l.back_mask;
    x_copy = work + l.back_x;
    recurrent = work + l.back_recurrent;
    inner = work + l.back_inner;
    normal_c = work + l.back_normal_c;
    row_c = work + l.back_row_c;
    row = work + l.back_row;
    const float* kept = line_start(rnn.reserve);
    gates = kept + l.kept_gates;
    kept_hin = kept + l.kept_hin;
    kept_c = kept + l.kept_c;
    kept_middle = kept + l.kept_middle;
    kept_inner = kept + l.kept_inner;
    kept_normal = kept + l.kept_normal;
    kept_recurrent = kept + l.kept_recurrent;
    kept_scale = kept + l.kept_scale;
  }
};

// One live row of one step and one group of units.
struct Spot {
  int64_t s, b;
  int64_t t, row;
  int64_t unit, lanes;
};

static inline Spot spot_of(const Call& call, int64_t s, int64_t b, int64_t unit, int64_t lanes) {
  const int64_t t = call.time_of(s, b);
  return {s, b, t, call.row_at(t, b), unit, lanes};
}

static inline Vec load_gate(const Call& call, const Spot& at, int64_t block) {
  return load_first(call.gates + (at.row * call.G + block) * call.H + at.unit, at.lanes);
}
static inline Vec load_kept(const Call& call, const Spot& at, const float* kept) {
  return load_first(kept + at.row * call.H + at.unit, at.lanes);
}
// The gradient of block `block` of the weights' rows on the input's side...
static inline void write_input(const Call& call, const Spot& at, int64_t block, Vec value) {
  store_first(call.gradients + at.row * call.gradient_row + block * call.H + at.unit, value,
              at.lanes);
}
// ... and on the recurrent side, which the step's product reads.
static inline void write_recurrent(const Call& call, const Spot& at, int64_t block, Vec value) {
  store_first(call.now + (at.b * call.R + block) * call.H + at.unit, value, at.lanes);
}
static inline void write_both(const Call& call, const Spot& at, int64_t block, Vec value) {
  write_input(call, at, block, value);
  write_recurrent(call, at, block, value);
}

// h of the step before, unmasked.
static inline Vec state_before(const Call& call, const Spot& at) {
  if (at.s > 0) {
    const int64_t row = call.row_at(call.reverse ? at.t + 1 : at.t - 1, at.b);
    return load_first(floats_at(call.rnn.y) + row * call.y_ld + at.unit, at.lanes);
  }
  if (call.rnn.h0 == 0) return Vec(0.0f);
  return load_first(floats_at(call.rnn.h0) + at.b * call.N + at.unit, at.lanes);
}

// Takes dh of a spot with its part of dy, sets aside what zoneout hands to the old h, and returns
// the gradient of the new h.
static inline Vec take_dh(const Call& call, const Spot& at) {
  float* dh_at = call.dh + at.b * call.N + at.unit;
  Vec dh = load_first(dh_at, at.lanes);
  if (call.rnn.dy != 0) {
    dh += load_first(floats_at(call.rnn.dy) + at.row * call.y_ld + at.unit, at.lanes);
  }
  const Vec zero(0.0f);
  if (call.rnn.zoneout_h == 0) {
    store_first(dh_at, zero, at.lanes);
    return dh;
  }
  const int64_t element = (at.t * call.B + at.b) * call.N + at.unit;
  const Ints dropped = dropped_lanes(call.family.zoneout_h, element, at.lanes);
  store_first(dh_at, select(dropped, dh, zero), at.lanes);
  return select(dropped, zero, dh);
}
static inline void add_dh(const Call& call, const Spot& at, Vec value) {
  float* dh_at = call.dh + at.b * call.N + at.unit;
  store_first(dh_at, load_first(dh_at, at.lanes) + value, at.lanes);
}

// Layer norm, norm_backward.cpp: one step, up to the gradient of R h, in place of the plain cell's.
void layer_norm_step(const Worker& worker, const Call& call, const Part& part, int64_t s);
// Either norm: gradients of what it wrote become those of W x, and those of gains are summed.
void denormalise_inputs(const Worker& worker, const Call& call);
// The gradients of the gains of layer norm that are not of W x.
void layer_norm_gains(const Worker& worker, const Call& call);
// All that is summed over steps and rows, family_gradients.cpp.
void parameter_gradients(const Worker& worker, const Call& call);

}  // namespace frnn::cpu::FRNN_CPU_ISA::backward

#endif  // FUSEDRNN_SRC_CPU_FAMILY_BACKWARD_H_
