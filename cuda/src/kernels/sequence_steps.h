// What the kernels of kernels/sequence.h share: which time a step is for a row, and how the state h
// and its gradient pass a step. One thread owns one element (b, j) of a [B, width] tensor.

#ifndef FUSEDRNN_SRC_KERNELS_SEQUENCE_STEPS_H_
#define FUSEDRNN_SRC_KERNELS_SEQUENCE_STEPS_H_

#include "kernels/sequence.h"
#include "machine/device.h"

namespace frnn {

using machine::narrow;
using machine::widen;

constexpr int kSequenceThreads = 128;

struct Place {
  int b, j;
  int64_t state;  // offset of (b, j) in [B, width]
  bool inside;
};

FRNN_DEVICE Place my_place(int B, int width) {
  const unsigned index = static_cast<unsigned>(machine::block_index()) * kSequenceThreads +
                         static_cast<unsigned>(machine::thread_index());
  const unsigned b = index / static_cast<unsigned>(width);  // B * width < 2^31
  const unsigned j = index - b * static_cast<unsigned>(width);
  return {static_cast<int>(b), static_cast<int>(j), static_cast<int64_t>(index),
          b < static_cast<unsigned>(B)};
}

struct Time {
  bool live;
  bool first;   // the row's first step: before it stands h0
  int64_t row;  // of this time of the data; of a row that no longer lives: where zeros belong
  int64_t row_before;  // of the step before
  int64_t dense;       // t * B + b, whatever the layout: for masks
};

FRNN_DEVICE Time time_of(const Sequence& s, int b) {
  int length = s.T;
  if (s.lengths != nullptr) {
    length = s.lengths[b];
    length = length < 0 ? 0 : (length > s.T ? s.T : length);
  }
  const bool live = s.step < length;
  const int64_t t = live && s.reverse ? length - 1 - s.step : s.step;
  const int64_t before = s.reverse ? t + 1 : t - 1;
  const int64_t B = s.B, T = s.T;
  return {live, s.step == 0, s.batch_first ? b * T + t : t * B + b,
          s.batch_first ? b * T + before : before * B + b, t * B + b};
}

// The new state after zoneout: in training a masked element stays what it was.
FRNN_DEVICE float zoned(const Sequence& s, const Mask& mask, float keep, int64_t element, float old,
                        float fresh) {
  if (s.training) return mask.threshold != 0 && dropped(mask, element) ? old : fresh;
  return keep == 0.0f ? fresh : keep * old + (1.0f - keep) * fresh;
}

// What of the gradient of the state goes to the new state and what to the old one.
FRNN_DEVICE bool zoned_old(const Mask& mask, int64_t element) {
  return mask.threshold != 0 && dropped(mask, element);
}

FRNN_DEVICE float masked(const Mask& mask, int64_t element, float value) {
  if (mask.threshold == 0) return value;
  return dropped(mask, element) ? 0.0f : value * mask.scale;
}

// Ends a forward step with the cell's h for this element: zoneout, y, the state.
template <typename Elem>
FRNN_DEVICE void end_step(const Sequence& s, const ForwardState<Elem>& to, const Place& p,
                          const Time& time, float fresh) {
  const float old = widen(to.h[p.state]);
  const Elem h = narrow<Elem>(
      time.live ? zoned(s, s.zoneout_h, s.keep_h, time.dense * s.W + p.j, old, fresh) : old);
  to.y[time.row * s.y_ld + p.j] = time.live ? h : narrow<Elem>(0.0f);
  if (to.h_last != nullptr) to.h_last[p.state] = h;
  if (!time.live) return;
  to.h[p.state] = h;
  if (to.hin != to.h) to.hin[p.state] = narrow<Elem>(masked(s.recurrent, p.state, widen(h)));
}

struct StateGradient {
  float fresh;   // the gradient of the cell's h
  float old;     // what zoneout passes by, of the state before
  float h_prev;  // the state before
  float hin;     // as the recurrent product saw it
};

// Begins a backward step: collects the gradient of h, splits it, and keeps hin for the weights'
// gradient. Of a row that does not live only `old` is meant.
template <typename Elem>
FRNN_DEVICE StateGradient begin_step(const Sequence& s, const BackwardState<Elem>& from,
                                     const Place& p, const Time& time) {
  float dh = from.dh_next != nullptr ? from.dh_next[p.state] : 0.0f;
  if (from.dhT != nullptr) dh = widen(from.dhT[p.state]);
  if (from.dhin != nullptr) dh += masked(s.recurrent, p.state, from.dhin[p.state]);
  const int64_t row = time.row * s.W + p.j;
  if (!time.live) {
    from.hin[row] = narrow<Elem>(0.0f);
    return {0.0f, dh, 0.0f, 0.0f};
  }
  if (from.dy != nullptr) dh = widen(from.dy[time.row * s.y_ld + p.j]) + dh;
  float h_prev = 0.0f;
  if (!time.first) {
    h_prev = widen(from.y[time.row_before * s.y_ld + p.j]);
  } else if (from.h0 != nullptr) {
    h_prev = widen(from.h0[p.state]);
  }
  const Elem stored = narrow<Elem>(masked(s.recurrent, p.state, h_prev));
  const float hin = widen(stored);
  from.hin[row] = stored;
  const bool old = zoned_old(s.zoneout_h, time.dense * s.W + p.j);
  return {old ? 0.0f : dh, old ? dh : 0.0f, h_prev, hin};
}

// A gradient of preactivations: to its row, and to the step's own tensor where products need one.
template <typename Elem>
FRNN_DEVICE void store_gradient(Elem* rows, Elem* step, int64_t row, int b, int columns, int column,
                                float value) {
  const Elem stored = narrow<Elem>(value);
  rows[row * columns + column] = stored;
  if (step != nullptr) step[static_cast<int64_t>(b) * columns + column] = stored;
}

// A bias that may be absent.
template <typename Elem>
FRNN_DEVICE float bias_at(const Elem* bias, int64_t at) {
  return bias != nullptr ? widen(bias[at]) : 0.0f;
}

template <typename Args>
Status launch_sequence(const Queue& queue, const char* name, void (*kernel)(Args), int64_t elements,
                       const Args& args) {
  return queue.context.launch(name, kernel,
                              {ceil_div(elements, kSequenceThreads), kSequenceThreads, 0, false},
                              queue.stream, args);
}

inline int64_t state_elements(const Sequence& s) {
  return static_cast<int64_t>(s.B) * s.W;
}
inline int64_t unit_elements(const Sequence& s) {
  return static_cast<int64_t>(s.B) * s.H;
}

// Instantiates a launcher for all element types.
#define FRNN_FOR_ALL_ELEMENTS(launcher, Args)                                        \
  template Status launcher<float>(const Queue&, const Args<float>&);                 \
  template Status launcher<machine::Bf16>(const Queue&, const Args<machine::Bf16>&); \
  template Status launcher<machine::F16>(const Queue&, const Args<machine::F16>&)

}  // namespace frnn

#endif  // FUSEDRNN_SRC_KERNELS_SEQUENCE_STEPS_H_
