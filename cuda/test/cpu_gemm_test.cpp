// The CPU backend's matrix product: every transposition, odd sizes, alpha, bias and accumulation
// against double; every instruction set; the same bits for 1, 2 and 3 threads; nothing written
// outside C.

#include <cstring>

#include "cpu/isa.h"
#include "cpu/pool.h"
#include "testing.h"

using frnn::cpu::Gemm;
using frnn::cpu::Kernels;
using frnn::cpu::Pool;
using frnn::cpu::Worker;
using frnn::testing::Random;

namespace {

struct Case {
  int64_t M, N, K;
  bool transpose_a, transpose_b;
  float alpha;
  bool accumulate, bias;
  int64_t gap;  // elements between the rows of C
};

constexpr float kSentinel = -12345.0f;

struct Data {
  std::vector<float> a, b, bias, c;
};

Data data_of(const Case& t, uint64_t seed) {
  Random random(seed);
  Data d;
  d.a = random.uniforms<float>(t.M * t.K, -1, 1);
  d.b = random.uniforms<float>(t.K * t.N, -1, 1);
  d.bias = random.uniforms<float>(t.N, -1, 1);
  d.c = random.uniforms<float>(t.M * (t.N + t.gap), -1, 1);
  for (int64_t i = 0; i < t.M; ++i) {
    for (int64_t j = 0; j < t.gap; ++j)
      d.c[i * (t.N + t.gap) + t.N + j] = kSentinel;
  }
  return d;
}

Gemm gemm_of(const Case& t, Data& d) {
  Gemm g{};
  g.M = t.M, g.N = t.N, g.K = t.K;
  g.a = d.a.data();
  g.a_row = t.transpose_a ? 1 : t.K, g.a_column = t.transpose_a ? t.M : 1;
  g.b = d.b.data();
  g.b_row = t.transpose_b ? 1 : t.N, g.b_column = t.transpose_b ? t.K : 1;
  g.c = d.c.data();
  g.c_row = t.N + t.gap;
  g.alpha = t.alpha;
  g.accumulate = t.accumulate;
  g.bias = t.bias ? d.bias.data() : nullptr;
  return g;
}

void compare(const Kernels& kernels, const Case& t, const Data& before, const Data& after) {
  const int64_t row = t.N + t.gap;
  for (int64_t i = 0; i < t.M; ++i) {
    for (int64_t j = 0; j < row; ++j) {
      const double got = after.c[i * row + j];
      if (j >= t.N) {
        FRNN_CHECK(got == kSentinel);
        continue;
      }
      double sum = 0, size = 1;
      for (int64_t p = 0; p < t.K; ++p) {
        const double a = before.a[t.transpose_a ? p * t.M + i : i * t.K + p];
        const double b = before.b[t.transpose_b ? j * t.K + p : p * t.N + j];
        sum += a * b;
        size += std::fabs(a * b);
      }
      double expected = t.alpha * sum;
      if (t.accumulate) expected += before.c[i * row + j];
      if (t.bias && !t.accumulate) expected += before.bias[j];
      // A sum of K products in any order: at most K roundings of what was summed so far; they are
      // of both signs, so a fraction of sqrt(K) of them stays.
      const double allowed = 6e-8 * (2 + std::sqrt(static_cast<double>(t.K))) * size;
      if (!(std::fabs(got - expected) <= allowed)) {
        char text[200];
        std::snprintf(text, sizeof text,
                      "%s %ldx%ldx%ld ta %d tb %d: C[%ld,%ld] is %g, expected %g", kernels.name,
                      static_cast<long>(t.M), static_cast<long>(t.N), static_cast<long>(t.K),
                      t.transpose_a, t.transpose_b, static_cast<long>(i), static_cast<long>(j), got,
                      expected);
        frnn::testing::fail(__FILE__, __LINE__, text);
        return;
      }
    }
  }
}

void run(const Kernels& kernels, Pool& pool, const Case& t) {
  const Data before = data_of(t, 7 + static_cast<uint64_t>(t.M * 31 + t.N * 7 + t.K));
  Data first = before;
  for (int threads = 1; threads <= 3; ++threads) {
    Data d = before;
    const Gemm g = gemm_of(t, d);
    pool.run(threads, [&](const Worker& worker) { kernels.gemm(worker, g); });
    if (threads == 1) {
      compare(kernels, t, before, d);
      first = d;
    } else {
      FRNN_CHECK(std::memcmp(first.c.data(), d.c.data(), d.c.size() * sizeof(float)) == 0);
    }
  }
}

}  // namespace

int main() {
  const std::shared_ptr<Pool> pool = Pool::shared();
  const int64_t sizes[][3] = {{1, 1, 1},    {1, 7, 5},      {3, 1, 9},     {2, 33, 17},
                              {5, 31, 257}, {13, 64, 3},    {14, 32, 16},  {15, 33, 255},
                              {29, 65, 40}, {37, 129, 513}, {1, 300, 70},  {343, 30, 21},
                              {7, 4101, 3}, {64, 96, 0},    {400, 70, 300}};
  for (const Kernels* kernels : frnn::cpu::usable_kernels()) {
    for (const auto& s : sizes) {
      for (int transposed = 0; transposed < 4; ++transposed) {
        Case t{s[0],  s[1],  s[2], (transposed & 1) != 0, (transposed & 2) != 0, 1.0f,
               false, false, 0};
        run(*kernels, *pool, t);
        t.accumulate = true;
        t.gap = 3;
        run(*kernels, *pool, t);
        t = {s[0], s[1], s[2], t.transpose_a, t.transpose_b, -0.5f, false, true, 1};
        run(*kernels, *pool, t);
      }
    }
  }
  return frnn::testing::report();
}
