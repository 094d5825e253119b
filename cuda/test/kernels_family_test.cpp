// The whole family on the emulated machine, whose seed orders warps and blocks.

#include "family_suite.h"

std::unique_ptr<frnn::Device> frnn::open_device(int64_t seed) {
  return testing::open_gpu(seed);
}

frnn_rnn_sizes frnn::sizes_of(const frnn_rnn& rnn) {
  return gpu_rnn_sizes(rnn);
}

int main() {
  frnn::check_family();
  return frnn::testing::report();
}
