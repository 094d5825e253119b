// Goal: barriers, exchanges and the order of threads on the emulated machine.
// Method: small kernels whose results are known by hand, over many seeds and block shapes; an order
// is made visible by a counter that every thread draws from.

#include <algorithm>
#include <numeric>
#include <set>

#include "emulated_device.h"

namespace m = frnn::machine;
using frnn::testing::EmulatedDevice;

namespace {

struct Args {
  float* out = nullptr;
  unsigned* word = nullptr;
  unsigned* order = nullptr;
  int n = 0;
};

int global_thread() {
  return m::block_index() * m::thread_count() + m::thread_index();
}

// out[block] = sum of 1..threads, by a tree in shared memory.
FRNN_KERNEL void block_sum(Args a) {
  FRNN_SHARED(partial, float[1024]);
  const int t = m::thread_index();
  partial[t] = static_cast<float>(t + 1);
  m::sync_block();
  for (int count = m::thread_count(); count > 1;) {
    const int half = (count + 1) / 2;
    const float other = t + half < count ? partial[t + half] : 0;
    m::sync_block();
    if (t < half) partial[t] += other;
    m::sync_block();
    count = half;
  }
  if (t == 0) a.out[m::block_index()] = partial[0];
}

void test_block_barrier() {
  for (int64_t seed = 0; seed < 20; ++seed) {
    EmulatedDevice device(seed);
    for (int threads : {1, 2, 31, 33, 256, 1000, 1024}) {
      float* out = device.alloc<float>(7);
      FRNN_CHECK_OK(device.run("block_sum", block_sum, {7, threads}, {out}));
      for (float v : device.download(out, 7))
        FRNN_CHECK(v == 0.5f * threads * (threads + 1));
    }
  }
}

// Every exchange of one warp, checked by each lane against what its partner must have handed over.
FRNN_KERNEL void exchanges(Args a) {
  const int lane = m::lane_index();
  const int lanes = std::min(m::kWarp, m::thread_count() - m::warp_index() * m::kWarp);
  const auto from = [&](int source) { return source >= 0 && source < lanes ? source : lane; };
  bool good = true;
  for (int k = 0; k < 5; ++k) {
    const double mine = 100.0 * k + lane;
    good &= m::shuffle_xor(mine, 1 << k) == 100.0 * k + from(lane ^ (1 << k));
    good &= m::shuffle_down(static_cast<int>(mine), 1 << k) == 100 * k + from(lane + (1 << k));
    good &=
        m::shuffle_up(static_cast<float>(mine), k) == static_cast<float>(100 * k + from(lane - k));
    good &= m::shuffle_index(static_cast<long long>(mine), k) == 100 * k + from(k);
    if (lane % 3 == 0) m::sync_warp(0x49249249u);  // the lanes that get here
    m::sync_warp();
  }
  good &= m::ballot(lane % 2 == 0) == (0x55555555u & (lanes == 32 ? ~0u : (1u << lanes) - 1));
  good &= m::warp_any(lane == lanes - 1) && !m::warp_any(false);
  good &= m::warp_all(true) && m::warp_all(lane < lanes - 1) == false;
  good &= m::sync_block_or(m::thread_index() == 0) && !m::sync_block_or(false);
  a.out[global_thread()] = good ? 1.0f : 0.0f;
}

void test_warp_exchanges() {
  for (int64_t seed = 0; seed < 20; ++seed) {
    EmulatedDevice device(seed);
    for (int threads : {30, 32, 63, 256}) {
      float* out = device.alloc<float>(3 * threads);
      FRNN_CHECK_OK(device.run("exchanges", exchanges, {3, threads}, {out}));
      for (float v : device.download(out, 3 * threads))
        FRNN_CHECK(v == 1.0f);
    }
  }
}

// Ten rounds in which each block reads what the next block wrote in the round before.
FRNN_KERNEL void grid_rounds(Args a) {
  const int blocks = m::block_count();
  for (int round = 0; round < 10; ++round) {
    const int next = (m::block_index() + 1) % blocks;
    const float before = round == 0 ? 0.0f : a.out[(round - 1) * blocks + next];
    if (m::thread_index() == 0) a.out[round * blocks + m::block_index()] = before + 1.0f;
    m::sync_grid();
  }
}

void test_grid_barrier() {
  for (int64_t seed = 0; seed < 10; ++seed) {
    EmulatedDevice device(seed, 4);
    constexpr int kBlocks = 13;
    float* out = device.alloc<float>(10 * kBlocks);
    FRNN_CHECK_OK(device.run("grid_rounds", grid_rounds, {kBlocks, 96, 0, true}, {out}));
    const std::vector<float> rounds = device.download(out, 10 * kBlocks);
    for (int i = 0; i < 10 * kBlocks; ++i)
      FRNN_CHECK(rounds[i] == 1.0f + i / kBlocks);
  }
}

// A chain of blocks: each waits for the flag of the one before.
FRNN_KERNEL void relay(Args a) {
  const int b = m::block_index();
  if (m::thread_index() == 0) {
    while (b > 0 && m::load_acquire(a.word + b - 1) != static_cast<unsigned>(b)) {
    }
    a.out[b] = b == 0 ? 1.0f : a.out[b - 1] * 2.0f;
    m::store_release(a.word + b, static_cast<unsigned>(b + 1));
  }
  m::sync_block();
}

void test_flagged_exchange() {
  for (int64_t seed = 0; seed < 10; ++seed) {
    EmulatedDevice device(seed);
    float* out = device.alloc<float>(16);
    unsigned* flags = device.upload(std::vector<unsigned>(16, 0));
    FRNN_CHECK_OK(device.run("relay", relay, {16, 64, 0, true}, {out, flags}));
    const std::vector<float> got = device.download(out, 16);
    for (int b = 0; b < 16; ++b)
      FRNN_CHECK(got[b] == static_cast<float>(1 << b));
  }
}

FRNN_KERNEL void draw_order(Args a) {
  a.order[m::atomic_add(a.word, 1)] = static_cast<unsigned>(global_thread());
}

FRNN_KERNEL void draw_order_after_barrier(Args a) {
  m::sync_block();
  a.order[m::atomic_add(a.word, 1)] = static_cast<unsigned>(global_thread());
}

std::vector<unsigned> order_of(void (*kernel)(Args), int64_t seed, int64_t workers) {
  EmulatedDevice device(seed, workers);
  constexpr int kThreads = 4 * 256;
  unsigned* count = device.upload(std::vector<unsigned>(1, 0));
  unsigned* order = device.alloc<unsigned>(kThreads);
  FRNN_CHECK_OK(device.run("draw_order", kernel, {4, 256}, {nullptr, count, order}));
  return device.download(order, kThreads);
}

void test_seeded_order() {
  for (auto kernel : {draw_order, draw_order_after_barrier}) {
    std::set<std::vector<unsigned>> orders;
    for (int64_t seed = 0; seed < 10; ++seed) {
      const std::vector<unsigned> order = order_of(kernel, seed, 1);
      FRNN_CHECK(order == order_of(kernel, seed, 1));  // a seed repeats
      orders.insert(order);
      std::vector<unsigned> sorted = order;
      std::sort(sorted.begin(), sorted.end());
      std::vector<unsigned> all(sorted.size());
      std::iota(all.begin(), all.end(), 0u);
      FRNN_CHECK(sorted == all);  // each thread runs once
      FRNN_CHECK(order != all);
    }
    FRNN_CHECK(orders.size() == 10);
  }
}

// A race that only an order can show: lane 0 writes, the others read without a barrier between.
FRNN_KERNEL void missing_barrier(Args a) {
  FRNN_SHARED(value, float);
  if (m::thread_index() == 0) value = 1.0f;
  a.out[m::thread_index()] = value;
}

void test_missing_barrier_shows() {
  EmulatedDevice device;
  float* out = device.alloc<float>(64);
  FRNN_CHECK_OK(device.run("missing_barrier", missing_barrier, {1, 64}, {out}));
  const std::vector<float> got = device.download(out, 64);
  FRNN_CHECK(std::any_of(got.begin(), got.end(), [](float v) { return std::isnan(v); }));
}

FRNN_KERNEL void add_one(Args a) {
  const int i = global_thread();
  if (i < a.n) a.out[i] += 1.0f;
}

void test_many_workers() {
  EmulatedDevice device(3, 4);
  constexpr int kCount = 300007;
  float* data = device.upload(std::vector<float>(kCount, 1.0f));
  for (int i = 0; i < 5; ++i) {
    FRNN_CHECK_OK(device.run("add_one", add_one, {(kCount + 255) / 256, 256},
                             {data, nullptr, nullptr, kCount}));
  }
  for (float v : device.download(data, kCount))
    FRNN_CHECK(v == 6.0f);
}

}  // namespace

int main() {
  test_block_barrier();
  test_warp_exchanges();
  test_grid_barrier();
  test_flagged_exchange();
  test_seeded_order();
  test_missing_barrier_shows();
  test_many_workers();
  return frnn::testing::report();
}
