package dev.fusedrnn.bench.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.fusedrnn.Cell;
import dev.fusedrnn.bench.BenchmarkFailedException;
import dev.fusedrnn.bench.Main;
import dev.fusedrnn.bench.Shape;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Goal: a comparison that counts right, refuses wrong results, and says what it was told. Method:
 * ratios and goals by hand; real child processes with this library, and beside it one that is slow,
 * one that is wrong and one that cannot be opened. Nothing here looks at how long something took,
 * but that 20 ms more are more.
 */
class CpuTest {
  private static final CpuCase TINY = new CpuCase(Cell.GRU, 3, 2, 5, 7, true);

  private record Ran(int exit, String out, String err) {}

  private static Ran run(String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int exit =
        Main.commandLine()
            .setOut(new PrintWriter(out, true))
            .setErr(new PrintWriter(err, true))
            .execute(arguments);
    return new Ran(exit, out.toString(), err.toString());
  }

  private static PrintWriter nowhere() {
    return new PrintWriter(new StringWriter());
  }

  private static Race race() {
    return new Race(2, 10, 10, new Quiet(0));
  }

  /** Times in milliseconds by engine, with 10 GFLOP/s as the limit. */
  private static CaseResult result(CpuCase shape, Map<String, Double> millis) {
    Map<String, Race.Best> engines = new LinkedHashMap<>();
    millis.forEach(
        (engine, time) -> {
          Times times = Times.of(List.of(new long[] {Math.round(time * 1e6)}));
          engines.put(engine, new Race.Best(engine.equals("djl") ? "threads 2" : "", times, 0));
        });
    return new CaseResult(shape, 2, 10, engines);
  }

  private static CpuCase shape(Cell cell, int batch, boolean training) {
    return new CpuCase(cell, 10, batch, 3, 4, training);
  }

  @Test
  void workIsCountedAsInTheOtherSuites() {
    CpuCase infer = new CpuCase(Cell.LSTM, 25, 1, 96, 100, false);
    assertEquals(Shape.LSTM_T25_B1_I96_H100.forwardFlop() / 1e9, infer.gflop(), 1e-12);
    assertEquals(Shape.LSTM_T25_B1_I96_H100.name(), infer.key());
    CpuCase train = new CpuCase(Cell.GRU, 50, 1, 128, 128, true);
    assertEquals(Shape.GRU_T50_B1_I128_H128.trainFlop() / 1e9, train.gflop(), 1e-12);
  }

  @Test
  void noSettingUsesMoreThreadsThanItMay() {
    for (String engine : Engines.NAMES) {
      for (int threads : new int[] {1, 2, 5}) {
        List<Engines.Setting> settings = Engines.settings(engine, threads);
        assertEquals(
            settings.size(), settings.stream().map(Engines.Setting::label).distinct().count());
        for (Engines.Setting setting : settings) {
          assertTrue(setting.threads() <= threads, setting.toString());
          for (String pool : List.of("OMP", "OPENBLAS", "MKL")) {
            String count = setting.environment().getOrDefault(pool + "_NUM_THREADS", "1");
            assertTrue(Integer.parseInt(count) <= threads, setting.toString());
          }
        }
        assertTrue(
            settings.stream()
                .anyMatch(setting -> setting.environment().containsValue(String.valueOf(threads))),
            engine);
      }
    }
    assertEquals(4, Engines.settings(Engines.LIBTORCH, 2).size());
    assertTrue(Engines.isCleared("OPENBLAS_CORETYPE"));
    assertTrue(Engines.isCleared("OMP_WAIT_POLICY"));
  }

  @Test
  void timesAreOfAllBlocksTogether() {
    Times times = Times.of(List.of(new long[] {50, 10, 30}, new long[] {20, 40}));
    assertEquals(new Times(30, 14, 10, 50, 5), times);
    assertEquals(25, Times.median(new long[] {40, 20, 30, 10}));
  }

  @Test
  void blocksBesideOtherWorkCountOnlyWhereThereAreNoOthers() {
    Quiet.Block loud = new Quiet.Block(new long[] {100, 100, 100}, 8, false);
    Quiet.Block quiet = new Quiet.Block(new long[] {10, 20}, 0, true);
    assertEquals(15, Race.best("", List.of(loud, quiet)).times().median());
    assertEquals(0, Race.best("", List.of(loud, quiet)).bytes()); // the least
    assertEquals(100, Race.best("", List.of(loud, loud)).times().median());
  }

  @Test
  void ratiosAreThePeersTimeOverOurs() {
    CaseResult result =
        result(
            shape(Cell.LSTM, 1, false),
            Map.of("fusedrnn", 2.0, "libtorch", 5.0, "onnxruntime", 3.0, "djl", 1.0));
    assertEquals(2.5, result.ratio("libtorch").orElseThrow());
    assertEquals(1.5, result.ratio(List.of("libtorch", "onnxruntime")).orElseThrow());
    assertEquals(0.5, result.ratio(List.of("libtorch", "djl")).orElseThrow());
    assertEquals(OptionalDouble.empty(), result.ratio("nobody"));
    // 10 steps, 1 row, 4 gates of 4 units, 3 + 4 columns, a multiply-add is two; 10 GFLOP/s.
    assertEquals(2.0 * 10 * 16 * 7 / 1e9 / 10 * 1e3, result.limitMillis().orElseThrow(), 1e-15);
  }

  @Test
  void goalsAreCountedByHand() {
    List<CaseResult> results =
        List.of(
            result(shape(Cell.LSTM, 8, true), Map.of("fusedrnn", 1.0, "libtorch", 1.0)),
            result(shape(Cell.LSTM, 9, true), Map.of("fusedrnn", 1.0, "libtorch", 4.0)),
            result(shape(Cell.GRU, 8, true), Map.of("fusedrnn", 1.0, "libtorch", 2.5)),
            result(shape(Cell.GRU_RESET_BEFORE, 8, true), Map.of("fusedrnn", 1.0)),
            result(
                shape(Cell.LSTM, 1, false),
                Map.of("fusedrnn", 1.0, "libtorch", 4.0, "onnxruntime", 1.0, "djl", 0.1)),
            result(
                shape(Cell.GRU, 8, false),
                Map.of("fusedrnn", 1.0, "libtorch", 4.0, "onnxruntime", 9.0)));
    List<Goal> goals = Goal.of(results);
    double[] reached = goals.stream().mapToDouble(goal -> goal.reached().orElseThrow()).toArray();
    assertEquals(6, reached.length);
    assertEquals(2.0, reached[0], 1e-12); // of 1 and 4
    assertEquals(2.5, reached[1], 1e-12);
    assertEquals(2.0, reached[2], 1e-12); // of 1 and 4: DJL does not count
    assertEquals(1.0, reached[3], 1e-12);
    assertEquals(1.0, reached[4], 1e-12); // B = 1 over ONNX Runtime
    assertEquals(0.0, reached[5]);
    assertEquals(
        List.of("met", "missed", "met", "met", "missed", "met"),
        goals.stream().map(Goal::verdict).toList());
    assertEquals("not measured", Goal.of(List.of()).get(0).verdict());
  }

  @Test
  void anEngineThatIsSlowIsSlowAndOneThatIsWrongIsNotTimed() throws IOException {
    Map<CpuCase, Oracle> oracles = new HashMap<>();
    List<String> engines = List.of("fusedrnn", "slow");
    try (CpuRun run = new CpuRun(engines, List.of(), 1, race(), nowhere(), oracles)) {
      assertEquals("1.0", run.about().get("odd"));
      CaseResult result = run.measure(TINY, 0);
      assertTrue(result.ratio("slow").orElseThrow() > 2, result.toString());
      assertEquals("oddly", result.engines().get("slow").label());
    }
    try (CpuRun run = new CpuRun(List.of("wrong"), List.of(), 1, race(), nowhere(), oracles)) {
      String message =
          assertThrows(BenchmarkFailedException.class, () -> run.measure(TINY, 0)).getMessage();
      assertTrue(message.contains("GRU train 3x2x5x7 on wrong is wrong"), message);
      assertTrue(message.contains("expected "), message);
    }
    try (CpuRun run = new CpuRun(List.of("broken"), List.of(), 1, race(), nowhere(), oracles)) {
      String message =
          assertThrows(BenchmarkFailedException.class, () -> run.measure(TINY, 0)).getMessage();
      assertTrue(message.contains("broken: cannot be opened"), message);
      assertTrue(message.contains("its library is not for this machine"), message);
    }
  }

  @Test
  void oneCaseIsMeasuredEndToEnd(@TempDir Path folder) throws IOException {
    Path json = folder.resolve("rows.json");
    Ran ran =
        run(
            "cpu",
            "--engines",
            "fusedrnn",
            "--quick",
            "--threads",
            "1",
            "--case",
            "^LSTM train 25x1x",
            "--json",
            json.toString());
    assertEquals(0, ran.exit(), ran.err());
    assertTrue(ran.out().contains("LSTM train, 1 thread"), ran.out());
    assertTrue(ran.out().contains("not measured"), ran.out());
    JsonNode report = new ObjectMapper().readTree(Files.readAllBytes(json));
    assertTrue(report.at("/environment/commit").isTextual(), report.toString());
    assertTrue(report.at("/environment/disturbed").asText().contains("of "), report.toString());
    assertEquals(1, report.path("rows").size());
    JsonNode row = report.at("/rows/0");
    assertEquals("cpu", row.path("suite").asText());
    assertEquals("train", row.path("benchmark").asText());
    assertEquals("LSTM_T25_B1_I96_H100", row.path("shape").asText());
    assertEquals("cpu", row.path("backend").asText());
    assertEquals(1, row.path("threads").asInt());
    assertTrue(row.path("time_us_median").asDouble() > 0, row.toString());
    assertTrue(row.path("limit_us").asDouble() > 0, row.toString());
    assertTrue(row.has("bytes_per_op") && !row.has("ratio"), row.toString());
  }

  @Test
  void rowsAndRatiosStandSideBySide(@TempDir Path folder) throws IOException {
    StringWriter text = new StringWriter();
    CpuReport report =
        new CpuReport(new PrintWriter(text, true), new LinkedHashMap<>(), Engines.NAMES);
    CaseResult both =
        result(shape(Cell.LSTM, 8, true), Map.of("fusedrnn", 2.0, "libtorch", 3.0, "djl", 4.0));
    report.add(both);
    report.add(result(shape(Cell.GRU_RESET_BEFORE, 8, true), Map.of("fusedrnn", 2.0)));
    report.end("0 of 9 blocks");
    assertTrue(text.toString().contains("LSTM train, 2 threads"), text.toString());
    assertTrue(text.toString().contains("1.50x"), text.toString());
    assertTrue(text.toString().contains("DJL threads 2"), text.toString());
    Path json = folder.resolve("rows.json");
    report.write(json);
    JsonNode rows = new ObjectMapper().readTree(Files.readAllBytes(json)).path("rows");
    assertEquals(4, rows.size());
    for (JsonNode row : rows) {
      boolean ours = row.path("backend").asText().equals("cpu");
      boolean beside = ours && row.path("shape").asText().startsWith("LSTM");
      assertEquals(beside ? 1.5 : 0, row.path("ratio").asDouble(), row.toString());
      assertEquals(beside ? 3000 : 0, row.path("baseline_us").asDouble(), 1e-9, row.toString());
    }
    Path png = folder.resolve("ratios.png");
    RatioChart.write(report.results(), png);
    assertTrue(ImageIO.read(png.toFile()).getWidth() > 500);
  }

  @Test
  void theListNamesEveryCase() {
    Ran ran = run("cpu", "--list");
    assertEquals(0, ran.exit(), ran.err());
    for (String name : List.of("LSTM infer 25x1x96x100", "GRU_RESET_BEFORE train 50x64x512x512")) {
      assertTrue(ran.out().lines().anyMatch(name::equals), ran.out());
    }
    assertEquals(CpuCase.all().size(), ran.out().lines().count());
  }

  @Test
  void wrongOptionsAreRefusedWithTheirReason(@TempDir Path folder) {
    String absent = folder.resolve("no/r").toString();
    Map<String, String[]> refused = new LinkedHashMap<>();
    refused.put("expected some of fusedrnn, libtorch", new String[] {"--engines", "torch"});
    refused.put("no case is left", new String[] {"--case", "LSTM_1x1"});
    refused.put("--case: ", new String[] {"--case", "("});
    refused.put("--threads: expected at least 1, got 0", new String[] {"--threads", "0"});
    refused.put("--rounds: expected at least 1, got -1", new String[] {"--rounds", "-1"});
    refused.put("--patience: expected at least 0", new String[] {"--patience", "-1"});
    refused.put("--json " + absent, new String[] {"--json", absent});
    refused.put("--png " + absent, new String[] {"--png", absent});
    refused.put(
        "--png: there are no ratios",
        new String[] {"--engines", "fusedrnn", "--png", folder.resolve("r.png").toString()});
    refused.put("the peers are not built", new String[] {"--engines", "libtorch"});
    refused.forEach(
        (message, options) -> {
          String[] arguments = new String[options.length + 1];
          arguments[0] = "cpu";
          System.arraycopy(options, 0, arguments, 1, options.length);
          Ran ran = run(arguments);
          assertEquals(2, ran.exit(), Arrays.toString(options) + ": " + ran.err());
          assertTrue(ran.err().contains(message), ran.err());
        });
  }
}
