// What stands around a recurrent net, shared out over a team.

#include <algorithm>
#include <cstring>
#include <limits>

#include "cells/sampling.h"
#include "cpu/ops.h"
#include "cpu/split.h"

namespace frnn::cpu {
namespace {

template <typename E>
E* at(int64_t address) {
  return reinterpret_cast<E*>(address);
}

Gemm product(int64_t M, int64_t N, int64_t K) {
  Gemm g{};
  g.M = M, g.N = N, g.K = K;
  g.alpha = 1.0f;
  return g;
}

constexpr int64_t kSlot = 1024;  // elements whose squared errors are summed together

// The key at which the weights of the classes reach `wanted`, from 1 to their sum: a histogram of
// weights for each byte of the keys, from the top byte down.
template <typename Key, typename Weight>
uint64_t select_key(int64_t V, int top, SampleWeight wanted, const Key& key, const Weight& weight) {
  uint64_t prefix = 0;
  for (int shift = top; shift >= 0; shift -= 8) {
    if (constant_byte(V, shift)) {
      prefix |= uint64_t{0xff} << shift;
      continue;
    }
    SampleWeight bins[256] = {};
    for (int64_t v = 0; v < V; ++v) {
      const uint64_t k = key(v);
      if (shift < top && ((k ^ prefix) >> shift) >> 8 != 0) continue;
      bins[(k >> shift) & 0xff] += weight(v);
    }
    int bin = 255;
    for (; bins[bin] < wanted; --bin)
      wanted -= bins[bin];
    prefix |= static_cast<uint64_t>(bin) << shift;
  }
  return prefix;
}

int32_t sample_row(const frnn_sample& s, const float* row, int64_t n, uint64_t offset) {
  const auto key = [&](int64_t v) { return sample_key(row[v], v); };
  uint64_t best = 0;
  for (int64_t v = 0; v < s.V; ++v)
    best = std::max(best, key(v));
  if (best >> 32 == 0) return -1;  // nothing but NaN
  const float temperature = static_cast<float>(s.temperature);
  if (temperature == 0.0f) return static_cast<int32_t>(class_of_key(best));
  const float largest = row[class_of_key(best)];
  uint64_t least = 0;  // classes of lower keys are left out
  const auto weight = [&](int64_t v) -> SampleWeight {
    return key(v) < least ? 0 : sample_weight(row[v], largest, temperature);
  };
  const auto all_weight = [&] {
    SampleWeight sum = 0;
    for (int64_t v = 0; v < s.V; ++v)
      sum += weight(v);
    return sum;
  };
  if (s.top_k > 0 && s.top_k < s.V) {
    least = select_key(s.V, 56, static_cast<SampleWeight>(s.top_k), key,
                       [](int64_t) -> SampleWeight { return 1; });
  }
  if (s.top_p < 1.0) {
    least = select_key(s.V, 56, weight_share(s.top_p, all_weight()), key, weight);
  }
  const SampleWeight drawn = drawn_weight(n, static_cast<uint64_t>(s.seed), offset, all_weight());
  return static_cast<int32_t>(class_of_key(select_key(
      s.V, 24, drawn, [](int64_t v) -> uint64_t { return key_of_class(v); }, weight)));
}

}  // namespace

void linear_forward(const Machine& machine, const frnn_linear& linear) {
  Gemm g = product(linear.N, linear.O, linear.I);
  g.a = at<const float>(linear.x);
  g.a_row = linear.I, g.a_column = 1;
  g.b = at<const float>(linear.w);
  g.b_row = 1, g.b_column = linear.I;
  g.c = at<float>(linear.y);
  g.c_row = linear.O;
  g.bias = at<const float>(linear.b);
  const double operations = 2.0 * linear.N * linear.O * linear.I;
  machine.pool.run(machine.team(operations),
                   [&](const Worker& worker) { machine.kernels.gemm(worker, g); });
}

void linear_backward(const Machine& machine, const frnn_linear& linear) {
  const bool accumulate = (linear.flags & FRNN_ACCUMULATE) != 0;
  Gemm dx = product(linear.N, linear.I, linear.O);
  dx.a = at<const float>(linear.dy);
  dx.a_row = linear.O, dx.a_column = 1;
  dx.b = at<const float>(linear.w);
  dx.b_row = linear.I, dx.b_column = 1;
  dx.c = at<float>(linear.dx);
  dx.c_row = linear.I;
  Gemm dw = product(linear.O, linear.I, linear.N);
  dw.a = at<const float>(linear.dy);
  dw.a_row = 1, dw.a_column = linear.O;
  dw.b = at<const float>(linear.x);
  dw.b_row = linear.I, dw.b_column = 1;
  dw.c = at<float>(linear.dw);
  dw.c_row = linear.I;
  dw.accumulate = accumulate;
  const double operations = 4.0 * linear.N * linear.O * linear.I;
  machine.pool.run(machine.team(operations), [&](const Worker& worker) {
    if (linear.dx != 0) machine.kernels.gemm(worker, dx);
    if (linear.dw != 0) machine.kernels.gemm(worker, dw);
    if (linear.db != 0) {
      machine.kernels.column_sums(worker, at<const float>(linear.dy), linear.N, linear.O, linear.O,
                                  at<float>(linear.db), accumulate);
    }
  });
}

void embedding_forward(const Machine& machine, const frnn_embedding& embedding) {
  const int32_t* ids = at<const int32_t>(embedding.ids);
  const float* table = at<const float>(embedding.table);
  const int64_t E = embedding.E;
  const double elements = static_cast<double>(embedding.N) * static_cast<double>(E);
  machine.pool.run(machine.team(elements), [&](const Worker& worker) {
    const Range rows = split(embedding.N, worker.count, worker.index);
    for (int64_t n = rows.first; n < rows.last; ++n) {
      float* y = at<float>(embedding.y) + n * E;
      if (ids[n] >= 0 && ids[n] < embedding.V) {
        std::memcpy(y, table + ids[n] * E, static_cast<size_t>(E) * sizeof(float));
      } else {
        for (int64_t e = 0; e < E; ++e)
          y[e] = std::numeric_limits<float>::quiet_NaN();
      }
    }
  });
}

// Members share the columns, so that each sums its part of a row in the order of n.
void embedding_backward(const Machine& machine, const frnn_embedding& embedding) {
  const int32_t* ids = at<const int32_t>(embedding.ids);
  const float* dy = at<const float>(embedding.dy);
  float* dtable = at<float>(embedding.dtable);
  const int64_t E = embedding.E;
  const bool accumulate = (embedding.flags & FRNN_ACCUMULATE) != 0;
  const double elements = static_cast<double>(embedding.N + embedding.V) * static_cast<double>(E);
  machine.pool.run(E < 32 ? 1 : machine.team(elements), [&](const Worker& worker) {
    const Range columns = split(E, worker.count, worker.index);
    if (!accumulate) {
      for (int64_t v = 0; v < embedding.V; ++v) {
        std::memset(dtable + v * E + columns.first, 0,
                    static_cast<size_t>(columns.size()) * sizeof(float));
      }
    }
    for (int64_t n = 0; n < embedding.N; ++n) {
      if (ids[n] < 0 || ids[n] >= embedding.V) continue;
      machine.kernels.add(dtable + ids[n] * E + columns.first, dy + n * E + columns.first,
                          columns.size());
    }
  });
}

// What multiplies the gradient of a loss over `rows` that count.
template <typename Loss>
double factor_of(const Loss& loss, int64_t rows) {
  double factor = loss.scale;
  if (loss.loss_scale != 0) factor *= at<const frnn_loss_scale>(loss.loss_scale)->scale;
  if ((loss.flags & FRNN_MEAN) == 0) return factor;
  return rows == 0 ? 0.0 : factor / static_cast<double>(rows);
}

void softmax_xent_forward_backward(const Machine& machine, const frnn_softmax_xent& xent) {
  const int32_t* targets = at<const int32_t>(xent.targets);
  const float* logits = at<const float>(xent.logits);
  float* dlogits = at<float>(xent.dlogits);
  double* losses = at<double>(xent.workspace);
  const int64_t V = xent.V;
  frnn_loss_result result{0.0, 0, 0};
  for (int64_t n = 0; n < xent.N; ++n) {
    if (targets[n] == xent.ignore_index) continue;
    ++result.rows;
    if (targets[n] < 0 || targets[n] >= V) ++result.bad_targets;
  }
  const double factor = factor_of(xent, result.rows);
  const double operations = 30.0 * static_cast<double>(xent.N) * static_cast<double>(V);
  machine.pool.run(machine.team(operations), [&](const Worker& worker) {
    const Range rows = split(xent.N, worker.count, worker.index);
    for (int64_t n = rows.first; n < rows.last; ++n) {
      float* gradient = dlogits == nullptr ? nullptr : dlogits + n * V;
      const bool ignored = targets[n] == xent.ignore_index;
      if (!ignored && targets[n] >= 0 && targets[n] < V) {
        losses[n] = machine.kernels.softmax_row(logits + n * V, V, targets[n], xent.label_smoothing,
                                                factor, gradient);
        continue;
      }
      losses[n] = ignored ? 0.0 : std::numeric_limits<double>::quiet_NaN();
      for (int64_t v = 0; v < V && gradient != nullptr; ++v) {
        gradient[v] = static_cast<float>(losses[n]);
      }
    }
  });
  for (int64_t n = 0; n < xent.N; ++n)
    result.loss_sum += losses[n];
  *at<frnn_loss_result>(xent.result) = result;
}

// Elements are shared out by 1024, whose sums go to slots: so the bits do not depend on the team.
void mse_forward_backward(const Machine& machine, const frnn_mse& mse) {
  const float* weights = at<const float>(mse.weights);
  frnn_loss_result result{0.0, mse.N, 0};
  if (weights != nullptr) {
    result.rows = 0;
    for (int64_t n = 0; n < mse.N; ++n)
      result.rows += weights[n] != 0.0f ? 1 : 0;
  }
  const int64_t all = mse.N * mse.F, slots = (all + kSlot - 1) / kSlot;
  const double features = static_cast<double>(mse.F);
  const float slope = static_cast<float>(factor_of(mse, result.rows) * 2.0 / features);
  double* losses = at<double>(mse.workspace);
  // A run of elements within one row.
  const auto run = [&](int64_t first, int64_t count, float weight) -> double {
    float* dy = mse.dy == 0 ? nullptr : at<float>(mse.dy) + first;
    if (weight == 0.0f) {
      if (dy != nullptr) std::memset(dy, 0, static_cast<size_t>(count) * sizeof(float));
      return 0.0;
    }
    return weight * machine.kernels.squared_error(at<const float>(mse.y) + first,
                                                  at<const float>(mse.targets) + first, count,
                                                  slope * weight, dy);
  };
  machine.pool.run(machine.team(4.0 * static_cast<double>(all)), [&](const Worker& worker) {
    const Range mine = split(slots, worker.count, worker.index);
    for (int64_t slot = mine.first; slot < mine.last; ++slot) {
      const int64_t end = std::min(all, (slot + 1) * kSlot);
      losses[slot] = 0.0;
      for (int64_t first = slot * kSlot; first < end;) {
        const int64_t n = first / mse.F;
        const int64_t last = weights == nullptr ? end : std::min(end, (n + 1) * mse.F);
        losses[slot] += run(first, last - first, weights == nullptr ? 1.0f : weights[n]);
        first = last;
      }
    }
  });
  for (int64_t slot = 0; slot < slots; ++slot)
    result.loss_sum += losses[slot];
  result.loss_sum /= features;
  *at<frnn_loss_result>(mse.result) = result;
}

void sample(const Machine& machine, const frnn_sample& what) {
  uint64_t offset = static_cast<uint64_t>(what.offset);
  if (what.offset_address != 0) {
    offset += static_cast<uint64_t>(*at<const int64_t>(what.offset_address));
  }
  const double operations = 200.0 * static_cast<double>(what.N) * static_cast<double>(what.V);
  machine.pool.run(machine.team(operations), [&](const Worker& worker) {
    const Range rows = split(what.N, worker.count, worker.index);
    for (int64_t n = rows.first; n < rows.last; ++n) {
      at<int32_t>(what.ids)[n] =
          sample_row(what, at<const float>(what.logits) + n * what.V, n, offset);
    }
  });
}

}  // namespace frnn::cpu
