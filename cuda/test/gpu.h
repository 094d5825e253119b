// A device for kernel tests: tensors of it that free themselves, with sentinels behind them, and
// calls as the door makes them. Outputs start as NaN, because fresh emulated memory is.

#ifndef FUSEDRNN_TEST_GPU_H_
#define FUSEDRNN_TEST_GPU_H_

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "host/plan.h"
#include "host/provider.h"
#include "machine/numbers.h"
#include "testing.h"

namespace frnn {
namespace testing {

inline std::unique_ptr<Device> open_gpu(int64_t seed) {
  std::unique_ptr<Device> device;
  FRNN_CHECK_OK(frnn_provider_1()->open(0, &device));
  if (device != nullptr) FRNN_CHECK_OK(device->set("seed", seed));
  return device;
}

template <typename E>
class Tensor {
 public:
  Tensor(Device& device, int64_t count) : device_(&device), count_(count) {
    FRNN_CHECK_OK(device.alloc(std::max<int64_t>(bytes(), 1), &address_));
  }
  Tensor(Device& device, const std::vector<E>& values)
      : Tensor(device, static_cast<int64_t>(values.size())) {
    write(values);
  }
  ~Tensor() { FRNN_CHECK_OK(device_->free(address_)); }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  int64_t address() const { return address_; }
  int64_t bytes() const { return count_ * static_cast<int64_t>(sizeof(E)); }

  void write(const std::vector<E>& values) {
    copy(address_, reinterpret_cast<int64_t>(values.data()), FRNN_HOST_TO_DEVICE);
  }
  std::vector<E> read() const {
    std::vector<E> values(static_cast<size_t>(count_));
    copy(reinterpret_cast<int64_t>(values.data()), address_, FRNN_DEVICE_TO_HOST);
    return values;
  }

 private:
  void copy(int64_t to, int64_t from, int64_t kind) const {
    FRNN_CHECK_OK(device_->synchronize());
    FRNN_CHECK_OK(device_->copy(to, from, bytes(), kind, 0));
    FRNN_CHECK_OK(device_->synchronize());
  }

  Device* device_;
  int64_t count_;
  int64_t address_ = 0;
};

// Compares with double. `units` is the size of one rounding error of the quantity, about
// 2^-24 * (largest term); `factor` how many of them a plain fp32 computation may collect.
inline void check_close(const char* what, const std::vector<float>& got,
                        const std::vector<double>& expected, double factor) {
  FRNN_CHECK(got.size() == expected.size());
  double largest = 1e-30;
  for (const double e : expected)
    largest = std::fmax(largest, std::fabs(e));
  const double allowed = factor * 0x1p-24 * std::fmax(largest, 1.0);
  size_t worst = 0;
  double error = -1;
  for (size_t k = 0; k < got.size(); ++k) {
    const double e = std::fabs(got[k] - expected[k]);
    if (!(e <= error)) error = e, worst = k;
    if (std::isnan(e)) break;
  }
  if (got.empty() || error <= allowed) return;
  char text[200];
  std::snprintf(text, sizeof text, "%s[%zu] is %.9g, expected %.9g: error %.3g, allowed %.3g", what,
                worst, static_cast<double>(got[worst]), expected[worst], error, allowed);
  fail(__FILE__, __LINE__, text);
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline std::vector<double> widened(const std::vector<float>& values) {
  return std::vector<double>(values.begin(), values.end());
}

// Floats as a tensor of `dtype` holds them, and back.
inline std::vector<char> encode(const std::vector<float>& values, int64_t dtype) {
  std::vector<char> bytes(values.size() * static_cast<size_t>(bytes_of(dtype)));
  for (size_t k = 0; k < values.size(); ++k) {
    const uint16_t narrow = dtype == FRNN_BF16 ? machine::narrow<machine::Bf16>(values[k]).bits
                                               : machine::narrow<machine::F16>(values[k]).bits;
    if (dtype == FRNN_F32) {
      std::memcpy(&bytes[4 * k], &values[k], 4);
    } else {
      std::memcpy(&bytes[2 * k], &narrow, 2);
    }
  }
  return bytes;
}
inline std::vector<float> decode(const std::vector<char>& bytes, int64_t dtype) {
  std::vector<float> values(bytes.size() / static_cast<size_t>(bytes_of(dtype)));
  for (size_t k = 0; k < values.size(); ++k) {
    uint16_t narrow = 0;
    if (dtype == FRNN_F32) {
      std::memcpy(&values[k], &bytes[4 * k], 4);
      continue;
    }
    std::memcpy(&narrow, &bytes[2 * k], 2);
    values[k] = dtype == FRNN_BF16 ? machine::widen(machine::Bf16{narrow})
                                   : machine::widen(machine::F16{narrow});
  }
  return values;
}

}  // namespace testing
}  // namespace frnn

#endif  // FUSEDRNN_TEST_GPU_H_
