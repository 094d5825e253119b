// Goal: what a kernel does wrong is reported with kernel, block, thread and cause, at the call that
// waits; never hung on, never the end of the process; and the device is of no use afterwards.
// Method: one wrong kernel each, over several seeds.

#include "emulated_device.h"

namespace m = frnn::machine;
using frnn::Status;
using frnn::testing::EmulatedDevice;

namespace {

struct Args {
  float* data = nullptr;
  unsigned* word = nullptr;
  int64_t index = 0;
  int mode = 0;
};

constexpr int64_t kSeeds = 8;

template <class Check>
void expect(const char* name, void (*kernel)(Args), const m::Grid& grid, const Args& args,
            const Check& check) {
  for (int64_t seed = 0; seed < kSeeds; ++seed) {
    EmulatedDevice device(seed, 1 + seed % 3);
    const Status status = device.run(name, kernel, grid, args);
    check(status);
    // Whatever comes next reports the same.
    int64_t address = 0;
    FRNN_CHECK(device->alloc(4, &address).text == status.text && address == 0);
    FRNN_CHECK(device->synchronize().text == status.text);
    FRNN_CHECK(device->launch(name, kernel, grid, 0, args).text == status.text);
  }
  // A device opened anew works.
  EmulatedDevice device;
  float* memory = device.alloc<float>(1);
  FRNN_CHECK(std::isnan(device.download(memory, 1)[0]));
}

// ---- Barriers ---------------------------------------------------------------------------------

FRNN_KERNEL void some_exit_early(Args) {
  if (m::block_index() == 2 && m::thread_index() >= 60) return;
  m::sync_block();
}

FRNN_KERNEL void different_barriers(Args) {
  if (m::thread_index() < 32) {
    m::sync_block();
  } else {
    (void)m::sync_block_or(true);
  }
}

FRNN_KERNEL void warp_barrier_lacks_a_lane(Args) {
  if (m::thread_index() == 7) return;
  m::sync_warp();
}

FRNN_KERNEL void shuffle_in_a_branch(Args a) {
  float v = 1;
  if (m::lane_index() < 16) {
    v = m::shuffle_xor(v, 1);
  } else {
    m::sync_block();
  }
  if (a.data != nullptr) a.data[0] = v;
}

FRNN_KERNEL void mask_without_the_caller(Args) {
  m::sync_warp(1u);
}

FRNN_KERNEL void grid_barrier_misused(Args) {
  m::sync_grid();
}

FRNN_KERNEL void one_block_skips_the_grid_barrier(Args) {
  if (m::block_index() != 1) m::sync_grid();
}

FRNN_KERNEL void waits_for_ever(Args a) {
  while (m::load_acquire(a.word) != 1) {
  }
}

void test_divergent_barriers() {
  expect("some_exit_early", some_exit_early, {4, 64}, {}, [](const Status& status) {
    FRNN_CHECK_REPORT(status, "kernel `some_exit_early`: divergent barrier in block 2: ",
                      "60 threads wait at sync_block (first: thread 0)",
                      "4 threads have exited (first: thread 60)", "[seed ");
  });
  expect("different_barriers", different_barriers, {1, 40}, {}, [](const Status& status) {
    FRNN_CHECK_REPORT(status, "divergent barrier in block 0", "32 threads wait at sync_block ",
                      "8 threads wait at sync_block_or (first: thread 32)");
  });
  expect("warp", warp_barrier_lacks_a_lane, {1, 32}, {}, [](const Status& status) {
    FRNN_CHECK_REPORT(status, "31 threads wait at sync_warp with mask 0xffffffff",
                      "1 thread has exited (first: thread 7)");
  });
  expect("shuffle", shuffle_in_a_branch, {1, 32}, {}, [](const Status& status) {
    FRNN_CHECK_REPORT(status, "16 threads wait at sync_block (first: thread 16)",
                      "16 threads wait at a shuffle");
  });
  expect("mask", mask_without_the_caller, {1, 32}, {}, [](const Status& status) {
    FRNN_CHECK_REPORT(status, "kernel `mask`, block 0 of 1, thread ",
                      "sync_warp with the mask 0x00000001, which leaves out the calling lane ");
  });
}

void test_dead_locks() {
  expect("grid", grid_barrier_misused, {2, 32}, {}, [](const Status& status) {
    FRNN_CHECK_REPORT(status, "sync_grid in a launch that is not cooperative");
  });
  expect("grid", one_block_skips_the_grid_barrier, {3, 32, 0, true}, {}, [](const Status& status) {
    FRNN_CHECK_REPORT(status, "dead-lock in block 0: 32 threads wait at sync_grid",
                      "1 of 3 blocks have ended");
  });
  EmulatedDevice device;
  unsigned* word = device.upload(std::vector<unsigned>(1, 0));
  const Status status = device.run("spin", waits_for_ever, {1, 33}, {nullptr, word});
  FRNN_CHECK_REPORT(status, "kernel `spin`: dead-lock in block 0: ",
                    "33 threads wait at a word of memory that does not change (first: thread 0)");
}

// ---- Memory -----------------------------------------------------------------------------------

FRNN_KERNEL void write_at(Args a) {
  if (m::block_index() == 1 && m::thread_index() == 3) a.data[a.index] = 1.0f;
}

FRNN_KERNEL void read_at(Args a) {
  if (m::block_index() == 1 && m::thread_index() == 3) a.data[0] = a.data[a.index];
}

FRNN_KERNEL void misaligned(Args a) {
  m::store4(a.data, m::load4(a.data + 1));
}

void expect_bad_access(void (*kernel)(Args), int64_t count, int64_t index, bool freed,
                       const std::vector<std::string>& parts) {
  for (int64_t seed = 0; seed < kSeeds; ++seed) {
    EmulatedDevice device(seed);
    (void)device.alloc<float>(count);
    float* data = device.alloc<float>(count);
    (void)device.alloc<float>(count);
    if (freed) FRNN_CHECK_OK(device->free(EmulatedDevice::address(data)));
    const Status status = device.run("access", kernel, {2, 64}, {data, nullptr, index});
    frnn::testing::check_report(__FILE__, __LINE__, status, parts, FRNN_DEVICE_ERROR);
  }
}

void test_bad_addresses() {
  const std::string where = "kernel `access`, block 1 of 2, thread 3 of 64: illegal ";
  expect_bad_access(write_at, 1024, 1024, false,
                    {where, "0 bytes past the end of the allocation of 4096 bytes"});
  expect_bad_access(read_at, 64, 64, false,
                    {where + "read", "0 bytes past the end of the allocation of 256 bytes"});
  expect_bad_access(write_at, 1024, -1, false,
                    {where, "4 bytes before the allocation of 4096 bytes"});
  expect_bad_access(read_at, 64, int64_t{1} << 40, false, {where, "not memory of this device"});
  expect_bad_access(read_at, 64, int64_t{1} << 60, false, {where});
  expect_bad_access(write_at, 100, 5, true,
                    {where, "byte 20 of an allocation of 400 bytes that was freed"});
  // What is left over up to an allocation's alignment cannot fault; a write there is seen
  // afterwards.
  expect_bad_access(write_at, 100, 100, false,
                    {"kernel `access`: a write past the end of the allocation of 400 bytes"});
  expect_bad_access(write_at, 100, -1, false,
                    {"kernel `access`: a write before the start of the allocation of 400 bytes"});
}

void test_null_and_alignment() {
  // Not quite null, for UndefinedBehaviorSanitizer would end the process before the emulator sees
  // it.
  Args null;
  null.data = reinterpret_cast<float*>(uintptr_t{64});
  expect("access", write_at, {2, 64}, null, [](const Status& status) {
    FRNN_CHECK_REPORT(status, "illegal write at", "a null pointer");
  });
  EmulatedDevice device;
  float* data = device.alloc<float>(64);
  FRNN_CHECK_REPORT(device.run("misaligned", misaligned, {1, 1}, {data}), "load4 at 0x",
                    "which is no multiple of 16");
}

FRNN_KERNEL void shared_write_at(Args a) {
  FRNN_SHARED(tile, float[16]);
  FRNN_SHARED(other, float[16]);
  float* const dynamic = m::dynamic_shared<float>();
  float* const base = a.mode == 0 ? tile : dynamic;
  if (m::thread_index() == 0) {
    other[0] = 0;
    base[a.index] = 1;
  }
}

void test_shared_memory_bounds() {
  const auto run = [](int mode, int64_t index, int shared_bytes) {
    EmulatedDevice device;
    return device.run("shared", shared_write_at, {2, 32, shared_bytes},
                      {nullptr, nullptr, index, mode});
  };
  FRNN_CHECK_OK(run(0, 15, 0));
  FRNN_CHECK_OK(run(1, 31, 128));
  FRNN_CHECK_REPORT(run(0, 16, 0), "wrote past the end of a FRNN_SHARED variable");
  FRNN_CHECK_REPORT(run(0, -1, 0), "kernel `shared`, block ", "a FRNN_SHARED variable");
  FRNN_CHECK_REPORT(run(1, 32, 128), "thread 0 of 32: illegal write",
                    "outside the block's shared memory");
  FRNN_CHECK_REPORT(run(1, 31, 124), "wrote past the end of its dynamic shared memory");
  FRNN_CHECK_REPORT(run(1, -1, 128), "wrote before the start of its dynamic shared memory");
  FRNN_CHECK_REPORT(run(1, 0, 0), "outside the block's shared memory");
}

FRNN_KERNEL void recurse(Args a) {
  volatile float frame[4096];
  frame[0] = static_cast<float>(a.index);
  if (a.index > 0 && frame[0] > 0) {
    a.index -= 1;
    recurse(a);
    frame[1] = frame[0];
  }
}

FRNN_KERNEL void too_much_shared(Args a) {
  FRNN_SHARED(tile, float[10000]);
  FRNN_SHARED(more, float[10000]);
  tile[0] = more[0] = static_cast<float>(a.index);
}

void test_limits() {
  EmulatedDevice device;
  FRNN_CHECK_REPORT(device.run("deep", recurse, {1, 1}, {nullptr, nullptr, 1000}),
                    "kernel `deep`, block 0 of 1, thread 0 of 1: the thread's stack overflowed");
  EmulatedDevice second;
  FRNN_CHECK_REPORT(second.run("much", too_much_shared, {1, 1}, {}),
                    "more than 49152 bytes of FRNN_SHARED variables in one kernel");
}

void test_refused_launches() {
  EmulatedDevice device;
  const auto refused = [&](const m::Grid& grid, const char* part) {
    const Status status = device->launch("write_at", write_at, grid, 0, {});
    frnn::testing::check_report(__FILE__, __LINE__, status, {"launch of `write_at`: ", part},
                                FRNN_INVALID_ARGUMENT);
  };
  refused({1, 0}, "expected 1 to 1024 threads");
  refused({1, 1025}, "got 1025 and 0");
  refused({1, 32, 227 * 1024 + 1}, "0 to 232448 bytes of shared memory");
  refused({-1, 32}, "expected 0 to 2147483647 blocks, got -1");
  refused({33, 256, 0, true}, "33 blocks cannot be alive at once, at most 32 of this shape");
  FRNN_CHECK_OK(device->launch("write_at", write_at, {0, 32}, 0, {}));
  FRNN_CHECK_OK(device->synchronize());
}

}  // namespace

int main() {
  test_divergent_barriers();
  test_dead_locks();
  test_bad_addresses();
  test_null_and_alignment();
  test_shared_memory_bounds();
  test_limits();
  test_refused_launches();
  return frnn::testing::report();
}
