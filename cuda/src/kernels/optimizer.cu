// Optimiser steps over a chunk table. List 0 holds parameters, 1 gradients, then the state, then
// perhaps the parameters in 16 bits. The rules are in cells/optimizer.h, what a step is made with
// in host/step.h.
//
// A kernel of one thread opens the step: it counts, and works out the rates. In the other each
// gradient is read once, and the clip coefficient, the loss scale and the weight decay ride on that
// read: g = factor * g + weight_decay * p. Gradients are not written.

#include "host/step.h"
#include "kernels/chunk.h"
#include "kernels/tables.h"

namespace frnn {
namespace {

constexpr int kThreads = 256;
constexpr int kMostParts = 8;  // blocks that share a chunk, so that a small model fills the device

struct Step {
  frnn_optimizer o;
  int parts;
  int64_t copy_list;  // -1: none
};

struct Descent {
  static constexpr int kStates = 0;
  static FRNN_DEVICE void update(const UpdateRates<float>& rates, float g, float& p, float&,
                                 float&) {
    descent_update(rates, g, p);
  }
};
struct Sgd {
  static constexpr int kStates = 1;
  static FRNN_DEVICE void update(const UpdateRates<float>& rates, float g, float& p, float& v,
                                 float&) {
    sgd_update(rates, g, p, v);
  }
};
struct Adagrad {
  static constexpr int kStates = 1;
  static FRNN_DEVICE void update(const UpdateRates<float>& rates, float g, float& p, float& m,
                                 float&) {
    adagrad_update(rates, g, p, m);
  }
};
struct Adam {
  static constexpr int kStates = 2;
  static FRNN_DEVICE void update(const UpdateRates<float>& rates, float g, float& p, float& m,
                                 float& v) {
    adam_update(rates, g, p, m, v);
  }
};
struct Rmsprop {
  static constexpr int kStates = 1;
  static FRNN_DEVICE void update(const UpdateRates<float>& rates, float g, float& p, float& v,
                                 float&) {
    rmsprop_update(rates, g, p, v);
  }
};
struct RmspropMomentum {
  static constexpr int kStates = 2;
  static FRNN_DEVICE void update(const UpdateRates<float>& rates, float g, float& p, float& v,
                                 float& b) {
    rmsprop_update(rates, g, p, v, b);
  }
};

// Grid: one thread.
FRNN_KERNEL_BOUNDS(32, 1) void begin_kernel(frnn_optimizer o) {
  begin_step(o, table_fits(reinterpret_cast<const void*>(o.table), o.layout, o.chunks));
}

// Grid: `parts` blocks for a chunk; a thread owns quads of elements in all lists. Bytes moved for
// an element: 12 without state and 8 for each state, less 2 for a gradient of 16 bits, and 2 for
// the copy.
template <typename Rule>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void optimizer_kernel(Step s) {
  if (reinterpret_cast<const frnn_optimizer_state*>(s.o.state)->apply == 0) return;
  const void* const table = reinterpret_cast<const void*>(s.o.table);
  const Chunk chunk = chunk_at(table, machine::block_index() / s.parts);
  const int length = static_cast<int>(chunk.length);
  const int part = machine::block_index() % s.parts * kThreads;
  if (part * kQuad >= length) return;
  const UpdateRates<float> rates = update_rates(s.o);
  const GradientReading reading = gradient_reading(s.o, chunk.tensor);
  float* const parameters = static_cast<float*>(chunk_elements(table, chunk, 0).address);
  const Elements gradients = chunk_elements(table, chunk, 1);
  float* const first =
      Rule::kStates >= 1 ? static_cast<float*>(chunk_elements(table, chunk, 2).address) : nullptr;
  float* const second =
      Rule::kStates == 2 ? static_cast<float*>(chunk_elements(table, chunk, 3).address) : nullptr;
  const Elements copy = chunk_elements(table, chunk, s.copy_list < 0 ? 0 : s.copy_list);
  for (int begin = (part + machine::thread_index()) * kQuad; begin < length;
       begin += s.parts * kThreads * kQuad) {
    float p[kQuad], g[kQuad], m[kQuad] = {}, v[kQuad] = {};
    load_quad(parameters, begin, length, p);
    load_quad(gradients, begin, g);
    if constexpr (Rule::kStates >= 1) load_quad(first, begin, length, m);
    if constexpr (Rule::kStates == 2) load_quad(second, begin, length, v);
    FRNN_UNROLL
    for (int k = 0; k < kQuad; ++k) {
      const float gradient =
          reading.factor * finite_gradient(g[k], reading.infinite) + rates.weight_decay * p[k];
      Rule::update(rates, gradient, p[k], m[k], v[k]);
    }
    store_quad(parameters, begin, length, p);
    if constexpr (Rule::kStates >= 1) store_quad(first, begin, length, m);
    if constexpr (Rule::kStates == 2) store_quad(second, begin, length, v);
    if (s.copy_list >= 0) store_quad(copy, begin, p);
  }
}

template <typename Rule>
Status launch(const Queue& queue, const char* name, const Step& step) {
  return queue.context.launch(name, optimizer_kernel<Rule>,
                              {step.o.chunks * step.parts, kThreads, 0, false}, queue.stream, step);
}

}  // namespace

Status optimizer_step(const Queue& queue, const frnn_optimizer& o) {
  FRNN_TRY(
      queue.context.launch("optimizer_begin", begin_kernel, {1, 1, 0, false}, queue.stream, o));
  const int64_t states = states_of(o.layout);
  const bool crowded = o.chunks >= 8 * queue.multiprocessors();
  const Step step = {o, crowded ? 1 : kMostParts, has_copy(o.layout) ? 2 + states : -1};
  switch (o.kind) {
    case FRNN_SGD:
      return states == 0 ? launch<Descent>(queue, "optimizer_descent", step)
                         : launch<Sgd>(queue, "optimizer_sgd", step);
    case FRNN_ADAGRAD:
      return launch<Adagrad>(queue, "optimizer_adagrad", step);
    case FRNN_RMSPROP:
      return states == 1 ? launch<Rmsprop>(queue, "optimizer_rmsprop", step)
                         : launch<RmspropMomentum>(queue, "optimizer_rmsprop_momentum", step);
    default:
      return launch<Adam>(queue, "optimizer_adam", step);
  }
}

}  // namespace frnn
