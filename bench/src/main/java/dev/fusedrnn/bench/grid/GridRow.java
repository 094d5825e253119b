package dev.fusedrnn.bench.grid;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One measured cell, a line of JSON; the baseline's script writes the same lines.
 *
 * @param key as {@link GridCell#key()}
 * @param engine fusedrnn, cudnn or torch
 * @param how what ran: a backend and kernel, or an algorithm
 * @param micros median microseconds
 * @param emulated whether the time means nothing
 */
record GridRow(String key, String engine, String how, double micros, boolean emulated) {
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * Adds a line to a file and forces it to the disk, so that a run that is killed keeps it.
   *
   * @param file made where it is missing
   * @param cell what ran
   * @param row its time
   * @param extremes fastest and slowest, in microseconds
   * @throws IOException where it cannot be written
   */
  static void append(Path file, GridCell cell, GridRow row, double... extremes) throws IOException {
    Map<String, Object> line = new LinkedHashMap<>();
    line.put("key", row.key());
    line.put("engine", row.engine());
    line.put("how", row.how());
    line.put("us_median", row.micros());
    line.put("us_min", extremes[0]);
    line.put("us_max", extremes[1]);
    line.put("gflop_per_s", cell.flop() / row.micros() / 1e3);
    line.put("emulated", row.emulated());
    Files.writeString(
        file,
        JSON.writeValueAsString(line) + "\n",
        StandardCharsets.UTF_8,
        StandardOpenOption.CREATE,
        StandardOpenOption.APPEND,
        StandardOpenOption.DSYNC);
  }

  /**
   * Reads the lines of a file. A last line that a killed run left unfinished is passed over.
   *
   * @param file may be missing: there are no rows then
   * @return in the file's order
   * @throws IOException where a line but the last is no row
   */
  static List<GridRow> read(Path file) throws IOException {
    if (!Files.exists(file)) {
      return List.of();
    }
    List<String> lines = Files.readAllLines(file);
    List<GridRow> rows = new ArrayList<>();
    for (int k = 0; k < lines.size(); k++) {
      if (lines.get(k).isBlank()) {
        continue;
      }
      try {
        JsonNode line = JSON.readTree(lines.get(k));
        if (!line.hasNonNull("key") || !line.hasNonNull("engine")) {
          throw new IOException("no key or no engine");
        }
        if (line.hasNonNull("us_median")) { // a baseline that refused a cell has a row without
          rows.add(
              new GridRow(
                  line.path("key").asText(),
                  line.path("engine").asText(),
                  line.path("how").asText(),
                  line.path("us_median").asDouble(),
                  line.path("emulated").asBoolean()));
        }
      } catch (IOException e) {
        if (k == lines.size() - 1) {
          break;
        }
        throw new IOException(
            file + ", line " + (k + 1) + ": expected a row of the grid, got " + lines.get(k), e);
      }
    }
    return rows;
  }
}
