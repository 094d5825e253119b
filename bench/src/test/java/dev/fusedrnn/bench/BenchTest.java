package dev.fusedrnn.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Cell;
import dev.fusedrnn.Device;
import dev.fusedrnn.testkit.RnnCase;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Goal: a benchmark that counts right, refuses wrong results, and reports what it was told. Method:
 * work counted by hand, a check on a right and on a spoilt layer, one case measured end to end.
 * Nothing here looks at how long something took.
 */
class BenchTest {
  private static final RnnCase ODD = new RnnCase(Cell.LSTM, 5, 7, 3, 9, RnnCase.ALL, 11);

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

  @Test
  void workIsCountedByHand() {
    // 25 steps, 1 row, 4 gates of 100 units: W has 96 columns, R has 100; a multiply-add is two.
    assertEquals(2.0 * 25 * 400 * (96 + 100), Shape.LSTM_25x1x96x100.forwardFlop());
    assertEquals(3 * 2.0 * 25 * 400 * (96 + 100), Shape.LSTM_25x1x96x100.trainFlop());
    assertEquals(
        0.75, Shape.GRU_50x1x128x128.forwardFlop() / Shape.LSTM_50x1x128x128.forwardFlop());
  }

  @Test
  void aShapeIsWhatItsNameSays() {
    for (Shape shape : Shape.values()) {
      String sizes =
          shape.steps() + "x" + shape.batch() + "x" + shape.input() + "x" + shape.hidden();
      assertEquals(shape.cell() + "_" + sizes, shape.name());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"reference", "cpu", "emulated"})
  void aRightLayerPassesTheCheck(String backend) {
    RnnCase gru = new RnnCase(Cell.GRU, 5, 7, 3, 9, RnnCase.ALL, 12);
    for (RnnCase sizes : List.of(ODD, gru)) {
      for (boolean training : new boolean[] {false, true}) {
        try (Device device = Device.open(backend);
            CheckedSequence sequence = new CheckedSequence(device, sizes, training)) {
          sequence.check();
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"reference", "cpu"})
  void aWrongLayerIsNotTimed(String backend) {
    try (Device device = Device.open(backend);
        CheckedSequence sequence = new CheckedSequence(device, ODD, true)) {
      sequence.spoil(3);
      String message = assertThrows(IllegalStateException.class, sequence::check).getMessage();
      assertTrue(message.contains("is wrong, so it is not timed"), message);
      assertTrue(message.contains("expected "), message);
    }
  }

  @Test
  void aCallAllocatesAFewObjectsAtMost() {
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (Device device = Device.open("cpu");
        CheckedSequence sequence = new CheckedSequence(device, ODD, true)) {
      int calls = 2000;
      for (int i = 0; i < calls; i++) {
        sequence.train();
      }
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < calls; i++) {
        sequence.train();
      }
      double bytes = (threads.getCurrentThreadAllocatedBytes() - before) / (double) calls;
      assertTrue(bytes <= 256, "a forward and a backward call allocate " + bytes + " bytes");
    }
  }

  @Test
  void theListNamesEveryCase() {
    Ran ran = run("--list");
    assertEquals(0, ran.exit(), ran.err());
    for (Shape shape : Shape.values()) {
      assertTrue(ran.out().contains("sequence train " + shape), ran.out());
    }
    assertTrue(ran.out().contains("overhead crossing"), ran.out());
  }

  @Test
  void wrongOptionsAreRefusedWithTheirReason(@TempDir Path folder) throws IOException {
    Path empty = Files.writeString(folder.resolve("empty.json"), "{}");
    Map<String, String[]> refused =
        Map.of(
            "expected one of", new String[] {"--backend", "gpu"},
            "no case is left", new String[] {"--case", "LSTM_1x1"},
            "--threads: expected at least 1, got -2", new String[] {"--threads", "-2"},
            "make it first", new String[] {"--json", folder.resolve("no/r.json").toString()},
            "expected a file that bench --json wrote",
                new String[] {"--baseline", empty.toString()},
            "suite: expected sequence or overhead, got sequenze", new String[] {"sequenze"},
            "--case:", new String[] {"--case", "("});
    refused.forEach(
        (message, arguments) -> {
          Ran ran = run(arguments);
          assertEquals(2, ran.exit(), Arrays.toString(arguments) + ": " + ran.err());
          assertTrue(ran.err().contains(message), ran.err());
        });
  }

  @Test
  void meansAreGeometric() {
    assertEquals(2.0, Report.geometricMean(List.of(1.0, 4.0)));
    assertEquals("123456", Report.significant(123456.4));
    assertEquals("0.0123", Report.significant(0.01234));
    assertEquals("12.35", Report.significant(12.346));
  }

  @Test
  void rowsAreComparedWithAnEarlierReport(@TempDir Path folder) throws IOException {
    Row row =
        new Row(
            "sequence", "train", "LSTM_1", "cpu", 0, 50.0, 40.0, 60.0, 1.0, 2e4, null, null, null);
    StringWriter text = new StringWriter();
    Path file = folder.resolve("rows.json");
    Report first = new Report(new PrintWriter(text, true), Map.of("cpu", "a cpu"), Map.of());
    first.add(row);
    first.write(file);
    Map<String, Double> times = Report.readBaseline(file);
    assertEquals(List.of(50.0), List.copyOf(times.values()));

    Report second = new Report(new PrintWriter(text, true), Map.of(), times);
    second.add(row.against(1)); // whatever ratio it had
    assertTrue(text.toString().contains("1.00x"), text.toString());
  }

  @Test
  void oneCaseIsMeasuredEndToEnd(@TempDir Path folder) throws IOException {
    Path json = folder.resolve("rows.json");
    Ran ran =
        run(
            "sequence",
            "--quick",
            "--backend",
            "cpu",
            "--case",
            "LSTM_25x1x",
            "--operation",
            "forward",
            "--json",
            json.toString());
    assertEquals(0, ran.exit(), ran.err());
    assertTrue(ran.out().contains("LSTM_25x1x96x100"), ran.out());
    assertNotNull(Report.readBaseline(json).get("sequence forward LSTM_25x1x96x100 cpu 0"));
    String text = Files.readString(json);
    for (String field : List.of("environment", "commit", "jdk", "gflop_per_s", "time_us_median")) {
      assertTrue(text.contains("\"" + field + "\""), text);
    }
  }
}
