package dev.fusedrnn.bench.cpu;

import dev.fusedrnn.bench.Report;
import dev.fusedrnn.bench.Row;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;

/** The tables as they come, and the goals at their end. */
final class CpuReport {
  static final String SUITE = "cpu";

  private final PrintWriter out;
  private final Map<String, String> environment;
  private final List<String> peers;
  private final List<CaseResult> results = new ArrayList<>();
  private String group = "";

  /**
   * Starts a report.
   *
   * @param out where the tables go
   * @param environment printed above them
   * @param engines those that were chosen
   */
  CpuReport(PrintWriter out, Map<String, String> environment, List<String> engines) {
    this.out = out;
    this.environment = environment;
    this.peers = engines.stream().filter(name -> !name.equals(Engines.FUSEDRNN)).toList();
  }

  void begin() {
    environment.forEach((name, text) -> out.printf("%-14s %s%n", name, text));
    out.flush();
  }

  /** Prints what the limit of so many threads was measured as. */
  void limit(int threads, int size, Map<String, Double> rates) {
    out.println();
    out.printf("limit, %s: fp32 products of %d x %d, GFLOP/s:", threads(threads), size, size);
    rates.forEach((engine, rate) -> out.printf(" %s %.0f", Engines.title(engine), rate));
    out.println(rates.isEmpty() ? " none" : "; the fastest counts");
    out.flush();
  }

  /** Adds a row to the table of its group. */
  void add(CaseResult result) {
    String now = result.shape().group() + ", " + threads(result.threads());
    if (!now.equals(group)) {
      group = now;
      header();
    }
    results.add(result);
    StringBuilder line = new StringBuilder();
    line.append(
        String.format(
            Locale.ROOT,
            "%-15s %8s %9s",
            result.shape().shape(),
            Report.significant(result.shape().gflop()),
            millis(result.limitMillis())));
    Race.Best ours = result.engines().get(Engines.FUSEDRNN);
    OptionalDouble mine = result.nanos(Engines.FUSEDRNN);
    line.append(String.format(" %9s", nanosAsMillis(mine)));
    line.append(
        String.format(" %9s", ours == null ? "" : Report.significant(ours.times().p10() * 1e-6)));
    line.append(String.format(" %6s", share(result)));
    for (String peer : peers) {
      line.append(String.format(" %13s", nanosAsMillis(result.nanos(peer))));
    }
    if (!peers.isEmpty()) {
      line.append(String.format(" %9s", ratio(result.ratio(Engines.LIBTORCH))));
      line.append(String.format(" %9s", ratio(result.ratio(peers))));
    }
    line.append(ours == null ? String.format(" %6s", "") : String.format(" %6.0f", ours.bytes()));
    line.append(settings(result));
    out.println(line.toString().stripTrailing());
    out.flush();
  }

  private void header() {
    out.println();
    out.println(group);
    StringBuilder line =
        new StringBuilder(
            String.format(
                "%-15s %8s %9s %9s %9s %6s",
                "T x B x I x H", "GFLOP", "limit ms", "ours ms", "p10", "share"));
    peers.forEach(peer -> line.append(String.format(" %13s", Engines.title(peer))));
    if (!peers.isEmpty()) {
      line.append(String.format(" %9s %9s", "/LibTorch", "/fastest"));
    }
    line.append(String.format(" %6s", "B/op"));
    out.println(peers.isEmpty() ? line : line.append("  settings"));
  }

  /** The settings that were the best of their engines. */
  private String settings(CaseResult result) {
    StringBuilder text = new StringBuilder();
    for (String peer : peers) {
      Race.Best best = result.engines().get(peer);
      if (best != null && !best.label().isEmpty()) {
        text.append(text.length() == 0 ? "  " : "; ");
        text.append(Engines.title(peer)).append(' ').append(best.label());
      }
    }
    return text.toString();
  }

  private static String threads(int threads) {
    return threads + (threads == 1 ? " thread" : " threads");
  }

  private static String nanosAsMillis(OptionalDouble nanos) {
    return nanos.isEmpty() ? "-" : Report.significant(nanos.getAsDouble() * 1e-6);
  }

  private static String millis(OptionalDouble millis) {
    return millis.isEmpty() ? "-" : Report.significant(millis.getAsDouble());
  }

  private static String ratio(OptionalDouble ratio) {
    return ratio.isEmpty() ? "-" : String.format(Locale.ROOT, "%.2fx", ratio.getAsDouble());
  }

  private static String share(CaseResult result) {
    OptionalDouble limit = result.limitMillis();
    OptionalDouble ours = result.nanos(Engines.FUSEDRNN);
    return limit.isEmpty() || ours.isEmpty()
        ? "-"
        : String.format(
            Locale.ROOT, "%.0f%%", 100 * limit.getAsDouble() / (ours.getAsDouble() * 1e-6));
  }

  /**
   * Prints the goals.
   *
   * @param quiet whether the machine was; goes into the environment too
   */
  void end(String quiet) {
    environment.put("disturbed", quiet);
    out.println();
    out.println(quiet);
    out.println();
    out.printf("%-66s %8s %8s %5s%n", "goal", "wanted", "reached", "rows");
    for (Goal goal : Goal.of(results)) {
      out.printf(
          "%-66s %8s %8s %5d  %s%n",
          goal.name(),
          (goal.atMost() ? "<= " : ">= ") + trimmed(goal.wanted()),
          goal.reached().isEmpty()
              ? "-"
              : String.format(Locale.ROOT, "%.2f", goal.reached().getAsDouble()),
          goal.rows(),
          goal.verdict());
    }
    out.flush();
  }

  private static String trimmed(double value) {
    return value == Math.rint(value) ? String.valueOf((long) value) : String.valueOf(value);
  }

  List<CaseResult> results() {
    return results;
  }

  /**
   * Writes environment and rows.
   *
   * @param file replaced where it exists
   */
  void write(Path file) throws IOException {
    List<Row> rows = results.stream().flatMap(result -> result.rows().stream()).toList();
    Report.write(file, environment, rows);
  }
}
