// The few things that a native test needs: checks that name what failed and go on, seeded numbers,
// and an exit code. A test program ends with `return frnn::testing::report();`.

#ifndef FUSEDRNN_TEST_TESTING_H_
#define FUSEDRNN_TEST_TESTING_H_

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace frnn {
namespace testing {

inline int& failures() {
  static int count = 0;
  return count;
}

inline void fail(const char* file, int line, const std::string& text) {
  if (++failures() <= 50) std::fprintf(stderr, "%s:%d: %s\n", file, line, text.c_str());
}

inline int report() {
  if (failures() != 0) std::fprintf(stderr, "%d checks failed\n", failures());
  return failures() == 0 ? 0 : 1;
}

// splitmix64: the same numbers on every platform, unlike std::uniform_real_distribution.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(bits() >> 11) * 0x1p-53;
  }
  int64_t below(int64_t bound) {
    return static_cast<int64_t>(bits() % static_cast<uint64_t>(bound));
  }
  template <typename E>
  std::vector<E> uniforms(int64_t count, double low, double high) {
    std::vector<E> values(static_cast<size_t>(count));
    for (E& v : values)
      v = static_cast<E>(uniform(low, high));
    return values;
  }

 private:
  uint64_t state_;
};

}  // namespace testing
}  // namespace frnn

#define FRNN_CHECK(condition)                                                           \
  do {                                                                                  \
    if (!(condition)) ::frnn::testing::fail(__FILE__, __LINE__, "not so: " #condition); \
  } while (0)

// Both are finite and differ by at most `allowed`.
#define FRNN_CHECK_NEAR(got, expected, allowed)                                                   \
  do {                                                                                            \
    const double frnn_got = (got), frnn_expected = (expected), frnn_allowed = (allowed);          \
    if (!(std::fabs(frnn_got - frnn_expected) <= frnn_allowed)) {                                 \
      char frnn_text[256];                                                                        \
      std::snprintf(frnn_text, sizeof frnn_text, "%s is %.17g, expected %.17g within %.3g", #got, \
                    frnn_got, frnn_expected, frnn_allowed);                                       \
      ::frnn::testing::fail(__FILE__, __LINE__, frnn_text);                                       \
    }                                                                                             \
  } while (0)

// A Status is a success; prints its text otherwise.
#define FRNN_CHECK_OK(expression)                                                       \
  do {                                                                                  \
    const auto frnn_status = (expression);                                              \
    if (!frnn_status.ok()) ::frnn::testing::fail(__FILE__, __LINE__, frnn_status.text); \
  } while (0)

#endif  // FUSEDRNN_TEST_TESTING_H_
