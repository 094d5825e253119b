// The numbers that tests draw are the same on every machine, so that a seed replays a failure.
#include "testing.h"

int main() {
  frnn::testing::Random random(0);
  // First outputs of splitmix64 with seed 0, as published with the algorithm (Steele et al. 2014).
  FRNN_CHECK(random.bits() == 0xe220a8397b1dcdafu);
  FRNN_CHECK(random.bits() == 0x6e789e6aa1b965f4u);
  const double u = random.uniform(-1, 1);
  FRNN_CHECK(u >= -1 && u < 1);
  FRNN_CHECK_NEAR(u, u, 0);
  return frnn::testing::report();
}
