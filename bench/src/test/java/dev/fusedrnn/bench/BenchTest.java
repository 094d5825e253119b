package dev.fusedrnn.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.testkit.NetCase;
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
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Goal: a benchmark that counts right, refuses wrong results, and reports what it was told. Method:
 * work counted by hand, a check on a right and on a spoilt layer, one case measured end to end.
 * Nothing here looks at how long something took.
 */
class BenchTest {
  private static final NetCase ODD = Shape.sizes(Cell.LSTM, 5, 7, 3, 9, 1);
  private static final NetCase ODD_GRU = Shape.sizes(Cell.GRU, 5, 7, 3, 9, 1);
  private static final NetCase STACKED = Shape.sizes(Cell.LSTM, 4, 3, 5, 7, 2);
  private static final NetCase STACKED_GRU = Shape.sizes(Cell.GRU, 4, 3, 5, 7, 2);
  private static final List<NetCase> CASES = List.of(ODD, ODD_GRU, STACKED, STACKED_GRU);

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
    assertEquals(2.0 * 25 * 400 * (96 + 100), Shape.LSTM_T25_B1_I96_H100.forwardFlop());
    assertEquals(3 * 2.0 * 25 * 400 * (96 + 100), Shape.LSTM_T25_B1_I96_H100.trainFlop());
    assertEquals(
        0.75, Shape.GRU_T50_B1_I128_H128.forwardFlop() / Shape.LSTM_T50_B1_I128_H128.forwardFlop());
  }

  @Test
  void aShapeIsWhatItsNameSays() {
    for (Shape shape : Shape.values()) {
      NetCase sizes = shape.sizes();
      int layers = sizes.config(DType.F32).layers();
      // DL4J's character model goes by its units and layers; its input is its alphabet.
      String input = layers > 1 ? "" : "_I" + sizes.input();
      String name =
          sizes.cell()
              + "_T"
              + sizes.steps()
              + "_B"
              + sizes.batch()
              + input
              + "_H"
              + sizes.hidden();
      assertEquals(layers > 1 ? name + "_L" + layers : name, shape.name());
    }
  }

  @Test
  void theCasesThatWereAskedForAreThere() {
    List<String> names = Arrays.stream(Shape.values()).map(Shape::name).toList();
    for (String cell : List.of("LSTM_", "GRU_")) {
      for (String sizes :
          List.of(
              "T50_B32_I128_H128", "T100_B32_I256_H256", "T512_B16_I512_H512", "T50_B32_H200_L2")) {
        assertTrue(names.contains(cell + sizes), cell + sizes);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"reference", "cpu", "emulated"})
  void aRightLayerPassesTheCheck(String backend) {
    for (NetCase sizes : CASES) {
      for (boolean training : new boolean[] {false, true}) {
        try (Device device = Device.open(backend);
            CheckedSequence sequence = new FusedSequence(device, sizes, Precision.F32, training)) {
          sequence.check();
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Precision.class,
      names = {"TF32", "BF16", "F16"})
  void otherPrecisionsPassTheCheck(Precision precision) {
    try (Device device = Device.open("emulated");
        CheckedSequence sequence = new FusedSequence(device, ODD, precision, true)) {
      sequence.check();
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Backend.class,
      names = {"CPU", "EMULATED"})
  void theUnfusedLoopPassesTheCheck(Backend backend) {
    for (NetCase sizes : CASES) {
      for (boolean training : new boolean[] {false, true}) {
        try (CheckedSequence loop =
            new UnfusedSequence(
                Unfused.open(backend, 0, Precision.F32), sizes, Precision.F32, training)) {
          loop.check();
          loop.check(); // what is timed is a second run over the same memory
        }
      }
    }
  }

  @Test
  void theUnfusedLoopPassesTheCheckInTf32() {
    Operators on = Unfused.open(Backend.EMULATED, 0, Precision.TF32);
    try (CheckedSequence loop = new UnfusedSequence(on, ODD, Precision.TF32, true)) {
      loop.check();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"reference", "cpu"})
  void aWrongLayerIsNotTimed(String backend) {
    try (Device device = Device.open(backend);
        CheckedSequence sequence = new FusedSequence(device, ODD, Precision.F32, true)) {
      isNotTimed(sequence);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Backend.class,
      names = {"CPU", "EMULATED"})
  void aWrongLoopIsNotTimed(Backend backend) {
    Operators on = Unfused.open(backend, 0, Precision.F32);
    try (CheckedSequence loop = new UnfusedSequence(on, ODD_GRU, Precision.F32, true)) {
      isNotTimed(loop);
    }
  }

  private static void isNotTimed(CheckedSequence sequence) {
    sequence.check();
    sequence.spoil(3);
    String message = assertThrows(IllegalStateException.class, sequence::check).getMessage();
    assertTrue(message.contains("is wrong, so it is not timed"), message);
    assertTrue(message.contains("expected "), message);
  }

  @Test
  void whereThereIsNoLoopTheReasonIsSaid() {
    assertEquals("", Unfused.absent("cpu", Precision.F32));
    assertTrue(Unfused.absent("emulated", Precision.BF16).contains("fp32 and TF32 alone"));
    assertTrue(Unfused.absent("reference", Precision.F32).contains("never tuned"));
  }

  @Test
  void theEmulatedBackendIsCheckedAndNotTimed(@TempDir Path folder) throws IOException {
    SequenceBenchmark.Prepared state = SequenceBenchmark.prepared("forward");
    state.backend = "emulated";
    String refusal = assertThrows(IllegalArgumentException.class, state::prepare).getMessage();
    assertTrue(refusal.contains("its times mean nothing"), refusal);
    Path json = folder.resolve("rows.json");
    Ran ran =
        run(
            "--backend",
            "emulated",
            "--case",
            "GRU_T25",
            "--operation",
            "forward",
            "--json",
            json.toString());
    assertEquals(0, ran.exit(), ran.err());
    for (String operation : List.of("unfusedForward", "forward")) {
      String line = operation + " GRU_T25_B1_I96_H100 emulated: agrees with the oracle; not timed";
      assertTrue(ran.out().contains(line), ran.out());
    }
    assertTrue(Files.readString(json).contains("\"rows\" : [ ]"), Files.readString(json));
  }

  @Test
  void aCallAllocatesAFewObjectsAtMost() {
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (Device device = Device.open("cpu");
        CheckedSequence sequence = new FusedSequence(device, ODD, Precision.F32, true)) {
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
            "suite: expected sequence, overhead or training, got sequenze",
                new String[] {"sequenze"},
            "--dtype: expected f32, tf32, bf16 or f16, got f8", new String[] {"--dtype", "f8"},
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
    Row row = new Row("sequence", "train", "LSTM_1", "cpu", "f32", 0, 50.0, 40.0, 60.0, 1.0, null);
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
            "LSTM_T25_B1_",
            "--operation",
            "forward",
            "--json",
            json.toString());
    assertEquals(0, ran.exit(), ran.err());
    assertTrue(ran.out().contains("LSTM_T25_B1_I96_H100"), ran.out());
    assertNotNull(Report.readBaseline(json).get("sequence forward LSTM_T25_B1_I96_H100 cpu f32 0"));
    assertTrue(ran.out().contains("unfusedForward"), ran.out());
    assertTrue(Files.readString(json).contains("\"ratio\""), Files.readString(json));
    String text = Files.readString(json);
    for (String field : List.of("environment", "commit", "jdk", "gflop_per_s", "time_us_median")) {
      assertTrue(text.contains("\"" + field + "\""), text);
    }
  }
}
