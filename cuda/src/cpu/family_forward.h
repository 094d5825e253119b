// What the forward units of the general path share: a call's memory, and where a row of a step and
// a group of units lie in it.

#ifndef FUSEDRNN_SRC_CPU_FAMILY_FORWARD_H_
#define FUSEDRNN_SRC_CPU_FAMILY_FORWARD_H_

#include "cpu/family.h"

namespace frnn::cpu::FRNN_CPU_ISA::forward {

struct Call : FamilyShape {
  const Family& family;
  LstmBlocks blocks;
  Panels w_ih, w_hr;
  float *w_hh, *bias_x, *bias_h, *gates, *h, *hin, *c, *middle, *inner, *mask, *raw;
  float *kept_hin, *kept_c, *kept_middle, *kept_inner, *kept_normal, *kept_recurrent,
      *kept_scale;  // null without training

  explicit Call(const Family& f)
      : FamilyShape(f.rnn),
        family(f),
        blocks(lstm_blocks(f.rnn)),
        w_ih{G * H, I, nullptr},
        w_hr{N, H, nullptr} {
    float* work = line_start(rnn.workspace);
    w_hh = work + l.w_hh;
    w_ih.packed = work + l.w_ih;
    w_hr.packed = work + l.w_hr;
    bias_x = work + l.bias_x;
    bias_h = work + l.bias_h;
    gates = work + l.gates;
    h = work + l.h;
    hin = work + l.hin;
    c = work + l.c;
    middle = work + l.middle;
    inner = work + l.inner;
    mask = work + l.mask;
    raw = work + l.raw;
    kept_hin = kept_c = kept_middle = kept_inner = nullptr;
    kept_normal = kept_recurrent = kept_scale = nullptr;
    if (!training) return;
    float* kept = line_start(rnn.reserve);
    gates = kept + l.kept_gates;
    kept_hin = kept + l.kept_hin;
    kept_c = kept + l.kept_c;
    kept_middle = kept + l.kept_middle;
    kept_inner = kept + l.kept_inner;
    kept_normal = kept + l.kept_normal;
    kept_recurrent = kept + l.kept_recurrent;
    kept_scale = kept + l.kept_scale;
  }

  float* hin_of(int64_t s) const { return hin + (s & 1) * B * N; }
  float* inner_of(int64_t s) const { return inner + (s & 1) * B * N; }

  // State h of row b goes into the recurrent product of step s.
  void enter(int64_t s, int64_t b, int64_t unit, int64_t lanes, Vec value) const {
    const Vec masked = value * load_first(mask + b * N + unit, lanes);
    const bool keeps = training && s < length(b);
    const int64_t kept_at = keeps ? row_at(time_of(s, b), b) * N + unit : 0;
    store_first(hin_of(s) + b * N + unit, masked, lanes);
    if (keeps) store_first(kept_hin + kept_at, masked, lanes);
    if (rnn.cell != FRNN_MUT3) return;  // whose update gate sees tanh(h)
    const Vec squashed = tanh(masked);
    store_first(inner_of(s) + b * N + unit, squashed, lanes);
    if (keeps) store_first(kept_inner + kept_at, squashed, lanes);
  }
  // A unit that zoneout drops keeps its old value; without training, the expectation.
  Vec zoneout(const Mask& drop, double p, int64_t element, int64_t lanes, Vec old, Vec now) const {
    if (p == 0) return now;
    if (training) return select(dropped_lanes(drop, element, lanes), old, now);
    return Vec(static_cast<float>(p)) * old + Vec(static_cast<float>(1.0 - p)) * now;
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

static inline float* gate_at(const Call& call, const Spot& at, int64_t block) {
  return call.gates + (at.row * call.G + block) * call.H + at.unit;
}
static inline Vec load_gate(const Call& call, const Spot& at, int64_t block) {
  return load_first(gate_at(call, at, block), at.lanes);
}
static inline void store_gate(const Call& call, const Spot& at, int64_t block, Vec value) {
  store_first(gate_at(call, at, block), value, at.lanes);
}
// Keeps a vector of width H for backward.
static inline void keep(const Call& call, const Spot& at, float* kept, Vec value) {
  if (call.training) store_first(kept + at.row * call.H + at.unit, value, at.lanes);
}
static inline Vec state_at(const Call& call, const Spot& at) {
  return load_first(call.h + at.b * call.N + at.unit, at.lanes);
}

// The new h of a spot: zoneout, state, output, and what the next step multiplies.
static inline void finish(const Call& call, const Spot& at, Vec now) {
  const Vec old = state_at(call, at);
  const int64_t element = (at.t * call.B + at.b) * call.N + at.unit;
  const Vec h =
      call.zoneout(call.family.zoneout_h, call.rnn.zoneout_h, element, at.lanes, old, now);
  store_first(call.h + at.b * call.N + at.unit, h, at.lanes);
  store_first(floats_at(call.rnn.y) + at.row * call.y_ld + at.unit, h, at.lanes);
  call.enter(at.s + 1, at.b, at.unit, at.lanes, h);
}

// Layer norm, norm_forward.cpp: one step, in place of the plain cell's.
void layer_norm_step(const Worker& worker, const Call& call, const Part& part, int64_t s);
// Either norm, after the input product, whose results become preactivations.
void normalise_inputs(const Worker& worker, const Call& call);

}  // namespace frnn::cpu::FRNN_CPU_ISA::forward

#endif  // FUSEDRNN_SRC_CPU_FAMILY_FORWARD_H_
