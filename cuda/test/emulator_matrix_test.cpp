// Goal: matrix fragments on the emulated machine lie and multiply as the PTX manual says.
// Method: each warp multiplies matrices of small whole numbers, placed by the layout as written in
// machine/matrix.h and, independently, by ldmatrix from shared memory; every element is then known
// exactly from three loops.

#include "emulated_device.h"
#include "machine/matrix.h"

namespace m = frnn::machine;
using frnn::testing::EmulatedDevice;

namespace {

struct Args {
  const float* a = nullptr;  // [16, K]
  const float* b = nullptr;  // [K, 8]
  float* d = nullptr;        // [16, 8], +=
  int mode = 0;
};

template <class E>
E value(float v) {
  return m::narrow<E>(v);
}

FRNN_DEVICE void add_to(float (&d)[4], Args args) {
  const int g = m::lane_index() / 4, t = m::lane_index() % 4;
  for (int i = 0; i < 4; ++i)
    args.d[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] += d[i];
}

// By the layout of the registers.
template <class E>
FRNN_KERNEL void multiply_16(Args args) {
  const int g = m::lane_index() / 4, t = m::lane_index() % 4;
  uint32_t a[4], b[2];
  for (int i = 0; i < 4; ++i) {
    const float* at = args.a + (g + 8 * (i % 2)) * 16 + 2 * t + 8 * (i / 2);
    a[i] = m::pack_pair(value<E>(at[0]), value<E>(at[1]));
  }
  for (int i = 0; i < 2; ++i) {
    const float* at = args.b + (2 * t + 8 * i) * 8 + g;
    b[i] = m::pack_pair(value<E>(at[0]), value<E>(at[8]));
  }
  float d[4] = {0.5f, 0.5f, 0.5f, 0.5f};
  m::mma_16x8x16<E>(d, a, b);
  add_to(d, args);
}

// From shared memory: A as four matrices, B transposed as two.
template <class E>
FRNN_KERNEL void multiply_loaded(Args args) {
  FRNN_SHARED(tile_a, m::Float4[32]);  // 16 rows of 16 elements
  FRNN_SHARED(tile_b, m::Float4[16]);  // 16 rows of 8
  E* const sa = reinterpret_cast<E*>(tile_a);
  E* const sb = reinterpret_cast<E*>(tile_b);
  const int lane = m::lane_index();
  for (int i = lane; i < 256; i += m::kWarp)
    sa[i] = value<E>(args.a[i]);
  for (int i = lane; i < 128; i += m::kWarp)
    sb[i] = value<E>(args.b[i]);
  m::sync_warp();
  uint32_t a[4], b[2];
  m::load_matrices(a, sa + (lane % 16) * 16 + lane / 16 * 8);
  m::load_matrices_transposed(b, sb + (lane % 16) * 8);
  float d[4] = {0.5f, 0.5f, 0.5f, 0.5f};
  m::mma_16x8x16<E>(d, a, b);
  uint32_t again[1];
  m::load_matrices(again, sa + (lane % 8) * 16);  // the upper left matrix
  if (again[0] != a[0]) d[0] = -1;
  add_to(d, args);
}

FRNN_KERNEL void multiply_tf32(Args args) {
  const int g = m::lane_index() / 4, t = m::lane_index() % 4;
  uint32_t a[4], b[2];
  for (int i = 0; i < 4; ++i) {
    a[i] = m::tf32_bits(args.a[(g + 8 * (i % 2)) * 8 + t + 4 * (i / 2)]);
  }
  for (int i = 0; i < 2; ++i)
    b[i] = m::tf32_bits(args.b[(t + 4 * i) * 8 + g]);
  float d[4] = {0.5f, 0.5f, 0.5f, 0.5f};
  m::mma_16x8x8_tf32(d, a, b);
  add_to(d, args);
}

void check_product(const char* name, void (*kernel)(Args), int k, float unit) {
  for (int64_t seed = 0; seed < 4; ++seed) {
    EmulatedDevice device(seed);
    frnn::testing::Random random(static_cast<uint64_t>(seed));
    std::vector<float> a(static_cast<size_t>(16 * k)), b(static_cast<size_t>(8 * k));
    for (float& v : a)
      v = unit * static_cast<float>(random.below(17) - 8);
    for (float& v : b)
      v = static_cast<float>(random.below(17) - 8);
    float* d = device.upload(std::vector<float>(128, 1.0f));
    FRNN_CHECK_OK(device.run(name, kernel, {1, 32}, {device.upload(a), device.upload(b), d}));
    const std::vector<float> got = device.download(d, 128);
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < 8; ++j) {
        float sum = 1.5f;
        for (int p = 0; p < k; ++p)
          sum += a[i * k + p] * b[p * 8 + j];
        FRNN_CHECK(got[i * 8 + j] == sum);
      }
    }
  }
}

FRNN_KERNEL void misuse(Args args) {
  FRNN_SHARED(tile, m::Float4[32]);
  float d[4] = {};
  uint32_t a[4] = {}, b[2] = {};
  if (args.mode == 0) m::mma_16x8x8_tf32(d, a, b);
  if (args.mode == 1) m::load_matrices(b, reinterpret_cast<float*>(tile) + 1);
  if (args.mode == 2) m::load_matrices(b, args.a);
  if (args.mode == 3 && m::lane_index() < 16) m::mma_16x8x8_tf32(d, a, b);
}

void test_misuse() {
  const char* const expected[] = {"a matrix product in a warp of fewer than 32",
                                  "expected 16 bytes of shared memory at a multiple of 16",
                                  "expected 16 bytes of shared memory at a multiple of 16",
                                  "16 threads wait at a matrix product"};
  for (int mode = 0; mode < 4; ++mode) {
    EmulatedDevice device;
    const float* a = device.alloc<float>(64);
    FRNN_CHECK_REPORT(
        device.run("misuse", misuse, {1, mode == 0 ? 31 : 32}, {a, nullptr, nullptr, mode}),
        "kernel `misuse`", expected[mode]);
  }
}

}  // namespace

int main() {
  check_product("bf16", multiply_16<m::Bf16>, 16, 1.0f);
  check_product("f16", multiply_16<m::F16>, 16, 0.25f);
  check_product("bf16", multiply_loaded<m::Bf16>, 16, 1.0f);
  check_product("f16", multiply_loaded<m::F16>, 16, 0.25f);
  check_product("tf32", multiply_tf32, 8, 0.125f);
  test_misuse();
  return frnn::testing::report();
}
