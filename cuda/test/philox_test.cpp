// Philox4x32-10 against the known answers published with Random123, and the masks' elements.
#include "cells/philox.h"

#include "testing.h"

int main() {
  using namespace frnn;
  struct Answer {
    PhiloxWords counter;
    uint32_t key0, key1;
    PhiloxWords expected;
  };
  const Answer answers[] = {
      {{{0, 0, 0, 0}}, 0, 0, {{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}}},
      {{{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u, {{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}}},
      {{{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}},
       0xa4093822u,
       0x299f31d0u,
       {{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}}}};
  for (const Answer& a : answers) {
    const PhiloxWords got = philox(a.counter, a.key0, a.key1);
    for (int k = 0; k < 4; ++k)
      FRNN_CHECK(got.w[k] == a.expected.w[k]);
  }

  const Mask mask = make_mask(0.25, {0x1122334455667788, 0x99aabbccdd, 6, 0}, kZoneoutH);
  FRNN_CHECK(mask.key0 == 0x55667788u && mask.key1 == 0x11223344u);
  FRNN_CHECK(mask.offset == 0x99aabbccddu && mask.stream == 26);
  FRNN_CHECK(mask.threshold == 0x40000000u && mask.scale == static_cast<float>(4.0 / 3.0));
  int count = 0;
  for (int64_t e = 0; e < 40000; ++e) {
    count += dropped(mask, e) ? 1 : 0;
    FRNN_CHECK(dropped(mask, e) == (mask_words(mask, e / 4).w[e % 4] < mask.threshold));
  }
  FRNN_CHECK_NEAR(count, 10000, 400);  // 4.6 standard deviations
  FRNN_CHECK(!dropped(make_mask(0, {1, 2, 3, 0}, kDropout), 7));

  const int64_t added = 1;  // carries into the counter's upper half
  const Mask moved =
      make_mask(0.25, {7, 0xffffffff, 3, reinterpret_cast<int64_t>(&added)}, kDropout);
  const Mask there = make_mask(0.25, {7, 0x100000000, 3, 0}, kDropout);
  for (int64_t block = 0; block < 10; ++block)
    FRNN_CHECK(mask_words(moved, block).w[0] == mask_words(there, block).w[0]);
  return testing::report();
}
