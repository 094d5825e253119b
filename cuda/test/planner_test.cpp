// Goal: the planner takes a kernel that can be, the one that it expects to be fastest, and says of
// every other why not; what it knows of a device are its properties alone.
// Method: five devices of the catalogue, problems on both sides of every border; properties that
// are changed one by one. No absolute time is asserted: only the order that times give.

#include "host/planner.h"

#include <string>

#include "host/device_catalogue.h"
#include "testing.h"

using frnn::Pass;
using frnn::RnnPlan;
using frnn::RnnWay;
using frnn::machine::Properties;

namespace {

#define CHECK(condition) \
  ((condition) ? (void)0 : frnn::testing::fail(__FILE__, __LINE__, #condition))

Properties device(const char* name) {
  Properties p;
  CHECK(frnn::catalogue_device(name, &p).ok());
  return p;
}

frnn_rnn problem(int64_t cell, int64_t H, int64_t B, int64_t T, int64_t dtype) {
  frnn_rnn rnn{};
  rnn.struct_bytes = sizeof rnn;
  rnn.cell = cell, rnn.dtype = dtype;
  rnn.T = T, rnn.B = B, rnn.I = H, rnn.H = H;
  rnn.flags = FRNN_TRAINING;
  return rnn;
}

RnnPlan plan(const frnn_rnn& rnn, Pass pass, const Properties& p, int cluster = 0) {
  RnnPlan out;
  const frnn::Status status = frnn::plan_rnn(rnn, pass, p, cluster, &out);
  if (!status.ok()) frnn::testing::fail(__FILE__, __LINE__, p.name + ": " + status.text);
  return out;
}

const RnnWay* other(const RnnPlan& p, int64_t kernel, int cluster) {
  for (const RnnWay& way : p.others) {
    if (way.kernel == kernel && way.cluster == cluster) return &way;
  }
  return nullptr;
}

bool has(const std::string& text, const char* piece) {
  return text.find(piece) != std::string::npos;
}

// What holds of every plan.
void check_plan(const frnn_rnn& rnn, Pass pass, const Properties& p) {
  const RnnPlan got = plan(rnn, pass, p);
  CHECK(got.chosen.refusal.empty());
  CHECK(got.others.size() == 5);
  for (const RnnWay& way : got.others) {
    if (!way.refusal.empty()) continue;
    CHECK(way.loop_us >= got.chosen.loop_us);
  }
  for (const RnnWay* way = got.others.data(); way != got.others.data() + got.others.size(); ++way) {
    CHECK(way->refusal.empty() ? way->step_us > 0 && !way->terms.empty() : way->step_us == 0);
  }
  const RnnWay& way = got.chosen;
  CHECK(way.step_us >= way.limit().us && way.loop_us >= static_cast<double>(rnn.T) * way.step_us);
  if (way.kernel == FRNN_KERNEL_STEP) return;
  CHECK(way.shared_bytes <= p.shared_bytes_per_block);
  CHECK(way.register_bytes <= 4 * p.registers_per_multiprocessor);
  CHECK(way.register_bytes + way.shared_weight_bytes > 0);
  CHECK(way.units * way.cluster >= rnn.H && way.blocks % way.cluster == 0);
  CHECK(way.blocks / way.cluster * way.batch_tile >= rnn.B);
  CHECK(way.cluster <= p.largest_cluster);
}

void every_device_gets_a_plan() {
  for (const std::string& name : frnn::catalogue_names()) {
    const Properties p = device(name.c_str());
    for (const int64_t cell : {FRNN_LSTM, FRNN_GRU, FRNN_GRU_RESET_BEFORE, FRNN_RNN_RELU}) {
      for (const int64_t dtype : {FRNN_F32, FRNN_BF16}) {
        for (const int64_t H : {1, 31, 64, 128, 129, 256, 511, 512, 1024, 4096}) {
          for (const int64_t B : {1, 9, 64, 1000}) {
            check_plan(problem(cell, H, B, 100, dtype), Pass::kForward, p);
            check_plan(problem(cell, H, B, 100, dtype), Pass::kBackward, p);
          }
        }
      }
    }
  }
}

void capacity_decides() {
  const Properties h200 = device("h200");
  const RnnPlan small = plan(problem(FRNN_LSTM, 32, 8, 1000, FRNN_BF16), Pass::kForward, h200);
  CHECK(small.chosen.kernel == FRNN_KERNEL_SM && small.chosen.cluster == 1);
  const frnn_rnn medium = problem(FRNN_LSTM, 512, 16, 1000, FRNN_BF16);
  const RnnPlan cluster = plan(medium, Pass::kForward, h200);
  CHECK(cluster.chosen.kernel == FRNN_KERNEL_CLUSTER && cluster.chosen.cluster >= 8);
  CHECK(has(other(cluster, FRNN_KERNEL_SM, 1)->refusal, "H=512"));
  const RnnPlan large = plan(problem(FRNN_LSTM, 4096, 16, 1000, FRNN_BF16), Pass::kForward, h200);
  CHECK(large.chosen.kernel == FRNN_KERNEL_STEP);
  CHECK(!other(large, FRNN_KERNEL_CLUSTER, 16)->refusal.empty());
  for (const char* const name : {"a100", "l4", "rtx4090"}) {
    const RnnPlan got = plan(medium, Pass::kForward, device(name));
    CHECK(got.chosen.kernel == FRNN_KERNEL_STEP);
    CHECK(has(other(got, FRNN_KERNEL_CLUSTER, 8)->refusal, "no thread-block clusters"));
    const RnnPlan one =
        plan(problem(FRNN_LSTM, 64, 8, 1000, FRNN_BF16), Pass::kForward, device(name));
    CHECK(one.chosen.kernel == FRNN_KERNEL_SM);
  }
  const RnnPlan tiny =
      plan(problem(FRNN_LSTM, 8, 1, 1000, FRNN_F32), Pass::kForward, device("tiny"));
  CHECK(tiny.chosen.kernel == FRNN_KERNEL_STEP);
  CHECK(has(other(tiny, FRNN_KERNEL_SM, 1)->refusal, "registers"));
}

void properties_decide_and_not_the_name() {
  const frnn_rnn rnn = problem(FRNN_LSTM, 512, 16, 1000, FRNN_BF16);
  Properties p = device("h200");
  const RnnPlan before = plan(rnn, Pass::kForward, p);
  p.name = "something else";
  const RnnPlan renamed = plan(rnn, Pass::kForward, p);
  CHECK(renamed.chosen.cluster == before.chosen.cluster);
  CHECK(renamed.chosen.loop_us == before.chosen.loop_us);
  p.largest_cluster = 8;
  const RnnPlan eight = plan(rnn, Pass::kForward, p);
  CHECK(eight.chosen.cluster == 8);
  CHECK(has(other(eight, FRNN_KERNEL_CLUSTER, 16)->refusal, "8 at the most"));
  p.shared_bytes_per_block = 16 << 10;
  const RnnPlan bare = plan(rnn, Pass::kForward, p);
  CHECK(bare.chosen.kernel == FRNN_KERNEL_STEP);
  CHECK(has(other(bare, FRNN_KERNEL_CLUSTER, 8)->refusal, "shared memory"));
  p = device("h200");
  p.major = 7, p.minor = 5;
  CHECK(has(other(plan(rnn, Pass::kForward, p), FRNN_KERNEL_SM, 1)->refusal, "8.0"));
  p = device("h200");
  p.multiprocessors = 8;  // fewer than a cluster has blocks
  CHECK(has(other(plan(rnn, Pass::kForward, p), FRNN_KERNEL_CLUSTER, 16)->refusal, "at once"));
}

void batches_take_turns() {
  const Properties p = device("h200");
  frnn_rnn rnn = problem(FRNN_LSTM, 512, 16, 1000, FRNN_BF16);
  rnn.kernel = FRNN_KERNEL_CLUSTER;
  const RnnWay few = plan(rnn, Pass::kForward, p).chosen;
  rnn.B = 4096;
  const RnnWay many = plan(rnn, Pass::kForward, p).chosen;
  CHECK(few.waves == 1 && many.waves > 8 && many.step_us > 8 * few.step_us);
  rnn.kernel = FRNN_KERNEL_AUTO;
  CHECK(plan(rnn, Pass::kForward, p).chosen.kernel == FRNN_KERNEL_STEP);
}

void members_that_only_k0_serves() {
  const Properties p = device("h200");
  const auto refused = [&](const char* piece, auto spoil) {
    frnn_rnn rnn = problem(FRNN_LSTM, 64, 8, 1000, FRNN_F32);
    spoil(rnn);
    for (const Pass pass : {Pass::kForward, Pass::kBackward}) {
      const RnnPlan got = plan(rnn, pass, p);
      CHECK(got.chosen.kernel == FRNN_KERNEL_STEP);
      CHECK(has(other(got, FRNN_KERNEL_SM, 1)->refusal, piece));
      frnn_rnn forced = rnn;
      forced.kernel = FRNN_KERNEL_CLUSTER;
      RnnPlan none;
      const frnn::Status status = frnn::plan_rnn(forced, pass, p, 0, &none);
      CHECK(status.code == FRNN_UNSUPPORTED && has(status.text, piece));
    }
  };
  refused("projection", [](frnn_rnn& r) { r.P = 8; });
  refused("norm", [](frnn_rnn& r) { r.norm = FRNN_LAYER_NORM; });
  refused("MUT", [](frnn_rnn& r) { r.cell = FRNN_MUT2; });
  refused("ablated", [](frnn_rnn& r) { r.variant = FRNN_NO_INPUT_GATE; });
  refused("cell_clip", [](frnn_rnn& r) { r.cell_clip = 1; });
  refused("zoneout", [](frnn_rnn& r) { r.zoneout_h = 0.1; });
  refused("recurrent dropout", [](frnn_rnn& r) { r.recurrent_dropout = 0.1; });
}

void forced_kernels() {
  const Properties h200 = device("h200");
  frnn_rnn rnn = problem(FRNN_GRU, 100, 9, 50, FRNN_BF16);
  for (const int64_t kernel : {FRNN_KERNEL_STEP, FRNN_KERNEL_SM, FRNN_KERNEL_CLUSTER}) {
    rnn.kernel = kernel;
    CHECK(plan(rnn, Pass::kForward, h200).chosen.kernel == kernel);
    CHECK(plan(rnn, Pass::kBackward, h200).chosen.kernel == kernel);
  }
  for (const int cluster : {2, 4}) {
    CHECK(plan(rnn, Pass::kForward, h200, cluster).chosen.cluster == cluster);
    CHECK(plan(rnn, Pass::kBackward, h200, cluster).chosen.cluster == cluster);
  }
  RnnPlan none;
  CHECK(frnn::plan_rnn(rnn, Pass::kForward, device("l4"), 0, &none).code == FRNN_UNSUPPORTED);
  rnn.kernel = FRNN_KERNEL_SM, rnn.H = 512;
  const frnn::Status status = frnn::plan_rnn(rnn, Pass::kForward, h200, 0, &none);
  CHECK(status.code == FRNN_UNSUPPORTED);
  CHECK(has(status.text, "K1 cannot run this forward call") && has(status.text, "H=512"));
}

// What a device remembers is what is planned, whatever was asked before.
void remembered_plans() {
  frnn::Planner planner(device("h200"));
  for (int round = 0; round < 2; ++round) {
    for (const int64_t kernel : {FRNN_KERNEL_AUTO, FRNN_KERNEL_STEP, FRNN_KERNEL_SM}) {
      for (const int64_t H : {33, 100, 512}) {
        for (const Pass pass : {Pass::kForward, Pass::kBackward}) {
          frnn_rnn rnn = problem(FRNN_LSTM, H, 9, 50, FRNN_BF16);
          rnn.kernel = kernel;
          RnnPlan expected;
          const frnn::Status status = frnn::plan_rnn(rnn, pass, planner.device(), 0, &expected);
          frnn::RnnChoice got{};
          CHECK(planner.choose(rnn, pass, &got).code == status.code);
          if (!status.ok()) continue;
          CHECK(got.kernel == expected.chosen.kernel && got.cluster == expected.chosen.cluster);
          CHECK(got.loop_us == expected.chosen.loop_us && got.blocks == expected.chosen.blocks);
        }
      }
    }
  }
  frnn_rnn rnn = problem(FRNN_LSTM, 100, 9, 50, FRNN_BF16);
  rnn.kernel = FRNN_KERNEL_CLUSTER;
  for (const int cluster : {2, 4}) {
    planner.set_cluster(cluster);
    frnn::RnnChoice got{};
    CHECK(planner.choose(rnn, Pass::kForward, &got).ok() && got.cluster == cluster);
  }
}

void unknown_devices() {
  Properties p;
  const frnn::Status status = frnn::catalogue_device("h9000", &p);
  CHECK(status.code == FRNN_INVALID_ARGUMENT && has(status.text, "rtx4090"));
  CHECK(frnn::catalogue_names().size() == 5);
}

}  // namespace

int main() {
  every_device_gets_a_plan();
  capacity_decides();
  properties_decide_and_not_the_name();
  batches_take_turns();
  members_that_only_k0_serves();
  forced_kernels();
  remembered_plans();
  unknown_devices();
  return frnn::testing::report();
}
