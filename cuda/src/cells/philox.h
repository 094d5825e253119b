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
  uint64_t offset = 0;
  uint32_t stream = 0;
  uint32_t threshold = 0;          // 0 drops nothing: there is no mask
  float scale = 1.0f;              // 1 / (1 - p)
  const int64_t* added = nullptr;  // device: added to the offset, optional
};

enum MaskKind { kDropout = 0, kRecurrentDropout = 1, kZoneoutH = 2, kZoneoutC = 3 };

// Which numbers a mask draws from, as fusedrnn.h has it.
struct MaskSource {
  int64_t seed, offset, mask_stream;
  int64_t offset_address;  // 0: none
};

inline Mask make_mask(double p, const MaskSource& source, MaskKind kind) {
  const uint64_t key = static_cast<uint64_t>(source.seed);
  Mask mask;
  mask.key0 = static_cast<uint32_t>(key), mask.key1 = static_cast<uint32_t>(key >> 32);
  mask.offset = static_cast<uint64_t>(source.offset);
  mask.stream = static_cast<uint32_t>(source.mask_stream * 4 + kind);
  mask.threshold = static_cast<uint32_t>(p * 4294967296.0);
  mask.scale = static_cast<float>(1.0 / (1.0 - p));
  mask.added = reinterpret_cast<const int64_t*>(source.offset_address);
  return mask;
}

// The four words that decide over elements 4 * block to 4 * block + 3.
FRNN_HOST_DEVICE PhiloxWords mask_words(const Mask& mask, int64_t block) {
  uint64_t offset = mask.offset;
  if (mask.added != nullptr) offset += static_cast<uint64_t>(*mask.added);
  const PhiloxWords counter = {{static_cast<uint32_t>(block), static_cast<uint32_t>(offset),
                                static_cast<uint32_t>(offset >> 32), mask.stream}};
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
