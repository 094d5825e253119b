// Which kernel runs the loop over time of a call, and what it is expected to cost: a pure function
// of the device's properties and of the call's sizes and settings. It asks no device, so it plans
// for devices that are not there as well.

#ifndef FUSEDRNN_SRC_HOST_PLANNER_H_
#define FUSEDRNN_SRC_HOST_PLANNER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "fusedrnn.h"
#include "host/plan.h"
#include "host/status.h"
#include "machine/properties.h"

namespace frnn {

// A part of the time of one step.
struct PlanTerm {
  const char* name;
  double us;
};

// One way to run the loop.
struct RnnWay {
  int64_t kernel = FRNN_KERNEL_STEP;
  int cluster = 0;      // blocks that share R; 1: K1; 0: K0
  std::string refusal;  // why it cannot be; empty where it can

  // What a block of K1 or K2 is.
  int64_t units = 0;       // hidden units, with all their gates
  int64_t batch_tile = 0;  // rows of the batch
  int64_t warps = 0;
  int64_t register_bytes = 0;  // of R
  int64_t shared_weight_bytes = 0;
  int64_t shared_bytes = 0;  // in all
  int64_t blocks = 0;        // of the grid
  int64_t waves = 1;         // turns that clusters take where not all run at once

  std::vector<PlanTerm> terms;  // of a step, as one wave has it
  double step_us = 0;           // of a step of the whole batch
  double fixed_us = 0;          // once a call: launch, R into the blocks
  double loop_us = 0;           // fixed_us + T steps

  const PlanTerm& limit() const;  // the term without which a step would gain most
};

struct RnnPlan {
  RnnWay chosen;
  std::vector<RnnWay> others;  // every other way, fastest first, then those that cannot be
};

// What `kernel` and `cluster` allow: frnn_rnn.kernel, and 0 or the blocks that K2 has to take.
// FRNN_UNSUPPORTED and the reason where a forced kernel cannot be. `cluster` does not bind K0 and
// K1.
Status plan_rnn(const frnn_rnn& rnn, Pass pass, const machine::Properties& device, int cluster,
                RnnPlan* plan);

// "K0", "K1", "K2".
const char* kernel_name(int64_t kernel);

// What a call has to know of its plan.
struct RnnChoice {
  int64_t kernel;
  int cluster;
  int64_t blocks;
  double loop_us;
};

// The planner of one device. It remembers what it chose, for a steady call asks the same again: a
// plan takes some microseconds. Safe to call from any thread.
class Planner {
 public:
  explicit Planner(const machine::Properties& device) : device_(device) {}

  const machine::Properties& device() const { return device_; }
  int cluster() const { return cluster_; }
  void set_cluster(int blocks) { cluster_ = blocks; }  // as plan_rnn's
  Status choose(const frnn_rnn& rnn, Pass pass, RnnChoice* choice);

 private:
  using Key = std::array<int64_t, 15>;
  static Key key_of(const frnn_rnn& rnn, Pass pass, int cluster);

  const machine::Properties device_;
  std::atomic<int> cluster_{0};
  std::mutex lock_;
  std::map<Key, RnnChoice> chosen_;
};

}  // namespace frnn

#endif  // FUSEDRNN_SRC_HOST_PLANNER_H_
