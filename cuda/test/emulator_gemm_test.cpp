// Goal: the emulated device's BLAS computes what BLAS must, in stream order, on checked addresses.
// Method: against a double-precision product in three loops, over odd sizes, all transposes and
// leading dimensions larger than they need be; fresh memory is NaN, so what must not be read shows.

#include <algorithm>

#include "emulated_device.h"
#include "host/blas.h"
#include "machine/numbers.h"

namespace m = frnn::machine;
using frnn::Blas;
using frnn::testing::EmulatedDevice;

namespace {

Blas open_table() {
  Blas blas;
  FRNN_CHECK_OK(frnn::open_blas("", &blas));
  return blas;
}

struct Case {
  int m, n, k;
  bool ta, tb;
  float alpha, beta;
};

double element(const std::vector<float>& x, bool transposed, int ld, int i, int j) {
  return x[static_cast<size_t>(transposed ? i * ld + j : j * ld + i)];
}

void check_product(EmulatedDevice& device, const Blas& blas, void* handle, const Case& c) {
  frnn::testing::Random random(17);
  const int lda = (c.ta ? c.k : c.m) + 3, ldb = (c.tb ? c.n : c.k) + 1, ldc = c.m + 2;
  const auto a = random.uniforms<float>(int64_t{lda} * (c.ta ? c.m : c.k), -1, 1);
  const auto b = random.uniforms<float>(int64_t{ldb} * (c.tb ? c.k : c.n), -1, 1);
  auto before = random.uniforms<float>(int64_t{ldc} * c.n, -1, 1);
  if (c.beta == 0) std::fill(before.begin(), before.end(), std::nanf(""));
  float* out = device.upload(before);
  float alpha = c.alpha, beta = c.beta;
  FRNN_CHECK(blas.sgemm(handle, c.ta, c.tb, c.m, c.n, c.k, &alpha, device.upload(a), lda,
                        device.upload(b), ldb, &beta, out, ldc) == 0);
  alpha = beta = 99;  // were read at the call
  const std::vector<float> got = device.download(out, EmulatedDevice::bytes(before) / 4);
  for (int j = 0; j < c.n; ++j) {
    for (int i = 0; i < ldc; ++i) {
      const size_t at = static_cast<size_t>(j * ldc + i);
      if (i >= c.m) {  // between the columns nothing is written
        FRNN_CHECK(std::isnan(got[at]) ? c.beta == 0 : got[at] == before[at]);
        continue;
      }
      double sum = 0;
      for (int p = 0; p < c.k; ++p) {
        sum += element(a, c.ta, lda, i, p) * element(b, c.tb, ldb, p, j);
      }
      const double old = c.beta == 0 ? 0 : double{c.beta} * before[at];
      FRNN_CHECK_NEAR(got[at], c.alpha * sum + old, 1e-6 * (c.k + 2));
    }
  }
}

void test_products() {
  EmulatedDevice device;
  const Blas blas = open_table();
  FRNN_CHECK_OK(device->activate());
  void* handle = nullptr;
  FRNN_CHECK(blas.create(&handle) == 0);
  const int sizes[][3] = {{1, 1, 1},     {1, 7, 3},     {16, 6, 5},      {17, 13, 1},
                          {33, 129, 31}, {129, 3, 257}, {131, 260, 300}, {5, 5, 0}};
  for (const auto& size : sizes) {
    for (int transposes = 0; transposes < 4; ++transposes) {
      const bool ta = transposes % 2 != 0, tb = transposes / 2 != 0;
      check_product(device, blas, handle, {size[0], size[1], size[2], ta, tb, 1, 0});
      check_product(device, blas, handle, {size[0], size[1], size[2], ta, tb, -0.5f, 2});
      check_product(device, blas, handle, {size[0], size[1], size[2], ta, tb, 1, 1});
    }
  }
  FRNN_CHECK(blas.destroy(handle) == 0);
}

// 16-bit and TF32 factors with fp32 sums: against the double product of the rounded factors.
void test_narrow_types() {
  EmulatedDevice device;
  const Blas blas = open_table();
  FRNN_CHECK_OK(device->activate());
  void* handle = nullptr;
  FRNN_CHECK(blas.create(&handle) == 0);
  constexpr int kM = 19, kN = 7, kK = 35;
  frnn::testing::Random random(5);
  const auto a = random.uniforms<float>(kM * kK, -1, 1), b = random.uniforms<float>(kK * kN, -1, 1);
  const float one = 1, zero = 0;
  const auto rounded = [](int type, float v) {
    return type == frnn::kBlasBf16  ? m::widen(m::narrow<m::Bf16>(v))
           : type == frnn::kBlasF16 ? m::widen(m::narrow<m::F16>(v))
                                    : m::round_to_tf32(v);
  };
  for (int type : {frnn::kBlasBf16, frnn::kBlasF16, frnn::kBlasF32}) {
    const auto narrow = [&](const std::vector<float>& values) -> const void* {
      if (type == frnn::kBlasF32) return device.upload(values);
      std::vector<uint16_t> bits;
      for (float v : values) {
        bits.push_back(type == frnn::kBlasBf16 ? m::narrow<m::Bf16>(v).bits
                                               : m::narrow<m::F16>(v).bits);
      }
      return device.upload(bits);
    };
    float* wide = device.alloc<float>(kM * kN);
    uint16_t* small = device.alloc<uint16_t>(kM * kN);
    const void* const da = narrow(a);
    const void* const db = narrow(b);
    FRNN_CHECK(blas.gemm_ex(handle, 0, 0, kM, kN, kK, &one, da, type, kM, db, type, kK, &zero, wide,
                            frnn::kBlasF32, kM, frnn::kBlasComputeTf32, -1) == 0);
    FRNN_CHECK(blas.gemm_ex(handle, 0, 0, kM, kN, kK, &one, da, type, kM, db, type, kK, &zero,
                            small, frnn::kBlasBf16, kM, frnn::kBlasComputeTf32, -1) == 0);
    const std::vector<float> got = device.download(wide, kM * kN);
    const std::vector<uint16_t> got_small = device.download(small, kM * kN);
    for (int j = 0; j < kN; ++j) {
      for (int i = 0; i < kM; ++i) {
        double sum = 0;
        for (int p = 0; p < kK; ++p) {
          sum += double{rounded(type, a[p * kM + i])} * rounded(type, b[j * kK + p]);
        }
        FRNN_CHECK_NEAR(got[j * kM + i], sum, 1e-5);
        FRNN_CHECK(got_small[j * kM + i] == m::narrow<m::Bf16>(got[j * kM + i]).bits);
      }
    }
  }
  blas.destroy(handle);
}

void test_stream_order() {
  EmulatedDevice device;
  const Blas blas = open_table();
  FRNN_CHECK_OK(device->activate());
  void* handle = nullptr;
  FRNN_CHECK(blas.create(&handle) == 0);
  m::Stream stream = 0;
  FRNN_CHECK_OK(device->stream_create(&stream));
  FRNN_CHECK(blas.set_stream(handle, reinterpret_cast<void*>(stream)) == 0);
  float* x = device.upload(std::vector<float>{3});
  float* y = device.upload(std::vector<float>{0});
  const float one = 1;
  for (int i = 0; i < 3; ++i) {  // y = x y + y = 4 y, from y = 1 on
    if (i == 0)
      FRNN_CHECK_OK(device->copy(EmulatedDevice::address(y), EmulatedDevice::address(&one), 4,
                                 FRNN_HOST_TO_DEVICE, stream));
    FRNN_CHECK(blas.sgemm(handle, 0, 0, 1, 1, 1, &one, x, 1, y, 1, &one, y, 1) == 0);
  }
  FRNN_CHECK(y[0] == 0);
  FRNN_CHECK_OK(device->stream_synchronize(stream));
  FRNN_CHECK(y[0] == 64);
  blas.destroy(handle);
}

void test_wrong_calls() {
  EmulatedDevice device;
  const Blas blas = open_table();
  FRNN_CHECK_OK(device->activate());
  void* handle = nullptr;
  FRNN_CHECK(blas.create(&handle) == 0);
  const float one = 1;
  float* a = device.upload(std::vector<float>(12, 1.0f));
  FRNN_CHECK(blas.sgemm(handle, 0, 0, 4, 1, 3, &one, a, 3, a, 3, &one, a, 4) != 0);  // lda < m
  FRNN_CHECK(blas.sgemm(handle, 0, 0, -1, 1, 3, &one, a, 4, a, 3, &one, a, 4) != 0);
  FRNN_CHECK(blas.sgemm(handle, 5, 0, 4, 1, 3, &one, a, 4, a, 3, &one, a, 4) != 0);
  FRNN_CHECK_OK(device->synchronize());
  float* b = device.upload(std::vector<float>(3, 1.0f));
  float* c = device.alloc<float>(3);  // one too few
  const float zero = 0;
  FRNN_CHECK(blas.sgemm(handle, 0, 0, 4, 1, 3, &one, a, 4, b, 3, &zero, c, 4) == 0);
  FRNN_CHECK_REPORT(device->synchronize(), "gemm: C: 16 bytes",
                    "4 bytes past the allocation of 12 bytes");
  blas.destroy(handle);
}

}  // namespace

int main() {
  test_products();
  test_narrow_types();
  test_stream_order();
  test_wrong_calls();
  return frnn::testing::report();
}
