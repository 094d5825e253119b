// What stands around a recurrent net, shared out over a team.

#include <cstring>
#include <limits>

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

void softmax_xent_forward_backward(const Machine& machine, const frnn_softmax_xent& xent) {
  const int32_t* targets = at<const int32_t>(xent.targets);
  const float* logits = at<const float>(xent.logits);
  float* dlogits = at<float>(xent.dlogits);
  double* losses = at<double>(xent.workspace);
  const int64_t V = xent.V;
  const double operations = 30.0 * static_cast<double>(xent.N) * static_cast<double>(V);
  machine.pool.run(machine.team(operations), [&](const Worker& worker) {
    const Range rows = split(xent.N, worker.count, worker.index);
    for (int64_t n = rows.first; n < rows.last; ++n) {
      float* gradient = dlogits == nullptr ? nullptr : dlogits + n * V;
      const bool ignored = targets[n] == xent.ignore_index;
      if (!ignored && targets[n] >= 0 && targets[n] < V) {
        losses[n] = machine.kernels.softmax_row(logits + n * V, V, targets[n],
                                                static_cast<float>(xent.scale), gradient);
        continue;
      }
      losses[n] = ignored ? 0.0 : std::numeric_limits<double>::quiet_NaN();
      for (int64_t v = 0; v < V && gradient != nullptr; ++v) {
        gradient[v] = static_cast<float>(losses[n]);
      }
    }
    worker.sync();
    if (worker.index != 0) return;
    frnn_loss_result result{0.0, 0};
    for (int64_t n = 0; n < xent.N; ++n) {
      result.loss_sum += losses[n];
      result.rows += targets[n] == xent.ignore_index ? 0 : 1;
    }
    *at<frnn_loss_result>(xent.result) = result;
  });
}

}  // namespace frnn::cpu
