// Rates of what a sequence kernel is made of: matrix instructions, reads of shared memory; and the
// device's copy bandwidth.

#include "machine/device.h"
#include "machine/matrix.h"
#include "micro.h"

namespace frnn::micro {
namespace {

constexpr int kSums = 8;  // independent sums of a warp: enough to hide an instruction's latency

struct RateArgs {
  int steps;
  float* out;  // [blocks * threads]
};

// Each warp multiplies matrices of ones into eight sums: each step adds the depth of the product.
template <typename Elem>
FRNN_KERNEL void matrix_rate(RateArgs a) {
  uint32_t left[4], right[2];
  uint32_t one;
  if constexpr (sizeof(Elem) == 4) {
    one = machine::tf32_bits(1.0f);
  } else {
    const Elem narrow = machine::narrow<Elem>(1.0f);
    one = machine::pack_pair(narrow, narrow);
  }
  FRNN_UNROLL
  for (int k = 0; k < 4; ++k)
    left[k] = machine::opaque(one);
  FRNN_UNROLL
  for (int k = 0; k < 2; ++k)
    right[k] = machine::opaque(one);
  float sums[kSums][4] = {};
  for (int step = 0; step < a.steps; ++step) {
    FRNN_UNROLL
    for (int s = 0; s < kSums; ++s) {
      if constexpr (sizeof(Elem) == 4) {
        machine::mma_16x8x8_tf32(sums[s], left, right);
      } else {
        machine::mma_16x8x16<Elem>(sums[s], left, right);
      }
    }
  }
  float sum = 0;
  FRNN_UNROLL
  for (int s = 0; s < kSums; ++s)
    sum += sums[s][0] + sums[s][1] + sums[s][2] + sums[s][3];
  a.out[machine::block_index() * machine::thread_count() + machine::thread_index()] = sum;
}

constexpr int kSharedBytes = 64 << 10;

// Each warp reads the block's 64 KB again and again, 16 bytes a lane, as weights are read that have
// no place in registers.
FRNN_KERNEL void shared_rate(RateArgs a) {
  float* const shared = machine::dynamic_shared<float>();
  const int threads = machine::thread_count(), t = machine::thread_index();
  for (int k = t; k < kSharedBytes / 4; k += threads)
    shared[k] = 1.0f;
  machine::sync_block();
  float sum = 0;
  for (int step = 0; step < a.steps; ++step) {
    const int turn = static_cast<int>(machine::opaque(0));  // or the loads would leave the loop
    FRNN_UNROLL
    for (int k = 0; k < kSums; ++k) {
      const int at = ((k + turn) * threads + t) * 4 % (kSharedBytes / 4);
      const machine::Float4 v = machine::load4(shared + at);
      sum += v.x + v.y + v.z + v.w;
    }
  }
  a.out[machine::block_index() * threads + t] = sum;
}

// `per_step`: what one thread's sum grows by in a step; `work`: of one block in a step.
struct Rate {
  const char* name;
  void (*kernel)(RateArgs);
  machine::Grid grid;
  double per_step;
  double work;
  const char* unit;  // of work / us
};

Status measure(Bench& bench, const Rate& rate) {
  const int steps = bench.steps(20000);
  const int64_t threads = rate.grid.blocks * rate.grid.threads;
  int64_t out = 0;
  FRNN_TRY(bench.take(4 * threads, &out));
  double us = 0;
  FRNN_TRY(bench.time_step(
      steps,
      [&](int count) {
        return bench.context().launch(rate.name, rate.kernel, rate.grid, 0,
                                      RateArgs{count, reinterpret_cast<float*>(out)});
      },
      &us));
  std::vector<float> sums(static_cast<size_t>(threads));
  FRNN_TRY(bench.read(out, sums.data(), 4 * threads));
  for (float sum : sums) {
    if (sum != static_cast<float>(2 * steps * rate.per_step)) {
      return wrong(rate.name, 2 * steps * rate.per_step, sum);
    }
  }
  bench.add({rate.name,
             {{"threads", rate.grid.threads}, {"blocks", rate.grid.blocks}},
             rate.work * static_cast<double>(rate.grid.blocks) / us,
             rate.unit});
  return bench.release();
}

Status copies(Bench& bench) {
  const int64_t bytes = bench.quick() ? 1 << 20 : int64_t{1} << 30;
  int64_t from = 0, to = 0;
  FRNN_TRY(bench.take(bytes, &from));
  FRNN_TRY(bench.take(bytes, &to));
  FRNN_TRY(bench.context().fill(from, 0x5a, bytes, 0));
  double us = 0;
  FRNN_TRY(bench.time(
      [&] { return bench.context().copy(to, from, bytes, FRNN_DEVICE_TO_DEVICE, 0); }, &us));
  unsigned char last = 0;
  FRNN_TRY(bench.read(to + bytes - 1, &last, 1));
  if (last != 0x5a) return wrong("copy", 0x5a, last);
  bench.add({"copy, read + written",
             {{"bytes", bytes}},
             2 * static_cast<double>(bytes) / us / 1e3,
             "GB/s"});
  return bench.release();
}

}  // namespace

Status throughput(Bench& bench) {
  const int64_t all = bench.quick() ? 2 : bench.properties().multiprocessors;
  for (int threads : {128, 256, 512}) {
    const machine::Grid grid = {all, threads, 0, false, 1};
    const double warps = threads / 32.0 * kSums;
    const double half = warps * 2 * 16 * 8 * 16 / 1e6, tf32 = warps * 2 * 16 * 8 * 8 / 1e6;
    FRNN_TRY(measure(
        bench, {"mma bf16", matrix_rate<machine::Bf16>, grid, 4.0 * 16 * kSums, half, "TFLOP/s"}));
    FRNN_TRY(measure(
        bench, {"mma f16", matrix_rate<machine::F16>, grid, 4.0 * 16 * kSums, half, "TFLOP/s"}));
    FRNN_TRY(
        measure(bench, {"mma tf32", matrix_rate<float>, grid, 4.0 * 8 * kSums, tf32, "TFLOP/s"}));
    FRNN_TRY(measure(bench, {"shared memory reads",
                             shared_rate,
                             {all, threads, kSharedBytes, false, 1},
                             4.0 * kSums,
                             threads * 16.0 * kSums / 1e3,
                             "GB/s"}));
  }
  return copies(bench);
}

}  // namespace frnn::micro
