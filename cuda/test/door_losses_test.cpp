// Goal: cross-entropy and mean squared error are what plain double loops make of them, on every
// backend and in every element type; what is not finite comes out as the equations have it.
// Method: odd sizes, vocabularies from 2 to where 1024 threads serve a row; ignored rows, label
// smoothing, means and loss scales; every call again in place, for the same bits.

#include <limits>

#include "door_device.h"

namespace {

using namespace frnn::testing;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Settings {
  bool mean = false;
  double smoothing = 0;
  double scale = 1;
  double loss_scale = 0;  // 0: none
};

struct LossResult {
  Floats gradient;
  frnn_loss_result loss;
};

// ---- Softmax cross-entropy ----------------------------------------------------------------------

LossResult run_xent(const Place& place, const Floats& logits, const std::vector<int32_t>& targets,
                    int64_t V, const Settings& settings, bool in_place) {
  const DoorDevice device(place);
  const int64_t N = static_cast<int64_t>(targets.size());
  const Elements x(device, place, logits), dx(device, place, N * V);
  const Values<int32_t> t(device, targets);
  const Values<frnn_loss_result> result(device, 1);
  const Values<frnn_loss_scale> loss_scale(device,
                                           std::vector<frnn_loss_scale>{{settings.loss_scale, 0}});
  const Bytes workspace(device, 8 * N);
  frnn_softmax_xent s{};
  s.struct_bytes = sizeof s;
  s.dtype = place.dtype;
  s.flags = settings.mean ? FRNN_MEAN : 0;
  s.N = N, s.V = V;
  s.logits = x.address(), s.targets = t.address(), s.ignore_index = -100;
  s.label_smoothing = settings.smoothing, s.scale = settings.scale;
  s.loss_scale = settings.loss_scale == 0 ? 0 : loss_scale.address();
  s.result = result.address();
  s.workspace = workspace.address(), s.workspace_bytes = workspace.size();
  must(frnn_softmax_xent_forward_backward(device.handle(), &s), "without a gradient");
  const frnn_loss_result alone = result.read()[0];
  s.dlogits = in_place ? s.logits : dx.address();
  must(frnn_softmax_xent_forward_backward(device.handle(), &s), "softmax_xent");
  const frnn_loss_result both = result.read()[0];
  FRNN_CHECK(std::memcmp(&alone, &both, sizeof both) == 0 || std::isnan(both.loss_sum));
  return {in_place ? x.read() : dx.read(), both};
}

// What a gradient is multiplied with.
double factor_of(const Settings& s, int64_t rows) {
  const double factor = s.scale * (s.loss_scale == 0 ? 1 : s.loss_scale);
  return s.mean ? factor / static_cast<double>(rows) : factor;
}

void check_xent(const Place& place, int64_t N, int64_t V, double spread, const Settings& settings,
                uint64_t seed) {
  Random random(seed);
  const Floats logits = draw(random, place, N * V, spread);
  std::vector<int32_t> targets(at(N));
  for (int32_t& t : targets)
    t = static_cast<int32_t>(random.below(V));
  if (N > 2) targets[1] = -100;
  const LossResult got = run_xent(place, logits, targets, V, settings, false);

  const int64_t rows = N > 2 ? N - 1 : N;
  const double factor = factor_of(settings, rows),
               uniform = settings.smoothing / static_cast<double>(V);
  double loss = 0;
  Doubles expected(logits.size(), 0.0);
  for (int64_t n = 0; n < N; ++n) {
    if (targets[at(n)] == -100) continue;
    const float* const x = &logits[at(n * V)];
    double max = -kInfinity, sum = 0;
    for (int64_t v = 0; v < V; ++v)
      max = std::fmax(max, x[v]);
    for (int64_t v = 0; v < V; ++v)
      sum += std::exp(x[v] - max);
    for (int64_t v = 0; v < V; ++v) {
      const double q = uniform + (v == targets[at(n)] ? 1 - settings.smoothing : 0);
      expected[at(n * V + v)] = factor * (std::exp(x[v] - max) / sum - q);
      loss += q * (std::log(sum) + max - x[v]);
    }
  }
  check_near("dlogits", place, got.gradient, expected, 16 + spread);
  FRNN_CHECK_NEAR(got.loss.loss_sum, loss, 0x1p-24 * (16 + spread) * static_cast<double>(N + 1));
  FRNN_CHECK(got.loss.rows == rows && got.loss.bad_targets == 0);

  Place other = place;
  other.variant = 3;
  const LossResult again = run_xent(other, logits, targets, V, settings, true);
  FRNN_CHECK(same_bits(again.gradient, got.gradient));
  FRNN_CHECK(again.loss.loss_sum == got.loss.loss_sum);
}

// What is not finite comes out as the equations have it; what is far apart does not overflow.
void check_xent_edges(const Place& place, int64_t V) {
  const auto run = [&](float first, float second, int32_t target) {
    Floats logits(at(V), -1.0f);
    logits[0] = first, logits[1] = second;
    return run_xent(place, logits, {target}, V, {}, false);
  };
  const float large = place.dtype == FRNN_F16 ? 6e4f : 3e38f;
  LossResult r = run(large, -large, 0);
  FRNN_CHECK(r.loss.loss_sum == 0.0 && r.gradient[0] == 0.0f && r.gradient[1] == 0.0f);
  r = run(-kInfinity, 2.0f, 1);  // a masked logit
  FRNN_CHECK(std::isfinite(r.loss.loss_sum) && r.gradient[0] == 0.0f && r.gradient[1] <= 0.0f);
  r = run(kInfinity, 2.0f, 1);
  FRNN_CHECK(std::isnan(r.loss.loss_sum) && std::isnan(r.gradient[0]) && std::isnan(r.gradient[1]));
  r = run(kNan, 2.0f, 1);
  FRNN_CHECK(std::isnan(r.loss.loss_sum) && std::isnan(r.gradient[at(V - 1)]));
  r = run_xent(place, Floats(at(V), -kInfinity), {1}, V, {}, false);
  FRNN_CHECK(std::isnan(r.loss.loss_sum) && std::isnan(r.gradient[0]));
  r = run(kNan, 2.0f, -100);
  FRNN_CHECK(r.loss.loss_sum == 0.0 && r.loss.rows == 0 && r.gradient[0] == 0.0f);

  Settings mean;
  mean.mean = true;
  const std::vector<int32_t> targets = {0, static_cast<int32_t>(V), -100, -7};
  r = run_xent(place, Floats(at(4 * V), 0.5f), targets, V, mean, false);
  FRNN_CHECK(std::isnan(r.loss.loss_sum) && r.loss.rows == 3 && r.loss.bad_targets == 2);
  FRNN_CHECK(std::isfinite(r.gradient[at(V - 1)]) && r.gradient[at(2 * V)] == 0.0f);
  for (int64_t v = 0; v < V; ++v)
    FRNN_CHECK(std::isnan(r.gradient[at(V + v)]) && std::isnan(r.gradient[at(3 * V + v)]));
  r = run_xent(place, Floats(at(2 * V), 0.5f), {-100, -100}, V, mean, false);  // no row counts
  FRNN_CHECK(r.loss.rows == 0 && r.loss.loss_sum == 0.0 && r.gradient[0] == 0.0f);
}

// ---- Mean squared error -------------------------------------------------------------------------

LossResult run_mse(const Place& place, const Floats& y, const Floats& targets,
                   const Floats& weights, int64_t F, const Settings& settings, bool in_place) {
  const DoorDevice device(place);
  const int64_t N = static_cast<int64_t>(y.size()) / F;
  const Elements g_y(device, place, y), g_targets(device, place, targets);
  const Elements dy(device, place, N * F);
  const Values<float> w(device, weights.empty() ? Floats{0} : weights);
  const Values<frnn_loss_result> result(device, 1);
  const Values<frnn_loss_scale> loss_scale(device,
                                           std::vector<frnn_loss_scale>{{settings.loss_scale, 0}});
  const Bytes workspace(device, 8 * ((N * F + 1023) / 1024));
  frnn_mse m{};
  m.struct_bytes = sizeof m;
  m.dtype = place.dtype;
  m.flags = settings.mean ? FRNN_MEAN : 0;
  m.N = N, m.F = F;
  m.y = g_y.address(), m.targets = g_targets.address();
  m.weights = weights.empty() ? 0 : w.address();
  m.scale = settings.scale;
  m.loss_scale = settings.loss_scale == 0 ? 0 : loss_scale.address();
  m.dy = in_place ? m.y : dy.address(), m.result = result.address();
  m.workspace = workspace.address(), m.workspace_bytes = workspace.size();
  must(frnn_mse_forward_backward(device.handle(), &m), "mse");
  return {in_place ? g_y.read() : dy.read(), result.read()[0]};
}

void check_mse(const Place& place, int64_t N, int64_t F, bool weighted, const Settings& settings,
               uint64_t seed) {
  Random random(seed);
  Floats y = draw(random, place, N * F, 2);
  const Floats targets = draw(random, place, N * F, 2);
  Floats weights;
  int64_t rows = N;
  if (weighted) {
    weights = random.uniforms<float>(N, 0.5, 2);
    weights[at(N / 2)] = 0.0f;
    y[at(N / 2 * F)] = kNan;  // does not count
    --rows;
  }
  const LossResult got = run_mse(place, y, targets, weights, F, settings, false);
  const double factor = factor_of(settings, rows);
  double loss = 0;
  Doubles expected(y.size(), 0.0);
  for (size_t e = 0; e < y.size(); ++e) {
    const double weight = weighted ? weights[e / at(F)] : 1.0;
    if (weight == 0) continue;
    const double difference = double{y[e]} - targets[e];
    loss += weight * difference * difference / static_cast<double>(F);
    expected[e] = factor * 2 * weight * difference / static_cast<double>(F);
  }
  check_near("mse dy", place, got.gradient, expected, 8);
  FRNN_CHECK_NEAR(got.loss.loss_sum, loss, 0x1p-22 * loss);
  FRNN_CHECK(got.loss.rows == rows && got.loss.bad_targets == 0);
  Place other = place;
  other.variant = 2;
  const LossResult again = run_mse(other, y, targets, weights, F, settings, true);
  FRNN_CHECK(same_bits(again.gradient, got.gradient));
  FRNN_CHECK(again.loss.loss_sum == got.loss.loss_sum);
}

}  // namespace

int main() {
  const Settings plain;
  const Settings all = {true, 0.1, 0.5, 8};
  for (const Place& place : places()) {
    check_xent(place, 1, 2, 1, plain, 10);
    check_xent(place, 7, 65, 3, plain, 11);
    check_xent(place, 7, 65, 3, all, 12);
    check_xent(place, 5, 1024, 30, {true, 0, 1, 0}, 13);
    check_xent(place, 5, 1025, 30, all, 14);
    check_xent(place, 3, 10007, 80, {false, 0.2, 0.25, 0}, 15);
    check_xent(place, 1, 100000, 5, {false, 0, 0.5, 4}, 16);
    check_xent_edges(place, 3);
    check_xent_edges(place, 2000);
    check_mse(place, 1, 1, false, plain, 17);
    check_mse(place, 37, 29, true, all, 18);
    check_mse(place, 5000, 1, true, {true, 0, 1, 0}, 19);
    check_mse(place, 3, 1500, false, all, 20);
  }
  return frnn::testing::report();
}
