// What a barrier costs: a kernel of `steps` barriers and nothing else.

#include "machine/cluster.h"
#include "machine/device.h"
#include "micro.h"

namespace frnn::micro {
namespace {

struct BarrierArgs {
  int steps;
  int* passed;  // [blocks]
};

FRNN_KERNEL void block_barriers(BarrierArgs a) {
  for (int k = 0; k < a.steps; ++k)
    machine::sync_block();
  if (machine::thread_index() == 0) a.passed[machine::block_index()] = a.steps;
}

FRNN_KERNEL void cluster_barriers(BarrierArgs a) {
  for (int k = 0; k < a.steps; ++k)
    machine::sync_cluster();
  if (machine::thread_index() == 0) a.passed[machine::block_index()] = a.steps;
}

FRNN_KERNEL void grid_barriers(BarrierArgs a) {
  for (int k = 0; k < a.steps; ++k)
    machine::sync_grid();
  if (machine::thread_index() == 0) a.passed[machine::block_index()] = a.steps;
}

using Kernel = void (*)(BarrierArgs);

Status measure(Bench& bench, const char* name, Kernel kernel, const machine::Grid& grid,
               int steps) {
  int64_t passed = 0;
  FRNN_TRY(bench.take(4 * grid.blocks, &passed));
  double us = 0;
  FRNN_TRY(bench.time_step(
      steps,
      [&](int count) {
        return bench.context().launch(name, kernel, grid, 0,
                                      BarrierArgs{count, reinterpret_cast<int*>(passed)});
      },
      &us));
  std::vector<int> counts(static_cast<size_t>(grid.blocks));
  FRNN_TRY(bench.read(passed, counts.data(), 4 * grid.blocks));
  for (int count : counts) {
    if (count != 2 * steps) return wrong(name, 2 * steps, count);
  }
  bench.add({name,
             {{"threads", grid.threads}, {"blocks", grid.blocks}, {"cluster", grid.cluster}},
             us * 1000,
             "ns"});
  return bench.release();
}

}  // namespace

Status barriers(Bench& bench) {
  for (int threads : {128, 256, 512, 1024}) {
    FRNN_TRY(measure(bench, "block barrier", block_barriers, {1, threads, 0, false, 1},
                     bench.steps(20000)));
  }
  for (int cluster = 2; cluster <= bench.properties().largest_cluster; cluster *= 2) {
    for (int threads : {128, 256}) {
      FRNN_TRY(measure(bench, "cluster barrier", cluster_barriers,
                       {cluster, threads, 0, false, cluster}, bench.steps(10000)));
    }
  }
  if (!bench.properties().cooperative) return Status::success();
  return measure(bench, "grid barrier", grid_barriers,
                 {bench.properties().multiprocessors, 256, 0, true, 1}, bench.steps(1000));
}

}  // namespace frnn::micro
