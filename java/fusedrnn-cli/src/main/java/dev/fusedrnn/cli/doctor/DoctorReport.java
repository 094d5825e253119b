package dev.fusedrnn.cli.doctor;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The doctor's report for people: a line a fact. */
final class DoctorReport {
  private static final String LINE = "%-34s %s%n";

  private final PrintWriter out;

  private DoctorReport(PrintWriter out) {
    this.out = out;
  }

  static void print(PrintWriter out, ObjectNode root) {
    DoctorReport report = new DoctorReport(out);
    report.facts("", root.path("machine"));
    report.library(root.path("native_library"));
    JsonNode module = root.path("driver").path("kernel_module");
    report.line("NVIDIA driver", module.isNull() ? "none" : module.textValue());
    report.facts("", root.path("driver").path("libcuda"), "libcuda.so.1");
    report.facts("", root.path("cublas"), "cuBLAS");
    for (JsonNode backend : root.path("backends")) {
      report.backend(backend);
    }
    out.println();
    for (JsonNode test : root.path("self_test")) {
      String result =
          String.format(
              "%d passed, %d failed %s",
              test.path("passed").intValue(),
              test.path("failed").intValue(),
              test.path("failure").textValue());
      report.line("self-test on " + test.path("backend").textValue(), result.strip());
    }
    out.flush();
  }

  private void library(JsonNode library) {
    boolean loaded = library.path("loaded").booleanValue();
    line("native library", library.path(loaded ? "path" : "reason").textValue());
    if (loaded) {
      facts("  ", library.path("build"));
    }
  }

  private void backend(JsonNode backend) {
    boolean works = backend.path("available").booleanValue();
    out.println();
    line("backend " + backend.path("backend").textValue(), works ? "works" : "does not work");
    if (works) {
      facts("  ", backend.path("device"));
    } else {
      out.println("  " + backend.path("reason").textValue().replace("\n", "\n  "));
    }
  }

  /** Every member of an object on a line of its own; objects within are named before a point. */
  private void facts(String indent, JsonNode object) {
    for (Map.Entry<String, JsonNode> member : object.properties()) {
      facts(indent, member.getValue(), member.getKey());
    }
  }

  private void facts(String indent, JsonNode value, String name) {
    if (value.isObject()) {
      for (Map.Entry<String, JsonNode> member : value.properties()) {
        facts(indent, member.getValue(), name + "." + member.getKey());
      }
    } else if (value.isArray()) {
      List<String> parts = new ArrayList<>();
      value.forEach(part -> parts.add(part.asText()));
      line(indent + name, parts.isEmpty() ? "not found" : String.join(", ", parts));
    } else {
      line(indent + name, value.asText());
    }
  }

  private void line(String name, String value) {
    out.printf(LINE, name.replace('_', ' '), value);
  }
}
