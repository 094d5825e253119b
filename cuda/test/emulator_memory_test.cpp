// Goal: memory of the emulated device: what is fresh is NaN, what may be copied, what is refused,
// and asynchronous copies that land when they are waited for and not before. Method: by hand, on a
// few bytes; every refusal with its message.

#include <cstring>

#include "../emulator/memory.h"
#include "emulated_device.h"

namespace m = frnn::machine;
using frnn::Status;
using frnn::testing::EmulatedDevice;

namespace {

struct Args {
  const float* in = nullptr;
  float* out = nullptr;
  int mode = 0;
};

#define CHECK_REFUSED(status, ...) \
  FRNN_CHECK_REPORT_CODE(status, FRNN_INVALID_ARGUMENT, __VA_ARGS__)

int64_t counter(EmulatedDevice& device, const char* key) {
  int64_t value = -1;
  FRNN_CHECK_OK(device->counter(key, &value));
  return value;
}

void test_fresh_memory() {
  EmulatedDevice device;
  for (int64_t count : {1, 63, 64, 65, 1023, 1024, 1025, 100000}) {
    const float* memory = device.alloc<float>(count);
    FRNN_CHECK(EmulatedDevice::address(memory) % 256 == 0);
    for (float v : device.download(memory, count))
      FRNN_CHECK(std::isnan(v));
  }
  FRNN_CHECK(counter(device, "allocations") == 8);
  FRNN_CHECK(counter(device, "live_allocations") == 8);
}

FRNN_KERNEL void report_shared(Args a) {
  FRNN_SHARED(tile, float[64]);
  const int t = m::thread_index();
  const float* dynamic = m::dynamic_shared<float>();
  a.out[2 * t] = tile[t];
  a.out[2 * t + 1] = dynamic[t];
  m::sync_block();
  tile[t] = 1.0f;
  m::dynamic_shared<float>()[t] = 1.0f;
}

void test_fresh_shared_memory() {
  EmulatedDevice device;
  float* out = device.alloc<float>(128);
  for (int i = 0; i < 3; ++i) {  // also after another block has used it
    FRNN_CHECK_OK(device.run("report_shared", report_shared, {3, 64, 256}, {nullptr, out}));
    for (float v : device.download(out, 128))
      FRNN_CHECK(std::isnan(v));
  }
}

void test_copies() {
  EmulatedDevice device;
  const std::vector<int> values = {1, 2, 3, 4, 5};
  int* a = device.upload(values);
  int* b = device.alloc<int>(5);
  FRNN_CHECK_OK(device->copy(EmulatedDevice::address(b + 1), EmulatedDevice::address(a), 16,
                             FRNN_DEVICE_TO_DEVICE, 0));
  FRNN_CHECK_OK(device->fill(EmulatedDevice::address(b), 0, 4, 0));
  FRNN_CHECK(device.download(b, 5) == (std::vector<int>{0, 1, 2, 3, 4}));
}

void test_refused_copies() {
  EmulatedDevice device;
  int host[4] = {};
  int* a = device.alloc<int>(4);
  const int64_t device_address = EmulatedDevice::address(a);
  const int64_t host_address = EmulatedDevice::address(host);
  CHECK_REFUSED(device->copy(device_address, host_address, 17, FRNN_HOST_TO_DEVICE, 0),
                "copy: destination: 17 bytes", "end 1 bytes past the allocation of 16 bytes");
  CHECK_REFUSED(device->copy(host_address, device_address + 8, 9, FRNN_DEVICE_TO_HOST, 0),
                "copy: source: 9 bytes");
  CHECK_REFUSED(device->copy(host_address, host_address, 4, FRNN_HOST_TO_DEVICE, 0),
                "copy: destination: expected device memory", "not memory of this device");
  CHECK_REFUSED(device->copy(device_address, device_address, 4, FRNN_HOST_TO_DEVICE, 0),
                "copy: expected host memory");
  CHECK_REFUSED(device->copy(0, device_address, 4, FRNN_DEVICE_TO_HOST, 0),
                "copy: expected host memory, got 0x0");
  CHECK_REFUSED(device->copy(device_address + 4, device_address, 8, FRNN_DEVICE_TO_DEVICE, 0),
                "source and destination overlap");
  CHECK_REFUSED(device->copy(device_address, host_address, 4, 9, 0), "unknown kind of copy");
  CHECK_REFUSED(device->fill(device_address - 1, 0, 2, 0), "fill: expected device memory",
                "1 bytes before the allocation of 16 bytes");
  CHECK_REFUSED(device->copy(device_address, host_address, 4, FRNN_HOST_TO_DEVICE, 77),
                "stream 0x4d: not a live stream of this device");
  FRNN_CHECK_OK(device->copy(device_address, 0, 0, FRNN_HOST_TO_DEVICE, 0));
  FRNN_CHECK_OK(device->synchronize());  // a refusal does no harm
}

void test_refused_frees() {
  EmulatedDevice device;
  int64_t address = 0;
  FRNN_CHECK_OK(device->alloc(100, &address));
  CHECK_REFUSED(device->free(address + 4), "free of 0x", "it is byte 4 of an allocation of 100");
  FRNN_CHECK_OK(device->free(address));
  CHECK_REFUSED(device->free(address), "byte 0 of an allocation of 100 bytes that was freed");
  CHECK_REFUSED(device->fill(address, 0, 4, 0), "fill: expected device memory", "that was freed");
  FRNN_CHECK(counter(device, "live_allocations") == 0 && counter(device, "live_bytes") == 0);
  const Status full = device->alloc(int64_t{1} << 50, &address);
  FRNN_CHECK_REPORT_CODE(full, FRNN_OUT_OF_MEMORY, "allocating 1125899906842624 bytes: ");
  FRNN_CHECK_OK(device->alloc(0, &address));
  FRNN_CHECK(address == 0);
}

// Freed addresses come back only when all others have been used, but they do come back.
void test_address_reuse() {
  constexpr int64_t kMegabyte = 1 << 20;
  m::emulated::DeviceMemory memory(16 * kMegabyte, 64 * kMegabyte);
  int64_t first = 0;
  int back_after = 0;
  for (int i = 0; i < 1000; ++i) {
    int64_t address = 0;
    FRNN_CHECK_OK(memory.alloc(kMegabyte / 4, &address));
    if (i == 0) first = address;
    if (i > 0 && address == first && back_after == 0) back_after = i;
    FRNN_CHECK(*reinterpret_cast<unsigned char*>(address) == 0xff);
    FRNN_CHECK_OK(memory.free(address));
  }
  FRNN_CHECK(back_after > 240);
  int64_t kept[64] = {};
  for (int64_t& address : kept)
    FRNN_CHECK_OK(memory.alloc(kMegabyte / 4, &address));
  int64_t more = 0;
  FRNN_CHECK_REPORT_CODE(memory.alloc(1, &more), FRNN_OUT_OF_MEMORY,
                         "16777216 of the emulated device's 16777216 are in use");
}

// ---- copy_async -------------------------------------------------------------------------------

// Copies 16 bytes a thread, and looks before the wait (mode 0), after it (1), or after a wait that
// leaves the group in flight (2).
FRNN_KERNEL void copy_through_shared(Args a) {
  FRNN_SHARED(tile, m::Float4[64]);
  const int t = m::thread_index();
  tile[t] = {7, 7, 7, 7};
  m::copy_async<16>(&tile[t], a.in + 4 * t);
  m::copy_async_commit();
  if (a.mode == 1) m::copy_async_wait<0>();
  if (a.mode == 2) m::copy_async_wait<1>();
  m::store4(a.out + 4 * t, tile[t]);
  m::copy_async_wait<0>();
}

void test_copies_land_late() {
  for (int64_t seed = 0; seed < 5; ++seed) {
    EmulatedDevice device(seed);
    std::vector<float> values(256);
    for (int i = 0; i < 256; ++i)
      values[i] = static_cast<float>(i);
    const float* in = device.upload(values);
    for (int mode = 0; mode < 3; ++mode) {
      float* out = device.alloc<float>(256);
      FRNN_CHECK_OK(
          device.run("copy_through_shared", copy_through_shared, {1, 64}, {in, out, mode}));
      const std::vector<float> got = device.download(out, 256);
      if (mode == 1) FRNN_CHECK(got == values);
      if (mode != 1) {
        for (float v : got)
          FRNN_CHECK(std::isnan(v));
      }
    }
  }
}

// A ring of two buffers: group k is waited for while group k + 1 is in flight.
FRNN_KERNEL void pipeline(Args a) {
  FRNN_SHARED(ring, float[2][64]);
  const int t = m::thread_index();
  constexpr int kTiles = 9;
  float sum = 0;
  m::copy_async<4>(&ring[0][t], a.in + t);
  m::copy_async_commit();
  for (int k = 0; k < kTiles; ++k) {
    const bool more = k + 1 < kTiles;
    m::copy_async_or_zero<4>(&ring[(k + 1) % 2][t], a.in + 64 * (k + 1) + t, more);
    m::copy_async_commit();
    m::copy_async_wait<1>();
    m::sync_block();
    sum += ring[k % 2][63 - t];
    m::sync_block();
  }
  m::copy_async_wait<0>();
  a.out[t] = sum + ring[1][t];  // the last one was zeros
}

void test_pipeline() {
  for (int64_t seed = 0; seed < 20; ++seed) {
    EmulatedDevice device(seed);
    std::vector<float> values(64 * 9);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(i % 101);
    float* out = device.alloc<float>(64);
    FRNN_CHECK_OK(device.run("pipeline", pipeline, {1, 64}, {device.upload(values), out}));
    const std::vector<float> got = device.download(out, 64);
    for (int t = 0; t < 64; ++t) {
      float sum = 0;
      for (int k = 0; k < 9; ++k)
        sum += values[64 * k + 63 - t];
      FRNN_CHECK(got[t] == sum);
    }
  }
}

FRNN_KERNEL void bad_copies(Args a) {
  FRNN_SHARED(tile, float[8]);
  if (a.mode == 0) m::copy_async<16>(tile + 1, a.in);
  if (a.mode == 1) m::copy_async<8>(tile, a.in + 1);
  if (a.mode == 2) m::copy_async<8>(tile + 8, a.in);
  if (a.mode == 3) m::copy_async<4>(a.out, a.in);
  if (a.mode == 4) m::copy_async<4>(tile, a.in + 64);
  m::copy_async_commit();
  m::copy_async_wait<0>();
}

void test_bad_copies() {
  const char* const expected[] = {"copy_async of 16 bytes", "both must be multiples of 8",
                                  "not in the block's shared memory",
                                  "not in the block's shared memory", "illegal read at 0x"};
  for (int mode = 0; mode < 5; ++mode) {
    for (int64_t seed = 0; seed < 4; ++seed) {
      EmulatedDevice device(seed);
      const float* in = device.alloc<float>(64);
      float* out = device.alloc<float>(64);
      FRNN_CHECK_REPORT(device.run("bad_copies", bad_copies, {1, 1}, {in, out, mode}),
                        "kernel `bad_copies`, block 0 of 1, thread 0 of 1", expected[mode]);
    }
  }
}

}  // namespace

int main() {
  test_fresh_memory();
  test_fresh_shared_memory();
  test_copies();
  test_refused_copies();
  test_refused_frees();
  test_address_reuse();
  test_copies_land_late();
  test_pipeline();
  test_bad_copies();
  return frnn::testing::report();
}
