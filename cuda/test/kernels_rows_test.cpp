// Linear, embedding and softmax cross-entropy on the emulated machine against naive double loops.
// Sizes are odd on purpose; vocabularies from 2 up to where a block serves a row.

#include <limits>

#include "gpu.h"
#include "host/plan.h"

namespace frnn {
namespace {

using namespace testing;
using Floats = std::vector<float>;
using Doubles = std::vector<double>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

size_t at(int64_t k) {
  return static_cast<size_t>(k);
}

// ---- Linear -------------------------------------------------------------------------------------

struct LinearData {
  Floats x, w, b, dy, dw, db;
  LinearData(int64_t N, int64_t I, int64_t O, Random& random)
      : x(random.uniforms<float>(N * I, -1, 1)),
        w(random.uniforms<float>(O * I, -1, 1)),
        b(random.uniforms<float>(O, -1, 1)),
        dy(random.uniforms<float>(N * O, -1, 1)),
        dw(random.uniforms<float>(O * I, -1, 1)),
        db(random.uniforms<float>(O, -1, 1)) {}
};

void check_linear(int64_t N, int64_t I, int64_t O, bool accumulate, uint64_t seed) {
  Random random(seed);
  const auto device = open_gpu(static_cast<int64_t>(seed));
  const LinearData d(N, I, O, random);
  Tensor<float> x(*device, d.x), w(*device, d.w), b(*device, d.b), dy(*device, d.dy);
  Tensor<float> y(*device, N * O), dx(*device, N * I), dw(*device, d.dw), db(*device, d.db);
  frnn_linear linear{};
  linear.flags = accumulate ? FRNN_ACCUMULATE : 0;
  linear.N = N, linear.I = I, linear.O = O;
  linear.x = x.address(), linear.w = w.address(), linear.b = b.address(), linear.y = y.address();
  linear.dy = dy.address(), linear.dx = dx.address();
  linear.dw = dw.address(), linear.db = db.address();
  linear.workspace_bytes = gpu_linear_workspace_bytes(linear);
  Tensor<char> workspace(*device, linear.workspace_bytes);
  linear.workspace = workspace.address();
  FRNN_CHECK_OK(device->linear_forward(linear));
  FRNN_CHECK_OK(device->linear_backward(linear));

  Doubles e_y(d.dy.size()), e_dx(d.x.size()), e_dw(d.w.size()), e_db(d.b.size());
  if (accumulate) e_dw = widened(d.dw), e_db = widened(d.db);
  for (int64_t n = 0; n < N; ++n) {
    for (int64_t o = 0; o < O; ++o) {
      double sum = d.b[at(o)];
      const double g = d.dy[at(n * O + o)];
      for (int64_t i = 0; i < I; ++i) {
        sum += double{d.x[at(n * I + i)]} * d.w[at(o * I + i)];
        e_dx[at(n * I + i)] += g * d.w[at(o * I + i)];
        e_dw[at(o * I + i)] += g * d.x[at(n * I + i)];
      }
      e_db[at(o)] += g;
      e_y[at(n * O + o)] = sum;
    }
  }
  check_close("linear y", y.read(), e_y, 4 * std::sqrt(I + 1.0));
  check_close("linear dx", dx.read(), e_dx, 4 * std::sqrt(O + 1.0));
  check_close("linear dw", dw.read(), e_dw, 4 * std::sqrt(N + 1.0));
  check_close("linear db", db.read(), e_db, 4 * std::sqrt(N + 1.0));
}

// ---- Embedding ----------------------------------------------------------------------------------

void check_embedding(int64_t N, int64_t V, int64_t E, bool accumulate, uint64_t seed) {
  Random random(seed);
  const auto device = open_gpu(static_cast<int64_t>(seed));
  std::vector<int32_t> ids(at(N));
  for (int32_t& id : ids)
    id = static_cast<int32_t>(random.below(V));
  if (N > 2) ids[1] = -1, ids[2] = static_cast<int32_t>(V);  // outside
  const Floats table = random.uniforms<float>(V * E, -1, 1);
  const Floats dy = random.uniforms<float>(N * E, -1, 1);
  const Floats before = random.uniforms<float>(V * E, -1, 1);

  Tensor<int32_t> g_ids(*device, ids);
  Tensor<float> g_table(*device, table), g_y(*device, N * E), g_dy(*device, dy);
  Tensor<float> g_dtable(*device, V * E);
  if (accumulate) g_dtable.write(before);
  frnn_embedding e{};
  e.flags = accumulate ? FRNN_ACCUMULATE : 0;
  e.N = N, e.V = V, e.E = E;
  e.ids = g_ids.address(), e.table = g_table.address(), e.y = g_y.address();
  e.dy = g_dy.address(), e.dtable = g_dtable.address();
  FRNN_CHECK_OK(device->embedding_forward(e));
  FRNN_CHECK_OK(device->embedding_backward(e));

  Floats expected_dtable = accumulate ? before : Floats(at(V * E), 0.0f);
  const Floats y = g_y.read();
  for (int64_t n = 0; n < N; ++n) {
    const int64_t id = ids[at(n)];
    for (int64_t k = 0; k < E; ++k) {
      const float got = y[at(n * E + k)];
      if (id < 0 || id >= V) {
        FRNN_CHECK(std::isnan(got));
      } else {
        FRNN_CHECK(got == table[at(id * E + k)]);
        expected_dtable[at(id * E + k)] += dy[at(n * E + k)];  // in order of n: the same bits
      }
    }
  }
  FRNN_CHECK(same_bits(g_dtable.read(), expected_dtable));
}

// ---- Softmax cross-entropy ----------------------------------------------------------------------

struct XentResult {
  Floats dlogits;
  frnn_loss_result loss;
};

XentResult run_xent(const Floats& logits, const std::vector<int32_t>& targets, int64_t V,
                    double scale, bool in_place, int64_t seed) {
  const auto device = open_gpu(seed);
  const int64_t N = static_cast<int64_t>(targets.size());
  Tensor<float> g_logits(*device, logits), g_dlogits(*device, N * V);
  Tensor<int32_t> g_targets(*device, targets);
  Tensor<frnn_loss_result> result(*device, 1);
  Tensor<double> workspace(*device, N);
  frnn_softmax_xent x{};
  x.N = N, x.V = V;
  x.logits = g_logits.address(), x.targets = g_targets.address();
  x.ignore_index = -100, x.scale = scale;
  x.dlogits = in_place ? x.logits : g_dlogits.address();
  x.result = result.address();
  x.workspace = workspace.address(), x.workspace_bytes = workspace.bytes();
  FRNN_CHECK_OK(device->softmax_xent_forward_backward(x));
  return {in_place ? g_logits.read() : g_dlogits.read(), result.read()[0]};
}

void check_xent(int64_t N, int64_t V, double spread, uint64_t seed) {
  Random random(seed);
  const Floats logits = random.uniforms<float>(N * V, -spread, spread);
  std::vector<int32_t> targets(at(N));
  for (int32_t& t : targets)
    t = static_cast<int32_t>(random.below(V));
  if (N > 2) targets[1] = -100;
  const double scale = 1.0 / static_cast<double>(N);
  const XentResult got = run_xent(logits, targets, V, scale, false, 1);

  double loss = 0;
  int64_t rows = 0;
  Doubles expected(logits.size(), 0.0);
  for (int64_t n = 0; n < N; ++n) {
    if (targets[at(n)] == -100) continue;
    double max = -kInfinity, sum = 0;
    for (int64_t v = 0; v < V; ++v)
      max = std::fmax(max, logits[at(n * V + v)]);
    for (int64_t v = 0; v < V; ++v)
      sum += std::exp(logits[at(n * V + v)] - max);
    for (int64_t v = 0; v < V; ++v) {
      const double p = std::exp(logits[at(n * V + v)] - max) / sum;
      expected[at(n * V + v)] = scale * (p - (v == targets[at(n)] ? 1 : 0));
    }
    loss += std::log(sum) + max - logits[at(n * V + targets[at(n)])];
    ++rows;
  }
  // Softmax lies in [0, 1] and scale in (0, 1]: an error of a few roundings of 1, times scale.
  Floats unscaled = got.dlogits;
  for (float& g : unscaled)
    g = static_cast<float>(g / scale);
  for (double& e : expected)
    e /= scale;
  check_close("dlogits / scale", unscaled, expected, 16 + spread);
  FRNN_CHECK_NEAR(got.loss.loss_sum, loss, 0x1p-24 * (16 + spread) * static_cast<double>(N + 1));
  FRNN_CHECK(got.loss.rows == rows);

  const XentResult again = run_xent(logits, targets, V, scale, true, 99);
  FRNN_CHECK(same_bits(again.dlogits, got.dlogits));
  FRNN_CHECK(again.loss.loss_sum == got.loss.loss_sum);
}

// What is not finite comes out as the equations have it; what is far apart does not overflow.
void check_xent_edges(int64_t V) {
  const auto row = [&](float first, float second) {
    Floats logits(at(V), -1.0f);
    logits[0] = first, logits[1] = second;
    return logits;
  };
  XentResult r = run_xent(row(3e38f, -3e38f), {0}, V, 1.0, false, 1);
  FRNN_CHECK(r.loss.loss_sum == 0.0 && r.dlogits[0] == 0.0f && r.dlogits[1] == 0.0f);
  r = run_xent(row(-kInfinity, 2.0f), {1}, V, 1.0, false, 1);  // a masked logit
  FRNN_CHECK(std::isfinite(r.loss.loss_sum) && r.dlogits[0] == 0.0f && r.dlogits[1] <= 0.0f);
  r = run_xent(row(kInfinity, 2.0f), {1}, V, 1.0, false, 1);
  FRNN_CHECK(std::isnan(r.loss.loss_sum) && std::isnan(r.dlogits[0]) && std::isnan(r.dlogits[1]));
  r = run_xent(row(kNan, 2.0f), {1}, V, 1.0, false, 1);
  FRNN_CHECK(std::isnan(r.loss.loss_sum) && std::isnan(r.dlogits[at(V - 1)]));
  r = run_xent(Floats(at(V), -kInfinity), {1}, V, 1.0, false, 1);
  FRNN_CHECK(std::isnan(r.loss.loss_sum) && std::isnan(r.dlogits[0]));
  r = run_xent(row(1.0f, 2.0f), {static_cast<int32_t>(V)}, V, 1.0, false, 1);  // outside
  FRNN_CHECK(std::isnan(r.loss.loss_sum) && r.loss.rows == 1);
  for (const float g : r.dlogits)
    FRNN_CHECK(std::isnan(g));
  r = run_xent(row(kNan, 2.0f), {-100}, V, 1.0, false, 1);
  FRNN_CHECK(r.loss.loss_sum == 0.0 && r.loss.rows == 0 && r.dlogits[0] == 0.0f);
}

}  // namespace
}  // namespace frnn

int main() {
  using namespace frnn;
  check_linear(1, 1, 1, false, 1);
  check_linear(3, 7, 5, true, 2);
  check_linear(700, 9, 33, false, 3);  // three runs of rows in the bias sums
  check_linear(300, 8, 64, true, 4);   // packs of four
  check_embedding(1, 1, 1, false, 5);
  check_embedding(129, 7, 5, false, 6);
  check_embedding(77, 65, 132, true, 7);
  check_embedding(2500, 2, 8, false, 8);  // more matches than a block collects at once
  check_embedding(3000, 2, 3, true, 9);
  check_xent(1, 2, 1, 10);
  check_xent(7, 65, 3, 11);
  check_xent(5, 1024, 30, 12);
  check_xent(5, 1025, 30, 13);
  check_xent(3, 10007, 80, 14);
  check_xent(1, 100000, 5, 15);
  check_xent_edges(2);
  check_xent_edges(2000);
  return testing::report();
}
