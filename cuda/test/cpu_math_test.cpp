// The error of the vectorised exp, sigmoid and tanh in units of the last place, against long
// double: every 499th float of the whole range, and the special values. Prints the largest error of
// each.

#include <cstring>
#include <limits>

#include "cpu/isa.h"
#include "testing.h"

using frnn::cpu::Function;
using frnn::cpu::Kernels;

namespace {

float from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

long double exact(Function function, float x) {
  const long double wide = x;
  switch (function) {
    case Function::kExp:
      return std::exp(wide);
    case Function::kSigmoid:
      return 1.0L / (1.0L + std::exp(-wide));
    default:
      return std::tanh(wide);
  }
}

// Distance in units of the last place of a float of the size of `expected`; below 2^-125 the
// distance counts in units of that size's last place, so that results may be flushed to zero there.
double distance(float got, long double expected) {
  long double size = std::fabs(expected);
  if (size < 0x1p-125L) size = 0x1p-125L;
  int exponent;
  std::frexp(size, &exponent);
  const long double unit = std::ldexp(1.0L, exponent - 24);
  const long double off = std::fabs(static_cast<long double>(got) - expected);
  if (size <= 0x1p-125L && off <= 0x1p-125L) return 0.0;
  return static_cast<double>(off / unit);
}

void sweep(const Kernels& kernels, Function function, const char* name, float most,
           double allowed) {
  constexpr int kBatch = 4096;
  std::vector<float> in(kBatch), out(kBatch);
  double worst = 0;
  float worst_at = 0;
  for (int sign = 0; sign < 2; ++sign) {
    uint32_t last;
    std::memcpy(&last, &most, sizeof last);
    for (uint32_t bits = 0; bits <= last;) {
      int count = 0;
      for (; count < kBatch && bits <= last; ++count, bits += 499) {
        in[count] = sign == 0 ? from_bits(bits) : -from_bits(bits);
      }
      kernels.map(function, in.data(), out.data(), count);
      for (int i = 0; i < count; ++i) {
        const double d = distance(out[i], exact(function, in[i]));
        if (!(d <= worst)) {
          worst = d;
          worst_at = in[i];
        }
      }
    }
  }
  std::printf("%-8s %-7s largest error %.3f ulp at %.9g\n", kernels.name, name, worst, worst_at);
  FRNN_CHECK(worst <= allowed);
}

float one(const Kernels& kernels, Function function, float x) {
  float y;
  kernels.map(function, &x, &y, 1);
  return y;
}

void specials(const Kernels& kernels) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (Function f : {Function::kExp, Function::kSigmoid, Function::kTanh}) {
    FRNN_CHECK(std::isnan(one(kernels, f, nan)));
    FRNN_CHECK(std::isnan(one(kernels, f, -nan)));
  }
  FRNN_CHECK(one(kernels, Function::kExp, 0.0f) == 1.0f);
  FRNN_CHECK(one(kernels, Function::kExp, -inf) == 0.0f);
  FRNN_CHECK(one(kernels, Function::kExp, inf) == inf);
  FRNN_CHECK(one(kernels, Function::kSigmoid, 0.0f) == 0.5f);
  FRNN_CHECK(one(kernels, Function::kSigmoid, inf) == 1.0f);
  FRNN_CHECK(one(kernels, Function::kSigmoid, -inf) <= 0x1p-125f);
  FRNN_CHECK(one(kernels, Function::kTanh, inf) == 1.0f);
  FRNN_CHECK(one(kernels, Function::kTanh, -inf) == -1.0f);
  FRNN_CHECK(one(kernels, Function::kTanh, 0.0f) == 0.0f);
  FRNN_CHECK(std::signbit(one(kernels, Function::kTanh, -0.0f)));
}

}  // namespace

int main() {
  for (const Kernels* kernels : frnn::cpu::usable_kernels()) {
    sweep(*kernels, Function::kExp, "exp", 87.0f, 1.1);
    sweep(*kernels, Function::kSigmoid, "sigmoid", 200.0f, 2.4);
    sweep(*kernels, Function::kTanh, "tanh", 50.0f, 2.6);
    specials(*kernels);
  }
  return frnn::testing::report();
}
