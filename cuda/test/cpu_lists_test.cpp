// Clipping and optimisers over lists of tensors on the CPU, against double: each instruction set;
// the same bits for 1, 2 and 3 threads; a list of more than 2^31 elements.

#include "list_suite.h"

namespace {

using frnn::Device;

std::unique_ptr<Device> open_cpu(int64_t threads) {
  std::unique_ptr<Device> device;
  FRNN_CHECK_OK(frnn::cpu_provider().open(0, &device));
  FRNN_CHECK_OK(device->set("threads", threads));
  return device;
}

// Memory that was never written reads as zeros and takes no room.
void check_beyond_2_31() {
  const int64_t length = (int64_t{1} << 31) + 5;
  const auto device = open_cpu(2);
  std::vector<char> table;
  int64_t memory = 0;
  FRNN_CHECK_OK(device->alloc(2 * length, &memory));
  uint16_t* const values = reinterpret_cast<uint16_t*>(memory);
  values[0] = 0x3c00, values[length - 1] = 0x4000;  // 1 and 2
  const int64_t dtype = FRNN_F16;
  frnn_tensors tensors{};
  tensors.struct_bytes = sizeof tensors;
  tensors.dtypes = reinterpret_cast<int64_t>(&dtype);
  tensors.count = 1, tensors.lists = 1;
  tensors.lengths = reinterpret_cast<int64_t>(&length);
  tensors.addresses = reinterpret_cast<int64_t>(&memory);
  const frnn_table_sizes sizes = frnn::table_sizes(tensors);
  FRNN_CHECK_OK(frnn::table_image(tensors, &table));
  std::vector<double> workspace(static_cast<size_t>(2 * sizes.chunks));
  frnn_clip_result result{};
  frnn_clip clip{};
  clip.struct_bytes = sizeof clip;
  clip.table = reinterpret_cast<int64_t>(table.data());
  clip.chunks = sizes.chunks, clip.layout = sizes.layout, clip.max_norm = 1;
  clip.result = reinterpret_cast<int64_t>(&result);
  clip.workspace = reinterpret_cast<int64_t>(workspace.data());
  clip.workspace_bytes = 16 * sizes.chunks;
  FRNN_CHECK_OK(device->clip_by_global_norm(clip));
  FRNN_CHECK_NEAR(result.norm, std::sqrt(5.0), 1e-12);
  FRNN_CHECK_OK(device->free(memory));
}

}  // namespace

int main() {
  for (const char* isa : {"portable", "avx2", "avx512"}) {
    const frnn::Status chosen = frnn::cpu_provider().set_option("cpu.isa", isa);
    if (chosen.code == FRNN_UNAVAILABLE) continue;
    FRNN_CHECK_OK(chosen);
    frnn::testing::check_lists(open_cpu, 100000);
  }
  check_beyond_2_31();
  return frnn::testing::report();
}
