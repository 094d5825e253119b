// splitmix64: small, seeded, the same everywhere. Draws the orders in which the emulator runs
// things.

#ifndef FUSEDRNN_EMULATOR_RANDOM_H_
#define FUSEDRNN_EMULATOR_RANDOM_H_

#include <cstdint>
#include <utility>

namespace frnn::machine::emulated {

class Random {
 public:
  explicit Random(uint64_t seed = 0) : state_(seed) {}
  // Another stream of numbers for each (seed, a, b).
  static uint64_t mix(uint64_t seed, uint64_t a, uint64_t b) {
    Random r(seed + a * 0xd1342543de82ef95u);
    return r.next() ^ Random(b).next();
  }
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // 0 to bound - 1; bound is small, so that the bias is of no account here.
  uint32_t below(uint32_t bound) {
    return static_cast<uint32_t>((static_cast<uint64_t>(static_cast<uint32_t>(next())) * bound) >>
                                 32);
  }
  bool coin() { return (next() & 1) != 0; }
  template <class T>
  void shuffle(T* items, uint32_t count) {
    for (uint32_t i = count; i > 1; --i)
      std::swap(items[i - 1], items[below(i)]);
  }

 private:
  uint64_t state_;
};

}  // namespace frnn::machine::emulated

#endif  // FUSEDRNN_EMULATOR_RANDOM_H_
