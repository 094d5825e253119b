package dev.fusedrnn.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Prints rows as they come, their geometric means at the end, and all of it as JSON. */
public final class Report {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private final PrintWriter out;
  private final Map<String, Double> baseline;
  private final Map<String, String> environment;
  private final List<Row> rows = new ArrayList<>();

  /**
   * Starts a report.
   *
   * @param out where the table goes
   * @param environment printed above it
   * @param baseline times by {@link Row#key}; may be empty
   */
  Report(PrintWriter out, Map<String, String> environment, Map<String, Double> baseline) {
    this.out = out;
    this.environment = environment;
    this.baseline = baseline;
  }

  /**
   * Reads the times of an earlier report.
   *
   * @param file as {@link #write} left it
   * @return time by key
   * @throws IOException where it cannot be read or is no report
   */
  static Map<String, Double> readBaseline(Path file) throws IOException {
    Map<String, Double> times = new LinkedHashMap<>();
    for (JsonNode row : JSON.readTree(Files.readAllBytes(file)).path("rows")) {
      String key =
          Row.key(
              row.path("suite").asText(),
              row.path("benchmark").asText(),
              row.path("shape").asText(),
              row.path("backend").asText(),
              row.path("dtype").asText("f32"), // the first reports have no other
              row.path("threads").asInt());
      times.put(key, row.path("time_us_median").asDouble());
    }
    if (times.isEmpty()) {
      throw new IOException("no rows in it; expected a file that bench --json wrote");
    }
    return times;
  }

  /** Prints the header and the column names. */
  void begin() {
    environment.forEach((name, text) -> out.printf("%-12s %s%n", name, text));
    out.println();
    out.printf(
        "%-9s %-14s %-24s %-9s %-5s %12s %7s %9s %8s %7s%n",
        "suite",
        "operation",
        "case",
        "backend",
        "dtype",
        "us",
        "spread",
        "GFLOP/s",
        "B/op",
        "ratio");
    out.flush();
  }

  /**
   * Adds a row and prints it. Its ratio is against the earlier report's row of the same key, or
   * else against the unfused loop's row of this report.
   *
   * @param measured without a ratio
   */
  void add(Row measured) {
    Double base = baseline.get(measured.key());
    if (base == null) {
      base = unfusedTime(measured);
    }
    Row row = base == null ? measured : measured.against(base);
    rows.add(row);
    double spread = (row.time_us_max() - row.time_us_min()) / row.time_us_median();
    out.printf(
        Locale.ROOT,
        "%-9s %-14s %-24s %-9s %-5s %12s %6.0f%% %9s %8s %7s%n",
        row.suite(),
        row.benchmark(),
        row.shape(),
        row.backend(),
        row.dtype(),
        significant(row.time_us_median()),
        100 * spread,
        significant(row.gflop_per_s()),
        row.bytes_per_op() == null ? "" : String.format(Locale.ROOT, "%.0f", row.bytes_per_op()),
        row.ratio() == null ? "" : String.format(Locale.ROOT, "%.2fx", row.ratio()));
    out.flush();
  }

  private @Nullable Double unfusedTime(Row measured) {
    String wanted = measured.unfusedKey();
    return rows.stream()
        .filter(row -> row.key().equals(wanted))
        .map(Row::time_us_median)
        .findFirst()
        .orElse(null);
  }

  /** Prints a line that is no row: a case that was checked and not timed. */
  void note(String line) {
    out.println(line);
    out.flush();
  }

  /**
   * Four significant digits.
   *
   * @param value null for none
   * @return the text, or nothing
   */
  public static String significant(@Nullable Double value) {
    if (value == null) {
      return "";
    }
    int digits = value <= 0 ? 1 : (int) Math.floor(Math.log10(value)) + 1;
    return String.format(Locale.ROOT, "%." + Math.max(0, Math.min(4, 4 - digits)) + "f", value);
  }

  /** Prints the geometric means: the one fair mean of rates and ratios. */
  void end() {
    Map<String, List<Row>> groups = new LinkedHashMap<>();
    for (Row row : rows) {
      groups
          .computeIfAbsent(
              String.join(" ", row.suite(), row.benchmark(), row.backend(), row.dtype()),
              k -> new ArrayList<>())
          .add(row);
    }
    out.println();
    groups.forEach(
        (name, group) -> {
          Double rate = geometricMean(group.stream().map(Row::gflop_per_s).toList());
          Double ratio = geometricMean(group.stream().map(Row::ratio).toList());
          if (group.size() > 1 && rate != null) {
            out.printf(
                "geometric mean of %d: %s: %s GFLOP/s%s%n",
                group.size(),
                name,
                significant(rate),
                ratio == null ? "" : String.format(Locale.ROOT, ", ratio %.2fx", ratio));
          }
        });
    out.flush();
  }

  /**
   * The one fair mean of rates and ratios.
   *
   * @param values those that are null do not count
   * @return null where none is there
   */
  public static @Nullable Double geometricMean(List<@Nullable Double> values) {
    double[] logs = values.stream().filter(Objects::nonNull).mapToDouble(Math::log).toArray();
    double sum = 0;
    for (double log : logs) {
      sum += log;
    }
    return logs.length == 0 ? null : Math.exp(sum / logs.length);
  }

  /**
   * Writes environment and rows.
   *
   * @param file replaced where it exists
   * @throws IOException where it cannot be written
   */
  void write(Path file) throws IOException {
    write(file, environment, rows);
  }

  /**
   * Writes environment and rows.
   *
   * @param file replaced where it exists
   * @param environment what the rows were measured in
   * @param rows in their order
   * @throws IOException where it cannot be written
   */
  public static void write(Path file, Map<String, String> environment, List<Row> rows)
      throws IOException {
    Map<String, Object> report = new LinkedHashMap<>();
    report.put("environment", environment);
    report.put("rows", rows);
    Files.writeString(file, JSON.writeValueAsString(report) + "\n");
  }
}
