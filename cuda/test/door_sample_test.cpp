// Goal: classes are drawn as the header says, the same on every backend, and as often as their
// probabilities have it.
// Method: against a plain implementation that sorts; ties, masked and infinite logits; counts of
// many draws against the probabilities; a counter in device memory moves the draw on.

#include <algorithm>
#include <limits>
#include <numeric>

#include "cells/philox.h"
#include "door_device.h"

namespace {

using namespace frnn::testing;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Settings {
  double temperature = 1;
  int64_t top_k = 0;
  double top_p = 1;
  int64_t seed = 7;
  int64_t offset = 0;
};

std::vector<int32_t> draw_ids(const Place& place, const Floats& logits, int64_t V,
                              const Settings& settings, int64_t added = 0) {
  const DoorDevice device(place);
  const int64_t N = static_cast<int64_t>(logits.size()) / V;
  const Elements x(device, place, logits);
  const Values<int32_t> ids(device, N);
  const Values<int64_t> more(device, std::vector<int64_t>{added});
  frnn_sample s{};
  s.struct_bytes = sizeof s;
  s.dtype = place.dtype;
  s.N = N, s.V = V;
  s.logits = x.address(), s.ids = ids.address();
  s.temperature = settings.temperature, s.top_k = settings.top_k, s.top_p = settings.top_p;
  s.seed = settings.seed, s.offset = settings.offset;
  s.offset_address = added == 0 ? 0 : more.address();
  must(frnn_sample_rows(device.handle(), &s), "sample");
  return ids.read();
}

double uniform_of(int64_t n, const Settings& s) {
  const frnn::PhiloxWords words =
      frnn::philox({{static_cast<uint32_t>(n), static_cast<uint32_t>(s.offset),
                     static_cast<uint32_t>(s.offset >> 32), 0xffffffffu}},
                   static_cast<uint32_t>(s.seed), static_cast<uint32_t>(s.seed >> 32));
  const uint64_t bits = (uint64_t{words.w[0]} << 32 | words.w[1]) >> 11;
  return static_cast<double>(bits) * 0x1p-53;
}

// By sorting, in double.
int32_t plain_draw(const float* x, int64_t V, int64_t n, const Settings& s) {
  std::vector<int64_t> order(at(V));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return x[a] > x[b]; });
  if (s.temperature == 0) return static_cast<int32_t>(order[0]);
  if (s.top_k > 0) order.resize(at(std::min(s.top_k, V)));
  Doubles weights(at(V), 0.0);
  double all = 0;
  for (const int64_t v : order)
    all += weights[at(v)] = std::exp((x[v] - x[order[0]]) / s.temperature);
  double kept = 0;
  for (const int64_t v : order) {
    if (kept >= s.top_p * all) weights[at(v)] = 0;
    kept += weights[at(v)];
  }
  double left = uniform_of(n, s) * std::accumulate(weights.begin(), weights.end(), 0.0);
  for (int64_t v = 0; v < V; ++v) {
    left -= weights[at(v)];
    if (left < 0) return static_cast<int32_t>(v);
  }
  return static_cast<int32_t>(order[0]);
}

void check_draws(const Place& place, int64_t N, int64_t V, double spread, const Settings& settings,
                 uint64_t seed) {
  Random random(seed);
  const Floats logits = draw(random, place, N * V, spread);
  const std::vector<int32_t> ids = draw_ids(place, logits, V, settings);
  for (int64_t n = 0; n < N; ++n) {
    const int32_t expected = plain_draw(&logits[at(n * V)], V, n, settings);
    if (ids[at(n)] == expected) continue;
    fail(__FILE__, __LINE__,
         place.name() + ": row " + std::to_string(n) + " of V " + std::to_string(V) + " drew " +
             std::to_string(ids[at(n)]) + ", expected " + std::to_string(expected));
  }
  Place other = place;
  other.variant = 2;
  FRNN_CHECK(draw_ids(other, logits, V, settings) == ids);
}

void check_edges(const Place& place) {
  const Settings greedy = {0, 0, 1, 7, 0};
  const Floats ties = {1, 3, 3, 2, 3, 0, -1};
  FRNN_CHECK(draw_ids(place, ties, 7, greedy)[0] == 1);
  FRNN_CHECK(draw_ids(place, ties, 7, {1, 1, 1, 7, 0})[0] == 1);  // top_k 1: the first of equals
  for (int64_t offset = 0; offset < 20; ++offset) {
    const Settings two = {1, 2, 1, 7, offset}, half = {1, 0, 0.4, 7, offset};
    const int32_t k = draw_ids(place, ties, 7, two)[0];
    FRNN_CHECK(k == 1 || k == 2);
    const int32_t p = draw_ids(place, ties, 7, half)[0];  // each of the equals has 0.29
    FRNN_CHECK(p == 1 || p == 2);
    const Settings any = {1, 0, 1, 7, offset};
    FRNN_CHECK(draw_ids(place, {-kInfinity, 0, -kInfinity}, 3, any)[0] == 1);
    FRNN_CHECK(draw_ids(place, {kNan, 0, kNan}, 3, any)[0] == 1);
    const int32_t infinite = draw_ids(place, {kInfinity, 0, kInfinity}, 3, any)[0];
    FRNN_CHECK(infinite == 0 || infinite == 2);
    FRNN_CHECK(draw_ids(place, {1, 2}, 2, {1e-30, 0, 1, 7, offset})[0] == 1);
  }
  FRNN_CHECK(draw_ids(place, {kNan, kNan}, 2, {})[0] == -1);
  FRNN_CHECK(draw_ids(place, {kNan, kNan}, 2, greedy)[0] == -1);
  FRNN_CHECK(draw_ids(place, {5}, 1, {})[0] == 0);
  Random random(4);
  const Floats rows = draw(random, place, 50 * 11, 1);
  FRNN_CHECK(draw_ids(place, rows, 11, {1, 0, 1, 7, 12}) ==
             draw_ids(place, rows, 11, {1, 0, 1, 7, 5}, 7));
  FRNN_CHECK(draw_ids(place, rows, 11, {1, 0, 1, 7, 12}) !=
             draw_ids(place, rows, 11, {1, 0, 1, 7, 13}));
}

// 4000 rows of the same logits, ln 1 to ln 4: each class within five standard deviations.
void check_frequencies(const Place& place) {
  const int64_t N = 4000;
  Floats logits;
  for (int64_t n = 0; n < N; ++n) {
    for (const double p : {1.0, 2.0, 3.0, 4.0})
      logits.push_back(rounded(static_cast<float>(std::log(p)), place.dtype));
  }
  std::vector<double> counts(4, 0.0);
  for (const int32_t id : draw_ids(place, logits, 4, {1, 0, 1, 99, 3}))
    counts[at(id)] += 1;
  for (int64_t v = 0; v < 4; ++v) {
    const double p = static_cast<double>(v + 1) / 10, deviation = std::sqrt(p * (1 - p) * N);
    FRNN_CHECK_NEAR(counts[at(v)], p * N, 5 * deviation + 2 * place.rounding() * N);
  }
}

}  // namespace

int main() {
  for (const Place& place : places()) {
    check_edges(place);
    check_draws(place, 9, 96, 4, {0.8, 0, 1, 1, 5}, 21);
    check_draws(place, 9, 300, 4, {1.3, 40, 1, 2, int64_t{1} << 40}, 22);
    check_draws(place, 9, 300, 3, {0.7, 0, 0.9, 3, 8}, 23);
    check_draws(place, 5, 300, 3, {1, 100, 0.5, -4, -1}, 24);
    check_draws(place, 2, 10007, 6, {1, 50, 0.95, 5, 2}, 25);
    check_draws(place, 1, 100000, 9, {0.9, 0, 0.99, 6, 3}, 26);
    check_draws(place, 7, 65, 5, {0, 0, 1, 1, 5}, 27);
    check_frequencies(place);
  }
  return frnn::testing::report();
}
