// What one thread works out once in a step, in double, on every backend: a clip's result from a
// norm, the learning rate, the bias corrections, the loss scale. And how a gradient is read.

#ifndef FUSEDRNN_SRC_HOST_STEP_H_
#define FUSEDRNN_SRC_HOST_STEP_H_

#include <cmath>

#include "cells/optimizer.h"
#include "fusedrnn.h"
#include "host/table.h"
#include "machine/numbers.h"

namespace frnn {

constexpr uint32_t kInfinityBits = 0x7f800000u;

FRNN_HOST_DEVICE uint32_t magnitude_bits(float g) {
  return machine::bits_of(g) & 0x7fffffffu;
}

// FRNN_CLAMP: NaN is read as 0, infinity as `infinite` with its sign; with infinite = 0 g stays.
FRNN_HOST_DEVICE float finite_gradient(float g, float infinite) {
  if (infinite == 0.0f || magnitude_bits(g) < kInfinityBits) return g;
  if (magnitude_bits(g) > kInfinityBits) return 0.0f;
  return g > 0.0f ? infinite : -infinite;
}

FRNN_HOST_DEVICE double loss_scale_at(int64_t address) {
  return address == 0 ? 1.0 : reinterpret_cast<const frnn_loss_scale*>(address)->scale;
}

// What FRNN_CLAMP reads an infinite element as, in the list's own scale; 0 for other policies.
FRNN_HOST_DEVICE double infinite_of(const frnn_clip& clip) {
  if (clip.policy != FRNN_CLAMP) return 0.0;
  const int64_t dtype = dtype_of(clip.layout, clip.list);
  const double largest = dtype == FRNN_F16    ? 65504.0
                         : dtype == FRNN_BF16 ? 0x1.fep127
                                              : 0x1.fffffep127;
  const double limit = clip.max_norm * loss_scale_at(clip.loss_scale);
  return limit < largest ? limit : largest;
}

FRNN_HOST_DEVICE bool already_failed(const frnn_clip& clip) {
  return clip.policy == FRNN_ERROR &&
         reinterpret_cast<const frnn_clip_result*>(clip.result)->failed != 0;
}

// `value` is the sum of squares, the sum of magnitudes or the largest magnitude, over all tensors
// or, where `tensor`, over one.
FRNN_HOST_DEVICE void conclude_clip(const frnn_clip& clip, bool tensor, double value, bool finite,
                                    frnn_clip_result* result) {
  const double scale = loss_scale_at(clip.loss_scale);
  const double norm = (clip.norm_kind == FRNN_L2 ? ::sqrt(value) : value) / scale;
  const bool measured = clip.action != FRNN_CLAMP_ELEMENTS && tensor == (clip.per_tensor != 0);
  const bool stops = clip.policy == FRNN_ERROR || clip.policy == FRNN_SKIP;
  result->norm = norm;
  result->coefficient = !measured || norm <= clip.max_norm ? 1.0 : clip.max_norm / norm;
  result->finite = finite ? 1 : 0;
  result->calls += 1;
  result->skip = !tensor && stops && !finite ? 1 : 0;
  result->failed = result->skip != 0 && clip.policy == FRNN_ERROR ? result->calls : 0;
  result->factor = clip.action == FRNN_MEASURE ? result->coefficient / scale : 1.0;
  result->infinite = infinite_of(clip);
}

// (1 + cos(pi r)) / 2.
FRNN_HOST_DEVICE double half_cosine(double r) {
#if defined(__CUDA_ARCH__)
  return 0.5 * (1.0 + ::cospi(r));  // without the range reduction that would need a stack
#else
  return 0.5 * (1.0 + ::cos(3.14159265358979323846 * r));
#endif
}

// The learning rate of a step, counted from 1.
FRNN_HOST_DEVICE double scheduled_rate(const frnn_optimizer& o, double learning_rate,
                                       int64_t step) {
  if (step <= o.warmup) {
    return learning_rate * (static_cast<double>(step) / static_cast<double>(o.warmup));
  }
  const double u = static_cast<double>(step - o.warmup);
  const double period = static_cast<double>(o.period);
  const double r = u < period ? u / period : 1.0;
  switch (o.schedule) {
    case FRNN_LINEAR:
      return learning_rate * (1.0 - (1.0 - o.decay) * r);
    case FRNN_COSINE:
      return learning_rate * (o.decay + (1.0 - o.decay) * half_cosine(r));
    case FRNN_EXPONENTIAL:
      return learning_rate * ::pow(o.decay, u / period);
    case FRNN_STEP:
      return learning_rate * ::pow(o.decay, ::floor(u / period));
    case FRNN_INVERSE_SQRT:
      return learning_rate * ::sqrt(period / (period + u));
    default:
      return learning_rate;
  }
}

FRNN_HOST_DEVICE void move_loss_scale(const frnn_optimizer& o, bool finite,
                                      frnn_loss_scale* loss_scale) {
  loss_scale->good_steps = finite ? loss_scale->good_steps + 1 : 0;
  if (finite && loss_scale->good_steps < o.growth_interval) return;
  loss_scale->good_steps = 0;
  const double moved = loss_scale->scale * (finite ? o.growth_factor : o.backoff_factor);
  loss_scale->scale = moved > 0x1p40 ? 0x1p40 : moved < 0x1p-40 ? 0x1p-40 : moved;
}

// Opens a step: whether it is made, and with what rates. `fits`: the table is of o.layout.
FRNN_HOST_DEVICE void begin_step(const frnn_optimizer& o, bool fits) {
  frnn_optimizer_state* const s = reinterpret_cast<frnn_optimizer_state*>(o.state);
  const frnn_clip_result* const clip = reinterpret_cast<const frnn_clip_result*>(o.clip);
  s->failed = fits ? 0 : 1;
  s->apply = fits && (clip == nullptr || clip->skip == 0) ? 1 : 0;
  if (o.loss_scale != 0 && fits && clip->failed == 0) {
    move_loss_scale(o, clip->finite != 0, reinterpret_cast<frnn_loss_scale*>(o.loss_scale));
  }
  if (s->apply == 0) {
    s->skipped += 1;
    return;
  }
  s->step += 1;
  s->rate = scheduled_rate(o, s->learning_rate, s->step);
  const bool adam = o.kind == FRNN_ADAM || o.kind == FRNN_ADAMW;
  const double step = static_cast<double>(s->step);
  s->step_size = adam ? s->rate / (1.0 - ::pow(o.beta1, step)) : s->rate;
  s->inverse_bias2 = adam ? 1.0 / (1.0 - ::pow(o.beta2, step)) : 1.0;
  s->decay = o.kind == FRNN_ADAMW ? s->rate * o.weight_decay : 0.0;
  s->factor = clip == nullptr || o.per_tensor != 0 ? 1.0 : clip->factor;
}

// The rates of a step that was begun.
FRNN_HOST_DEVICE UpdateRates<float> update_rates(const frnn_optimizer& o) {
  const frnn_optimizer_state& s = *reinterpret_cast<const frnn_optimizer_state*>(o.state);
  return {static_cast<float>(s.step_size),
          static_cast<float>(o.kind == FRNN_ADAMW ? 0.0 : o.weight_decay),
          static_cast<float>(o.beta1),
          static_cast<float>(o.beta2),
          static_cast<float>(1.0 - o.beta1),
          static_cast<float>(1.0 - o.beta2),
          static_cast<float>(s.inverse_bias2),
          static_cast<float>(o.epsilon),
          static_cast<float>(s.decay)};
}

// What a gradient of tensor k is multiplied with, and what its infinities are read as.
struct GradientReading {
  float factor;
  float infinite;
};
FRNN_HOST_DEVICE GradientReading gradient_reading(const frnn_optimizer& o, int64_t tensor) {
  const frnn_optimizer_state& s = *reinterpret_cast<const frnn_optimizer_state*>(o.state);
  if (o.clip == 0) return {static_cast<float>(s.factor), 0.0f};
  const frnn_clip_result* const clip = reinterpret_cast<const frnn_clip_result*>(o.clip);
  const double factor = o.per_tensor != 0 ? clip[1 + tensor].factor : s.factor;
  return {static_cast<float>(factor), static_cast<float>(clip->infinite)};
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_STEP_H_
