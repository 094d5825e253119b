// What it costs that every block tells every other something and waits for all of them: the joint
// between two steps of a recurrent net whose matrix is spread over blocks.
//
// Both kernels move numbers around a ring while they exchange everything with everybody: the value
// of block b after a step is that of block b + 1 before it, plus one. So the result shows whether
// every step saw the step before it.

#include "machine/cluster.h"
#include "machine/device.h"
#include "micro.h"

namespace frnn::micro {
namespace {

constexpr int kThreads = 256;

struct ExchangeArgs {
  int steps;
  int words;  // of 16 bytes (cluster) or 8 bytes (grid) that a block gives to each other block
  uint64_t* slots;  // [2, blocks * words], the grid's; zero at the start
  uint64_t first;   // number of the first step, above any that the slots still hold
  float* out;       // [blocks, words]
};

FRNN_DEVICE float start_value(int block, int word) {
  return static_cast<float>(100 * block + word);
}

// Within a cluster: asynchronous remote stores that count their bytes at the receiver's barrier,
// double buffered by the parity of the step. No block can be two steps ahead: a step needs words of
// all the others.
FRNN_KERNEL void cluster_exchange(ExchangeArgs a) {
  FRNN_SHARED(full, machine::TransactionBarrier[2]);
  const int size = machine::cluster_size(), rank = machine::cluster_rank();
  const int all = size * a.words, next = (rank + 1) % size, t = machine::thread_index();
  machine::Float4* const received = machine::dynamic_shared<machine::Float4>();  // [2][size][words]
  machine::Float4* const own = received + 2 * all;                               // [words]
  for (int w = t; w < a.words; w += kThreads)
    own[w] = {start_value(machine::block_index(), w), 1, 2, 3};
  if (t == 0) {
    machine::barrier_init(&full[0], 1);
    machine::barrier_init(&full[1], 1);
    machine::publish_barriers();
  }
  machine::sync_cluster();
  for (int step = 0; step < a.steps; ++step) {
    const int side = step % 2;
    machine::Float4* const now = received + side * all;
    if (t == 0) machine::barrier_arrive_expect(&full[side], 16 * all);
    for (int k = t; k < all; k += kThreads) {
      const int to = k / a.words, w = k - to * a.words;
      machine::store_async(&now[rank * a.words + w], own[w], &full[side], to);
    }
    machine::barrier_wait(&full[side], step / 2 % 2);
    machine::sync_block();  // own[] has been read by all before it changes
    for (int w = t; w < a.words; w += kThreads) {
      const machine::Float4 v = now[next * a.words + w];
      own[w] = {v.x + 1.0f, v.y, v.z, v.w};
    }
    machine::sync_block();
  }
  for (int w = t; w < a.words; w += kThreads)
    a.out[machine::block_index() * a.words + w] = own[w].x;
  machine::sync_cluster();
}

// Over the whole grid through L2: one 64-bit word holds the value and the number of its step, so
// that no fence and no counter is needed.
FRNN_KERNEL void grid_exchange(ExchangeArgs a) {
  float* const own = machine::dynamic_shared<float>();  // [words]
  const int blocks = machine::block_count(), block = machine::block_index();
  const int all = blocks * a.words, next = (block + 1) % blocks, t = machine::thread_index();
  for (int w = t; w < a.words; w += kThreads)
    own[w] = start_value(block, w);
  machine::sync_block();
  for (int step = 0; step < a.steps; ++step) {
    const uint64_t number = a.first + static_cast<uint64_t>(step);
    uint64_t* const now = a.slots + step % 2 * all;
    for (int w = t; w < a.words; w += kThreads) {
      machine::store_relaxed(&now[block * a.words + w], number << 32 | machine::bits_of(own[w]));
    }
    machine::sync_block();
    for (int k = t; k < all; k += kThreads) {
      uint64_t word = machine::load_relaxed(&now[k]);
      while (word >> 32 != number)
        word = machine::load_relaxed(&now[k]);
      if (k / a.words == next) {
        own[k - next * a.words] = machine::float_of(static_cast<uint32_t>(word)) + 1.0f;
      }
    }
    machine::sync_block();
  }
  for (int w = t; w < a.words; w += kThreads)
    a.out[block * a.words + w] = own[w];
}

// A block's value after `steps` steps of its ring.
Status check(Bench& bench, const char* name, int64_t out, int64_t blocks, int ring, int words,
             int steps) {
  std::vector<float> values(static_cast<size_t>(blocks * words));
  FRNN_TRY(bench.read(out, values.data(), 4 * blocks * words));
  for (int64_t b = 0; b < blocks; ++b) {
    for (int w = 0; w < words; ++w) {
      const int64_t from = b / ring * ring + (b % ring + steps) % ring;
      const double expected = static_cast<double>(100 * from + w + steps);
      const float got = values[static_cast<size_t>(b * words + w)];
      if (got != static_cast<float>(expected)) return wrong(name, expected, got);
    }
  }
  return Status::success();
}

Status in_cluster(Bench& bench, int cluster, int words, int64_t clusters) {
  const machine::Grid grid = {clusters * cluster, kThreads, (2 * cluster + 1) * words * 16, false,
                              cluster};
  int fit = 0;
  FRNN_TRY(bench.context().resident_clusters(cluster_exchange, grid, &fit));
  if (fit < 1) return Status::success();
  if (clusters > 1 && fit < clusters) return Status::success();
  const int steps = bench.steps(2000);
  int64_t out = 0;
  FRNN_TRY(bench.take(4 * grid.blocks * words, &out));
  double us = 0;
  const auto run = [&](int count) {
    return bench.context().launch(
        "cluster_exchange", cluster_exchange, grid, 0,
        ExchangeArgs{count, words, nullptr, 0, reinterpret_cast<float*>(out)});
  };
  FRNN_TRY(bench.time_step(steps, run, &us));
  FRNN_TRY(check(bench, "cluster exchange", out, grid.blocks, cluster, words, 2 * steps));
  bench.add({"cluster exchange",
             {{"cluster", cluster}, {"clusters", clusters}, {"bytes_to_each", 16 * words}},
             us,
             "us"});
  return bench.release();
}

Status over_grid(Bench& bench, int words) {
  const int64_t blocks = bench.properties().multiprocessors;
  const machine::Grid grid = {blocks, kThreads, 4 * words, true, 1};
  const int steps = bench.steps(1000);
  int64_t out = 0, slots = 0;
  FRNN_TRY(bench.take(4 * blocks * words, &out));
  FRNN_TRY(bench.take(16 * blocks * words, &slots));
  uint64_t first = 1;
  double us = 0;
  const auto run = [&](int count) {
    const ExchangeArgs args = {count, words, reinterpret_cast<uint64_t*>(slots), first,
                               reinterpret_cast<float*>(out)};
    first += static_cast<uint64_t>(count);
    return bench.context().launch("grid_exchange", grid_exchange, grid, 0, args);
  };
  FRNN_TRY(bench.time_step(steps, run, &us));
  FRNN_TRY(check(bench, "grid exchange", out, blocks, static_cast<int>(blocks), words, 2 * steps));
  bench.add({"grid exchange", {{"blocks", blocks}, {"bytes_from_each", 4 * words}}, us, "us"});
  return bench.release();
}

}  // namespace

Status exchanges(Bench& bench) {
  for (int cluster = 2; cluster <= bench.properties().largest_cluster; cluster *= 2) {
    for (int words : {1, 16, 64, 128})
      FRNN_TRY(in_cluster(bench, cluster, words, 1));
    const int64_t many = bench.properties().multiprocessors / cluster / 2;
    if (many > 1) FRNN_TRY(in_cluster(bench, cluster, 64, many));
  }
  if (!bench.properties().cooperative) return Status::success();
  for (int words : {1, 8, 32})
    FRNN_TRY(over_grid(bench, words));
  return Status::success();
}

}  // namespace frnn::micro
