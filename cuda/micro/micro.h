// Micro-benchmarks of a GPU: what the planner's constants are made of. Written against machine/, so
// that they run on the emulated machine as well, where their logic is tested and their times mean
// nothing.

#ifndef FUSEDRNN_MICRO_MICRO_H_
#define FUSEDRNN_MICRO_MICRO_H_

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/gpu_blas.h"
#include "kernels/launch.h"
#include "machine/host.h"

namespace frnn::micro {

struct Row {
  std::string name;
  std::vector<std::pair<std::string, int64_t>> settings;
  double value;
  std::string unit;
};

// One device, its memory and its clock.
class Bench {
 public:
  // `quick`: few steps, one repetition, little memory; for the emulated machine.
  static Status open(bool quick, std::unique_ptr<Bench>* bench);
  ~Bench();

  bool quick() const { return quick_; }
  const machine::Properties& properties() const { return context_->properties(); }
  machine::Context& context() { return *context_; }
  GpuBlas& blas() { return blas_; }
  Status open_blas() { return blas_.open(""); }
  const Queue& queue() const { return queue_; }
  int steps(int full) const { return quick_ ? 6 : full; }

  // Device memory that lives until the next release(); filled with zeros.
  Status take(int64_t bytes, int64_t* address);
  Status release();
  Status read(int64_t address, void* to, int64_t bytes);

  // Median microseconds of `work`, which only enqueues.
  Status time(const std::function<Status()>& work, double* us);
  // Microseconds of one step: the difference between `2 n` and `n` steps, over n.
  Status time_step(int n, const std::function<Status(int steps)>& work, double* us);

  void add(Row row);
  const std::vector<Row>& rows() const { return rows_; }

 private:
  Bench() = default;

  bool quick_ = false;
  std::unique_ptr<machine::Context> context_;
  GpuBlas blas_;  // after the context: its handle goes first
  Queue queue_{*context_, 0};
  machine::Event start_ = 0, end_ = 0;
  std::vector<int64_t> memory_;
  std::vector<Row> rows_;
};

// Each checks what its kernel computed before the time counts.
Status barriers(Bench& bench);    // a step of sync_block, sync_cluster, sync_grid
Status exchanges(Bench& bench);   // all to all: in a cluster, and over all multiprocessors
Status throughput(Bench& bench);  // mma.sync, shared memory, copies
Status products(Bench& bench);    // cuBLAS

inline Status wrong(const char* what, double expected, double got) {
  return Status::fail(
      FRNN_INTERNAL,
      format("%s is wrong, so it is not timed: expected %.9g, got %.9g", what, expected, got));
}

}  // namespace frnn::micro

#endif  // FUSEDRNN_MICRO_MICRO_H_
