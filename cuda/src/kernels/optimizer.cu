// Optimiser steps over a chunk table: SGD with momentum, Adagrad (Duchi et al. 2011), Adam (Kingma
// and Ba 2015). List 0 holds parameters, 1 gradients, 2 and 3 the state. The rules are in
// cells/optimizer.h.
//
// The clip coefficient rides on the gradient's own read: g = coefficient * g + weight_decay * p.
// With skip_nonfinite nothing is written where the clip result is not finite. Gradients are only
// read.

#include "kernels/chunk.h"
#include "kernels/tables.h"

namespace frnn {
namespace {

constexpr int kThreads = 256;
constexpr int kParts = 8;  // blocks that share a chunk: a small model, too, fills the device

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

// Grid: kParts blocks for a chunk; a thread owns quads of elements in all lists. Bytes moved for an
// element: 20 with one state (p and s in and out, g in), 28 with two.
template <typename Rule>
FRNN_KERNEL_BOUNDS(kThreads, 1)
void optimizer_kernel(OptimizerStep s) {
  float coefficient = 1.0f;
  if (s.clip != nullptr) {
    if (s.skip_nonfinite && s.clip->finite == 0) return;
    coefficient = static_cast<float>(s.clip->coefficient);
  }
  const Chunk chunk = chunk_at(s.table, machine::block_index() / kParts);
  const int length = static_cast<int>(chunk.length);
  float* const parameters = chunk_elements(s.table, chunk, 0);
  const float* const gradients = chunk_elements(s.table, chunk, 1);
  float* const first = chunk_elements(s.table, chunk, 2);
  float* const second = Rule::kStates == 2 ? chunk_elements(s.table, chunk, 3) : nullptr;
  const int part = machine::block_index() % kParts * kThreads;
  for (int begin = (part + machine::thread_index()) * kQuad; begin < length;
       begin += kParts * kThreads * kQuad) {
    float p[kQuad], g[kQuad], m[kQuad], v[kQuad] = {};
    load_quad(parameters, begin, length, p);
    load_quad(gradients, begin, length, g);
    load_quad(first, begin, length, m);
    if constexpr (Rule::kStates == 2) load_quad(second, begin, length, v);
    FRNN_UNROLL
    for (int k = 0; k < kQuad; ++k) {
      const float gradient = coefficient * g[k] + s.rates.weight_decay * p[k];
      Rule::update(s.rates, gradient, p[k], m[k], v[k]);
    }
    store_quad(parameters, begin, length, p);
    store_quad(first, begin, length, m);
    if constexpr (Rule::kStates == 2) store_quad(second, begin, length, v);
  }
}

template <typename Rule>
Status launch(const Queue& queue, const char* name, const OptimizerStep& step) {
  return queue.context.launch(name, optimizer_kernel<Rule>,
                              {step.chunks * kParts, kThreads, 0, false}, queue.stream, step);
}

}  // namespace

Status optimizer_step(const Queue& queue, const OptimizerStep& step) {
  switch (step.kind) {
    case FRNN_SGD:
      return launch<Sgd>(queue, "optimizer_sgd", step);
    case FRNN_ADAGRAD:
      return launch<Adagrad>(queue, "optimizer_adagrad", step);
    case FRNN_ADAM:
      return launch<Adam>(queue, "optimizer_adam", step);
    default:
      return Status::fail(FRNN_UNSUPPORTED, format("optimizer kind %lld: sgd, adagrad and adam are "
                                                   "supported",
                                                   static_cast<long long>(step.kind)));
  }
}

}  // namespace frnn
