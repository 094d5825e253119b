#include "host/explain.h"

#include <algorithm>

#include "host/json_text.h"
#include "host/net.h"
#include "host/planner.h"

namespace frnn {
namespace {

using Wide = long long;

std::string member(const char* name, int64_t value) {
  return format("\"%s\": %lld", name, static_cast<Wide>(value));
}
std::string member(const char* name, double value) {
  return format("\"%s\": %.4g", name, value);
}
std::string member(const char* name, const std::string& value) {
  return format("\"%s\": %s", name, json_text(value).c_str());
}

// For sentences: three digits, or all before the point.
std::string shown(double us) {
  return format(us < 10 ? "%.2f" : us < 100 ? "%.1f" : "%.0f", us);
}

std::string joined(std::initializer_list<std::string> members) {
  std::string out;
  for (const std::string& m : members)
    out += (out.empty() ? "" : ", ") + m;
  return out;
}

std::string json_of(const machine::Properties& p) {
  return "{" +
         joined({member("name", p.name),
                 member("compute_capability", format("%d.%d", p.major, p.minor)),
                 member("multiprocessors", int64_t{p.multiprocessors}),
                 member("clock_mhz", int64_t{p.clock_khz / 1000}),
                 member("registers_per_multiprocessor", int64_t{p.registers_per_multiprocessor}),
                 member("shared_bytes_per_block", p.shared_bytes_per_block),
                 member("l2_bytes", p.l2_bytes),
                 member("largest_cluster", int64_t{std::max(p.largest_cluster, 1)})}) +
         "}";
}

// What keeps R on the chip; nothing of K0, whose weights come through L2.
std::string json_of_block(const RnnWay& way) {
  if (way.kernel == FRNN_KERNEL_STEP) return "";
  return ", " + joined({member("units_per_block", way.units), member("batch_tile", way.batch_tile),
                        member("warps", way.warps), member("register_bytes", way.register_bytes),
                        member("shared_weight_bytes", way.shared_weight_bytes),
                        member("shared_bytes", way.shared_bytes), member("blocks", way.blocks),
                        member("waves", way.waves)});
}

std::string json_of_times(const RnnWay& way) {
  std::string terms;
  for (const PlanTerm& term : way.terms) {
    if (term.us == 0) continue;
    terms += (terms.empty() ? "{" : ", {") +
             joined({member("name", std::string(term.name)), member("us", term.us)}) + "}";
  }
  return joined({member("step_us", way.step_us), member("fixed_us", way.fixed_us),
                 member("loop_us", way.loop_us), member("limit_us", way.limit().us),
                 member("limited_by", std::string(way.limit().name)),
                 "\"terms\": [" + terms + "]"});
}

std::string reason_of(const RnnWay& way, const RnnWay& chosen) {
  if (!way.refusal.empty()) return way.refusal;
  if (way.loop_us < chosen.loop_us) return "faster, but another kernel is forced";
  return format("%s us for the loop, against %s; %s us a step, most of it %s",
                shown(way.loop_us).c_str(), shown(chosen.loop_us).c_str(),
                shown(way.step_us).c_str(), way.limit().name);
}

std::string json_of(const RnnPlan& plan) {
  std::string others;
  for (const RnnWay& way : plan.others) {
    others += (others.empty() ? "{" : ", {") +
              joined({member("kernel", std::string(kernel_name(way.kernel))),
                      member("cluster", int64_t{way.cluster}),
                      std::string("\"possible\": ") + (way.refusal.empty() ? "true" : "false"),
                      member("reason", reason_of(way, plan.chosen))}) +
              "}";
  }
  const RnnWay& way = plan.chosen;
  return "{" +
         joined({member("kernel", std::string(kernel_name(way.kernel))),
                 member("cluster", int64_t{way.cluster})}) +
         json_of_block(way) + ", " + json_of_times(way) + ", \"passed_over\": [" + others + "]}";
}

// Layer 0, and the one that stands for all above it.
Status json_of_layer(const frnn_rnn& rnn, int64_t layer, int64_t count, const Planner& planner,
                     std::string* json) {
  RnnPlan forward, backward;
  FRNN_TRY(plan_rnn(rnn, Pass::kForward, planner.device(), planner.cluster(), &forward));
  *json = "{" + joined({member("layer", layer), member("count", count), member("input", rnn.I),
                        "\"forward\": " + json_of(forward)});
  if ((rnn.flags & FRNN_TRAINING) != 0) {
    FRNN_TRY(plan_rnn(rnn, Pass::kBackward, planner.device(), planner.cluster(), &backward));
    *json += ", \"backward\": " + json_of(backward);
  }
  *json += "}";
  return Status::success();
}

}  // namespace

Status explain_net(const frnn_net& net, Planner& planner, std::string* json) {
  std::string layers, layer;
  for (int64_t k = 0; k == 0 || k < std::min<int64_t>(net.L, 2); ++k) {
    frnn_rnn rnn{};
    FRNN_TRY(net_layer(net, k, &rnn));
    FRNN_TRY(json_of_layer(rnn, k, k == 0 ? 1 : net.L - 1, planner, &layer));
    layers += (layers.empty() ? "" : ", ") + layer;
  }
  int64_t chunks = 1;
  FRNN_TRY(net_wavefront(net, "cuda", &planner, &chunks));
  *json = "{\"device\": " + json_of(planner.device()) + ", " +
          joined({member("steps", net.T), member("batch", net.B), member("directions", net.D),
                  member("wavefront_chunks", chunks)}) +
          ", \"layers\": [" + layers + "]}";
  return Status::success();
}

}  // namespace frnn
