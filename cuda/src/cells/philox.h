// Masks of dropout and zoneout from Philox4x32-10 (Salmon et al. 2011): a counter-based generator,
// so that every backend draws the same mask and backward draws it again instead of storing it.
// Which key and counter belong to an element is laid down in fusedrnn.h, "Masks".

#ifndef FUSEDRNN_SRC_CELLS_PHILOX_H_
#define FUSEDRNN_SRC_CELLS_PHILOX_H_

#include <cstdint>

#include "machine/qualifiers.h"

namespace frnn {

struct PhiloxWords {
  uint32_t w[4];
};

FRNN_HOST_DEVICE PhiloxWords philox(PhiloxWords counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t even = uint64_t{0xD2511F53u} * counter.w[0];
    const uint64_t odd = uint64_t{0xCD9E8D57u} * counter.w[2];
    counter = {{static_cast<uint32_t>(odd >> 32) ^ counter.w[1] ^ key0, static_cast<uint32_t>(odd),
                static_cast<uint32_t>(even >> 32) ^ counter.w[3] ^ key1,
                static_cast<uint32_t>(even)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// One mask: everything but the element's number.
struct Mask {
  uint32_t key0 = 0, key1 = 0;
  uint32_t offset0 = 0, offset1 = 0;
  uint32_t stream = 0;
  uint32_t threshold = 0;  // 0 drops nothing: there is no mask
  float scale = 1.0f;      // 1 / (1 - p)
};

enum MaskKind { kDropout = 0, kRecurrentDropout = 1, kZoneoutH = 2, kZoneoutC = 3 };

inline Mask make_mask(double p, int64_t seed, int64_t offset, int64_t mask_stream, MaskKind kind) {
  const uint64_t key = static_cast<uint64_t>(seed), counter = static_cast<uint64_t>(offset);
  Mask mask;
  mask.key0 = static_cast<uint32_t>(key), mask.key1 = static_cast<uint32_t>(key >> 32);
  mask.offset0 = static_cast<uint32_t>(counter);
  mask.offset1 = static_cast<uint32_t>(counter >> 32);
  mask.stream = static_cast<uint32_t>(mask_stream * 4 + kind);
  mask.threshold = static_cast<uint32_t>(p * 4294967296.0);
  mask.scale = static_cast<float>(1.0 / (1.0 - p));
  return mask;
}

// The four words that decide over elements 4 * block to 4 * block + 3.
FRNN_HOST_DEVICE PhiloxWords mask_words(const Mask& mask, int64_t block) {
  const PhiloxWords counter = {
      {static_cast<uint32_t>(block), mask.offset0, mask.offset1, mask.stream}};
  return philox(counter, mask.key0, mask.key1);
}

FRNN_HOST_DEVICE bool dropped(const Mask& mask, int64_t element) {
  const PhiloxWords words = mask_words(mask, element >> 2);
  const uint32_t low = (element & 1) == 0 ? words.w[0] : words.w[1];   // no indexing by a variable:
  const uint32_t high = (element & 1) == 0 ? words.w[2] : words.w[3];  // that would be local memory
  return ((element & 2) == 0 ? low : high) < mask.threshold;
}

}  // namespace frnn

#endif  // FUSEDRNN_SRC_CELLS_PHILOX_H_
