#include "host/planner.h"

#include <algorithm>

#include "host/planner_cost.h"

namespace frnn {
namespace {

// Shapes that a device remembers; a caller with more of them plans anew now and then.
constexpr size_t kMostChoices = 4096;

constexpr int kClusters[] = {1, 2, 4, 8, 16};  // 1: K1

// How the reason reads where a cluster's blocks cannot all be alive.
std::string too_many_blocks(int cluster, int64_t shared_bytes) {
  return format(
      "a cluster of %d: the device does not hold so many blocks of %lld bytes of shared "
      "memory at once",
      cluster, static_cast<long long>(shared_bytes));
}

RnnWay resident_way(const frnn_rnn& rnn, Pass pass, const machine::Properties& device,
                    int cluster) {
  RnnWay way;
  way.kernel = cluster == 1 ? FRNN_KERNEL_SM : FRNN_KERNEL_CLUSTER;
  way.cluster = cluster;
  if (cluster > 1 && !device.clusters) {
    way.refusal = format("the device (%s, compute capability %d.%d) has no thread-block clusters",
                         device.name.c_str(), device.major, device.minor);
    return way;
  }
  way.refusal = resident_refusal(rnn, device, cluster);
  if (!way.refusal.empty()) return way;
  if (pass == Pass::kBackward) {
    ResidentBackwardShape shape{};
    way.refusal = resident_backward_geometry(rnn, device, cluster, &shape).text;
    if (way.refusal.empty()) cost_resident_backward(rnn, device, shape, &way);
  } else {
    ResidentGeometry geometry{};
    way.refusal = resident_geometry(rnn, device, cluster, &geometry);
    if (way.refusal.empty()) cost_resident(rnn, device, geometry, &way);
  }
  if (!way.refusal.empty()) return way;
  if (clusters_at_once(device, cluster, way.shared_bytes) == 0) {
    way.refusal = too_many_blocks(cluster, way.shared_bytes);
  }
  return way;
}

bool before(const RnnWay& a, const RnnWay& b) {
  if (a.refusal.empty() != b.refusal.empty()) return a.refusal.empty();
  return a.refusal.empty() && a.loop_us < b.loop_us;
}

// Whether the caller lets this way be.
bool allowed(const RnnWay& way, int64_t kernel, int cluster) {
  if (kernel != FRNN_KERNEL_AUTO && way.kernel != kernel) return false;
  return way.kernel != FRNN_KERNEL_CLUSTER || cluster == 0 || way.cluster == cluster;
}

// Of a forced kernel none of whose forms can be: what the smallest and the largest lack.
std::string refusal_of(const std::vector<RnnWay>& ways, int64_t kernel, int cluster) {
  std::string first, last;
  for (const RnnWay& way : ways) {
    if (!allowed(way, kernel, cluster)) continue;
    if (first.empty()) first = way.refusal;
    last = way.refusal;
  }
  return first == last ? first : first + "; " + last;
}

}  // namespace

const PlanTerm& RnnWay::limit() const {
  return *std::max_element(terms.begin(), terms.end(),
                           [](const PlanTerm& a, const PlanTerm& b) { return a.us < b.us; });
}

const char* kernel_name(int64_t kernel) {
  switch (kernel) {
    case FRNN_KERNEL_STEP:
      return "K0";
    case FRNN_KERNEL_SM:
      return "K1";
    case FRNN_KERNEL_CLUSTER:
      return "K2";
    default:
      return "auto";
  }
}

Status plan_rnn(const frnn_rnn& rnn, Pass pass, const machine::Properties& device, int cluster,
                RnnPlan* plan) {
  std::vector<RnnWay> ways;
  for (const int blocks : kClusters)
    ways.push_back(resident_way(rnn, pass, device, blocks));
  RnnWay steps;
  cost_step_kernels(rnn, pass, device, &steps);
  ways.push_back(steps);
  const std::string refusal = refusal_of(ways, rnn.kernel, cluster);
  std::stable_sort(ways.begin(), ways.end(), before);
  const auto chosen = std::find_if(ways.begin(), ways.end(), [&](const RnnWay& way) {
    return way.refusal.empty() && allowed(way, rnn.kernel, cluster);
  });
  if (chosen == ways.end()) {
    return Status::fail(
        FRNN_UNSUPPORTED,
        format("rnn.kernel: %s cannot run this %s call: %s", kernel_name(rnn.kernel),
               pass == Pass::kBackward ? "backward" : "forward", refusal.c_str()));
  }
  plan->chosen = *chosen;
  ways.erase(chosen);
  plan->others = std::move(ways);
  return Status::success();
}

// Everything that a plan depends on.
Planner::Key Planner::key_of(const frnn_rnn& rnn, Pass pass, int cluster) {
  const int64_t flags = rnn.flags & (FRNN_TRAINING | FRNN_ALLOW_TF32);
  return {rnn.cell,
          rnn.variant,
          rnn.dtype,
          flags,
          rnn.T,
          rnn.B,
          rnn.H,
          rnn.P,
          rnn.norm,
          rnn.kernel,
          rnn.cell_clip > 0,
          rnn.zoneout_h > 0 || rnn.zoneout_c > 0,
          rnn.recurrent_dropout > 0,
          pass == Pass::kBackward,
          cluster};
}

Status Planner::choose(const frnn_rnn& rnn, Pass pass, RnnChoice* choice) {
  const int cluster = cluster_;
  const Key key = key_of(rnn, pass, cluster);
  {
    const std::lock_guard<std::mutex> guard(lock_);
    const auto found = chosen_.find(key);
    if (found != chosen_.end()) {
      *choice = found->second;
      return Status::success();
    }
  }
  RnnPlan plan;
  FRNN_TRY(plan_rnn(rnn, pass, device_, cluster, &plan));
  const RnnWay& way = plan.chosen;
  *choice = {way.kernel, way.cluster, way.blocks, way.loop_us};
  const std::lock_guard<std::mutex> guard(lock_);
  if (chosen_.size() == kMostChoices) chosen_.clear();
  chosen_[key] = *choice;
  return Status::success();
}

}  // namespace frnn
