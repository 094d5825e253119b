package dev.fusedrnn.cli.explain;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintWriter;
import java.util.Locale;

/** The planner's answer as a person reads it. */
final class PlanText {
  private final PrintWriter out;

  PlanText(PrintWriter out) {
    this.out = out;
  }

  void print(JsonNode answer) {
    JsonNode device = answer.path("device");
    line(
        "%s on %s (compute capability %s, %d multiprocessors, %d MHz)",
        answer.path("question").asText(),
        device.path("name").asText(),
        device.path("compute_capability").asText(),
        device.path("multiprocessors").asInt(),
        device.path("clock_mhz").asInt());
    if (answer.path("wavefront_chunks").asInt() > 1) {
      line(
          "the layers run at the same time, as a wavefront over %d chunks of time",
          answer.path("wavefront_chunks").asInt());
    }
    for (JsonNode layer : answer.path("layers")) {
      pass(layer, "forward");
      if (layer.has("backward")) {
        pass(layer, "backward");
      }
    }
    out.flush();
  }

  private void pass(JsonNode layer, String pass) {
    JsonNode plan = layer.path(pass);
    int first = layer.path("layer").asInt();
    int last = first + layer.path("count").asInt() - 1;
    line("");
    line(
        "layer%s %s: %s",
        first == last ? " " + first : "s " + first + " to " + last, pass, name(plan));
    if (plan.has("units_per_block")) {
      block(plan);
    } else {
      line("  weights      come through L2 at each step");
    }
    line(
        "  a step       %s us predicted; at the least %s us, which %s takes",
        micros(plan, "step_us"), micros(plan, "limit_us"), plan.path("limited_by").asText());
    for (JsonNode term : plan.path("terms")) {
      line("    %-22s %8s us", term.path("name").asText(), micros(term, "us"));
    }
    line(
        "  the loop     %s us predicted, of them %s before the first step",
        micros(plan, "loop_us"), micros(plan, "fixed_us"));
    line("  passed over");
    for (JsonNode other : plan.path("passed_over")) {
      line("    %-10s %s", name(other), other.path("reason").asText());
    }
  }

  private void block(JsonNode plan) {
    long registers = plan.path("register_bytes").asLong();
    long shared = plan.path("shared_weight_bytes").asLong();
    int cluster = plan.path("cluster").asInt();
    line(
        "  a block      %d hidden units, %d rows of the batch, %d warps, %,d bytes of shared memory",
        plan.path("units_per_block").asInt(),
        plan.path("batch_tile").asInt(),
        plan.path("warps").asInt(),
        plan.path("shared_bytes").asLong());
    line(
        "  weights      %,d bytes in registers and %,d in shared memory of a block; %,d on the chip",
        registers, shared, cluster * (registers + shared));
    line(
        "  grid         %d blocks in clusters of %d, %s",
        plan.path("blocks").asInt(),
        cluster,
        plan.path("waves").asInt() == 1
            ? "all at once"
            : "which take turns: " + plan.path("waves").asInt() + " waves");
  }

  private static String name(JsonNode plan) {
    int cluster = plan.path("cluster").asInt();
    return plan.path("kernel").asText() + (cluster > 1 ? " of " + cluster : "");
  }

  private static String micros(JsonNode node, String field) {
    double us = node.path(field).asDouble();
    return String.format(Locale.ROOT, us < 10 ? "%.2f" : us < 100 ? "%.1f" : "%,.0f", us);
  }

  private void line(String pattern, Object... values) {
    out.println(String.format(Locale.ROOT, pattern, values));
  }
}
