// Goal: storage formats narrower than float are what IEEE 754 and bfloat16 say.
// Method: by hand at the edges; every 16-bit pattern there and back; neighbours of every half.

#include "machine/numbers.h"

#include <cmath>

#include "testing.h"

namespace m = frnn::machine;

namespace {

uint16_t half(float value) {
  return m::narrow<m::F16>(value).bits;
}
uint16_t brain(float value) {
  return m::narrow<m::Bf16>(value).bits;
}

void test_edges() {
  FRNN_CHECK(half(0.0f) == 0 && half(-0.0f) == 0x8000 && half(1.0f) == 0x3c00);
  FRNN_CHECK(half(65519.0f) == 0x7bff && half(65520.0f) == 0x7c00 && half(-1e30f) == 0xfc00);
  FRNN_CHECK(half(0x1p-24f) == 1 && half(-0x1p-25f) == 0x8000 && half(0x1.8p-25f) == 1);
  FRNN_CHECK(half(1.0f + 0x1p-11f) == 0x3c00);  // a tie goes to even
  FRNN_CHECK(half(1.0f + 0x3p-11f) == 0x3c02);  // from both sides
  FRNN_CHECK(brain(1.0f + 0x1p-8f) == 0x3f80 && brain(1.0f + 0x3p-8f) == 0x3f82);
  FRNN_CHECK(brain(3.4e38f) == 0x7f80 && brain(-INFINITY) == 0xff80);
  FRNN_CHECK(std::isnan(m::widen(m::narrow<m::F16>(NAN))));
  FRNN_CHECK(std::isnan(m::widen(m::narrow<m::Bf16>(NAN))));
  FRNN_CHECK(std::isnan(m::widen(m::narrow<m::Bf16>(m::float_of(0x7f800001u)))));
  FRNN_CHECK(m::round_to_tf32(1.0f + 0x1p-11f) == 1.0f + 0x1p-10f);  // a tie goes away from zero
  FRNN_CHECK(m::round_to_tf32(-1.0f - 0x1p-11f) == -1.0f - 0x1p-10f);
  FRNN_CHECK(m::round_to_tf32(1.0f + 0x1p-12f) == 1.0f);
  FRNN_CHECK(std::isinf(m::round_to_tf32(INFINITY)) && std::isnan(m::round_to_tf32(NAN)));
}

void test_every_pattern() {
  for (int i = 0; i < 65536; ++i) {
    const uint16_t bits = static_cast<uint16_t>(i);
    const float h = m::widen(m::F16{bits});
    const float b = m::widen(m::Bf16{bits});
    FRNN_CHECK(std::isnan(h) || half(h) == bits);
    FRNN_CHECK(std::isnan(b) || brain(b) == bits);
  }
}

// Whatever lies nearer to a half than to its neighbours becomes that half.
void test_nearest() {
  for (int i = 0; i < 0x7bff; ++i) {
    const float low = m::widen(m::F16{static_cast<uint16_t>(i)});
    const float high = m::widen(m::F16{static_cast<uint16_t>(i + 1)});
    const float middle = 0.5f * (low + high);
    FRNN_CHECK(half(std::nextafterf(middle, low)) == i);
    FRNN_CHECK(half(std::nextafterf(middle, high)) == i + 1);
    FRNN_CHECK(half(middle) == (i % 2 == 0 ? i : i + 1));
  }
}

}  // namespace

int main() {
  test_edges();
  test_every_pattern();
  test_nearest();
  return frnn::testing::report();
}
