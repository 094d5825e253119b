// How a class is drawn from a row of logits, step by step, as fusedrnn_training.h has it. Weights
// are whole numbers, so that their sums do not depend on any order and every backend draws the
// same.

#ifndef FUSEDRNN_SRC_CELLS_SAMPLING_H_
#define FUSEDRNN_SRC_CELLS_SAMPLING_H_

#include <cmath>
#include <cstdint>
#include <cstring>

#include "cells/philox.h"
#include "machine/qualifiers.h"

namespace frnn {

using SampleWeight = unsigned long long;

constexpr SampleWeight kLargestWeight = 1ull << 40;
constexpr int64_t kMostClasses = int64_t{1} << 23;  // their weights sum to less than 2^63

// Larger numbers have larger orders; NaN has 0, the two zeros have the same.
FRNN_HOST_DEVICE uint32_t order_of(float x) {
  if (x != x) return 0;
  const float plain = x + 0.0f;
  uint32_t bits = 0;
  memcpy(&bits, &plain, sizeof(bits));
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

// Classes by falling keys: larger logits first, of equals the first class.
FRNN_HOST_DEVICE uint32_t key_of_class(int64_t v) {
  return 0xffffffffu - static_cast<uint32_t>(v);
}
FRNN_HOST_DEVICE int64_t class_of_key(uint64_t key) {
  return 0xffffffffu - static_cast<uint32_t>(key);
}
FRNN_HOST_DEVICE uint64_t sample_key(float x, int64_t v) {
  return (static_cast<uint64_t>(order_of(x)) << 32) | key_of_class(v);
}

FRNN_HOST_DEVICE SampleWeight sample_weight(float x, float largest, float temperature) {
  if (x == largest) return kLargestWeight;  // infinite ones, too
  if (x != x) return 0;
  return static_cast<SampleWeight>(expf((x - largest) / temperature) * 0x1p40f);
}

// The least weight that makes up at least p, in (0, 1], of all.
FRNN_HOST_DEVICE SampleWeight weight_share(double p, SampleWeight all) {
  const SampleWeight share = static_cast<SampleWeight>(ceil(p * static_cast<double>(all)));
  return share < 1 ? 1 : (share > all ? all : share);
}

// Which of `all` units of weight row n draws, from 1 on.
FRNN_HOST_DEVICE SampleWeight drawn_weight(int64_t n, uint64_t seed, uint64_t offset,
                                           SampleWeight all) {
  const PhiloxWords words = philox({{static_cast<uint32_t>(n), static_cast<uint32_t>(offset),
                                     static_cast<uint32_t>(offset >> 32), 0xffffffffu}},
                                   static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
  const uint64_t bits = (static_cast<uint64_t>(words.w[0]) << 32 | words.w[1]) >> 11;
  const double u = static_cast<double>(bits) * 0x1p-53;
  const SampleWeight drawn = static_cast<SampleWeight>(u * static_cast<double>(all));
  return drawn < all ? drawn + 1 : all;
}

// Whether all keys of V classes have 0xff in this byte of the class.
FRNN_HOST_DEVICE bool constant_byte(int64_t V, int shift) {
  return shift < 32 && ((V - 1) >> shift) == 0;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_CELLS_SAMPLING_H_
