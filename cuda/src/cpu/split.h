// Sharing out a range evenly. Everything here is inlined or local to its unit, since units are
// compiled for different instruction sets.

#ifndef FUSEDRNN_SRC_CPU_SPLIT_H_
#define FUSEDRNN_SRC_CPU_SPLIT_H_

#include <cstdint>

namespace frnn::cpu {

struct Range {
  int64_t first, last;
  __attribute__((always_inline)) int64_t size() const { return last - first; }
};

// Part `index` of `parts` parts of 0 .. total - 1; sizes differ by one at the most.
static inline Range split(int64_t total, int64_t parts, int64_t index) {
  const int64_t size = total / parts, larger = total % parts;
  const int64_t first = index * size + (index < larger ? index : larger);
  return {first, first + size + (index < larger ? 1 : 0)};
}

}  // namespace frnn::cpu

#endif  // FUSEDRNN_SRC_CPU_SPLIT_H_
