// A device behind the C door for tests that run on every backend: calls that must succeed, tensors
// of any element type that free themselves, and the places at which a test is run.

#ifndef FUSEDRNN_TEST_DOOR_DEVICE_H_
#define FUSEDRNN_TEST_DOOR_DEVICE_H_

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "fusedrnn.h"
#include "machine/numbers.h"
#include "testing.h"

namespace frnn {
namespace testing {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

inline void must(int status, const char* what) {
  if (status != FRNN_OK) fail(__FILE__, __LINE__, std::string(what) + ": " + frnn_last_error());
}

inline size_t at(int64_t k) {
  return static_cast<size_t>(k);
}

// Where a test runs: a backend, and what may differ on it without changing a bit. `variant` is the
// number of threads of the cpu backend, the order of blocks and warps of the emulated one.
struct Place {
  const char* backend;
  const char* isa;  // cpu
  int64_t variant;
  int64_t dtype;

  std::string name() const {
    static const char* const dtypes[] = {"f64", "f32", "bf16", "f16", "i32"};
    return std::string(backend) + " " + isa + " " + dtypes[dtype];
  }
  // Half a unit in the last place of what is stored, relative.
  double rounding() const {
    return dtype == FRNN_F32 ? 0x1p-24 : (dtype == FRNN_F16 ? 0x1p-11 : 0x1p-8);
  }
};

// Every instruction set of the cpu, and every element type of the emulated gpu.
inline std::vector<Place> places() {
  std::vector<Place> all = {
      {"emulated", "", 1, FRNN_F32}, {"emulated", "", 1, FRNN_BF16}, {"emulated", "", 1, FRNN_F16}};
  for (const char* const isa : {"avx512", "avx2", "portable"}) {
    if (frnn_set_option("cpu.isa", isa) == FRNN_OK) all.push_back({"cpu", isa, 1, FRNN_F32});
  }
  return all;
}

class DoorDevice {
 public:
  explicit DoorDevice(const Place& place) {
    const bool cpu = std::strcmp(place.backend, "cpu") == 0;
    if (cpu) must(frnn_set_option("cpu.isa", place.isa), "cpu.isa");
    must(frnn_device_open(place.backend, 0, &handle_), "open");
    must(frnn_device_set(handle_, cpu ? "threads" : "seed", place.variant), "set");
  }
  ~DoorDevice() { must(frnn_device_close(handle_), "close"); }
  DoorDevice(const DoorDevice&) = delete;
  DoorDevice& operator=(const DoorDevice&) = delete;
  int64_t handle() const { return handle_; }

 private:
  int64_t handle_ = 0;
};

// Device memory; NaN until it is written.
class Bytes {
 public:
  Bytes(const DoorDevice& device, int64_t bytes) : device_(device.handle()), bytes_(bytes) {
    must(frnn_alloc(device_, bytes, &address_), "alloc");
    must(frnn_fill(device_, address_, 0xff, bytes, 0), "fill");
  }
  ~Bytes() { must(frnn_free(device_, address_), "free"); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  int64_t address() const { return address_; }
  int64_t size() const { return bytes_; }
  void put(const void* from) {
    copy(address_, reinterpret_cast<int64_t>(from), FRNN_HOST_TO_DEVICE);
  }
  void get(void* to) const { copy(reinterpret_cast<int64_t>(to), address_, FRNN_DEVICE_TO_HOST); }

 private:
  void copy(int64_t to, int64_t from, int64_t kind) const {
    must(frnn_device_synchronize(device_), "synchronize");
    must(frnn_copy(device_, to, from, bytes_, kind, 0), "copy");
    must(frnn_device_synchronize(device_), "synchronize");
  }

  int64_t device_;
  int64_t bytes_;
  int64_t address_ = 0;
};

// Plain values: ids, results, weights.
template <typename E>
class Values : public Bytes {
 public:
  Values(const DoorDevice& device, int64_t count)
      : Bytes(device, count * static_cast<int64_t>(sizeof(E))), count_(count) {}
  Values(const DoorDevice& device, const std::vector<E>& values)
      : Values(device, static_cast<int64_t>(values.size())) {
    put(values.data());
  }
  std::vector<E> read() const {
    std::vector<E> values(at(count_));
    get(values.data());
    return values;
  }

 private:
  int64_t count_;
};

inline float rounded(float value, int64_t dtype) {
  if (dtype == FRNN_BF16) return machine::widen(machine::narrow<machine::Bf16>(value));
  if (dtype == FRNN_F16) return machine::widen(machine::narrow<machine::F16>(value));
  return value;
}

// Floats stored in the place's element type.
class Elements : public Bytes {
 public:
  Elements(const DoorDevice& device, const Place& place, int64_t count)
      : Bytes(device, count * (place.dtype == FRNN_F32 ? 4 : 2)),
        dtype_(place.dtype),
        count_(count) {}
  Elements(const DoorDevice& device, const Place& place, const Floats& values)
      : Elements(device, place, static_cast<int64_t>(values.size())) {
    if (dtype_ == FRNN_F32) {
      put(values.data());
      return;
    }
    std::vector<uint16_t> narrow;
    for (const float v : values) {
      narrow.push_back(dtype_ == FRNN_BF16 ? machine::narrow<machine::Bf16>(v).bits
                                           : machine::narrow<machine::F16>(v).bits);
    }
    put(narrow.data());
  }
  Floats read() const {
    Floats values(at(count_));
    if (dtype_ == FRNN_F32) {
      get(values.data());
      return values;
    }
    std::vector<uint16_t> narrow(at(count_));
    get(narrow.data());
    for (size_t k = 0; k < narrow.size(); ++k) {
      values[k] = dtype_ == FRNN_BF16 ? machine::widen(machine::Bf16{narrow[k]})
                                      : machine::widen(machine::F16{narrow[k]});
    }
    return values;
  }

 private:
  int64_t dtype_;
  int64_t count_;
};

// Seeded numbers that the place's element type holds.
inline Floats draw(Random& random, const Place& place, int64_t count, double limit) {
  Floats values = random.uniforms<float>(count, -limit, limit);
  for (float& v : values)
    v = rounded(v, place.dtype);
  return values;
}

// Within `factor` roundings of fp32 of the largest element, and two of what is stored.
inline void check_near(const std::string& what, const Place& place, const Floats& got,
                       const Doubles& expected, double factor) {
  FRNN_CHECK(got.size() == expected.size());
  double largest = 1e-30;
  for (const double e : expected)
    largest = std::fmax(largest, std::fabs(e));
  const double stored = place.dtype == FRNN_F32 ? 0.0 : 2 * place.rounding();
  for (size_t k = 0; k < got.size() && k < expected.size(); ++k) {
    const double allowed = factor * 0x1p-24 * largest + stored * std::fabs(expected[k]) +
                           (place.dtype == FRNN_F16 ? 0x1p-25 : 0.0);
    if (std::fabs(got[k] - expected[k]) <= allowed) continue;
    char text[240];
    std::snprintf(text, sizeof text, "%s: %s[%zu] is %.9g, expected %.9g within %.3g",
                  place.name().c_str(), what.c_str(), k, static_cast<double>(got[k]), expected[k],
                  allowed);
    fail(__FILE__, __LINE__, text);
    return;
  }
}

inline bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace testing
}  // namespace frnn

#endif  // FUSEDRNN_TEST_DOOR_DEVICE_H_
