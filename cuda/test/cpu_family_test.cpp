// The whole family on the CPU backend, with each instruction set; the seed of a device is the
// number of its threads, which must not change a bit.

#include "family_suite.h"

std::unique_ptr<frnn::Device> frnn::open_device(int64_t seed) {
  std::unique_ptr<Device> device;
  FRNN_CHECK_OK(cpu_provider().open(0, &device));
  FRNN_CHECK_OK(device->set("threads", 1 + seed % 3));
  return device;
}

frnn_rnn_sizes frnn::sizes_of(const frnn_rnn& rnn) {
  return cpu_rnn_sizes(rnn);
}

int main() {
  for (const char* isa : {"avx512", "avx2", "portable"}) {
    if (!frnn::cpu_provider().set_option("cpu.isa", isa).ok()) continue;
    frnn::check_family();
  }
  return frnn::testing::report();
}
