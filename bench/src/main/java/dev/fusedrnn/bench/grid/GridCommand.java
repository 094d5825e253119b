package dev.fusedrnn.bench.grid;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;
import dev.fusedrnn.FusedRnnException;
import dev.fusedrnn.SequenceKernel;
import dev.fusedrnn.Status;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * The command {@code fusedrnn bench grid}: times the grid cell by cell, as long as there is time.
 */
@Command(
    name = "grid",
    description =
        "Times the grid of LSTM and GRU shapes that a GPU is compared with cuDNN on, the most telling"
            + " cells first, and adds a line to a file for each. Cells that the file has are passed"
            + " over, so a run that was cut short is gone on with.",
    footer = {
      "",
      "Each cell is compared with the same in fp32 by the step kernels (K0) before it is timed, call by"
          + " call and as a graph; the faster of the two counts.",
      "Exit codes: 0 all cells are in the file; 1 a cell was wrong or failed; 2 the command line or a"
          + " backend that is not there; 75 the time is up, and there are cells left."
    })
public final class GridCommand implements Callable<Integer> {
  /** So many failures in a row are the device's, not the cells'. */
  private static final int HOPELESS = 5;

  /** What sysexits.h calls a failure for the time being. */
  private static final int UNFINISHED = 75;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Shows this help and ends")
  private boolean help;

  @Option(
      names = "--backend",
      paramLabel = "NAME",
      defaultValue = "cuda",
      description = "cuda or emulated. Default: cuda")
  private String backend = "cuda";

  @Option(
      names = "--kernel",
      paramLabel = "NAME",
      defaultValue = "auto",
      converter = KernelName.class,
      description =
          "auto, K0, K1 or K2, to time one that the planner would not take; cells that it cannot serve"
              + " are passed over. Default: auto")
  private SequenceKernel kernel = SequenceKernel.AUTO;

  @Option(names = "--out", paramLabel = "FILE", description = "Lines of JSON are added to it")
  private @Nullable Path out;

  @Option(
      names = "--budget",
      paramLabel = "SECONDS",
      defaultValue = "86400",
      description = "No cell is begun after so many seconds")
  private long budget = 86400;

  @Option(
      names = "--tiny",
      description = "A few small cells: a trial of the way, not a measurement")
  private boolean tiny;

  @Option(names = "--list", description = "Prints the cells' names in their order and ends")
  private boolean list;

  @Spec private CommandSpec spec = CommandSpec.create();

  /** Reads {@code --kernel}. */
  static final class KernelName implements ITypeConverter<SequenceKernel> {
    @Override
    public SequenceKernel convert(String value) {
      try {
        return SequenceKernel.fromName(value);
      } catch (IllegalArgumentException e) {
        throw new TypeConversionException(e.getMessage());
      }
    }
  }

  @Override
  public Integer call() throws IOException {
    PrintWriter to = spec.commandLine().getOut();
    List<GridCell> cells = tiny ? Grid.tiny() : Grid.cells();
    if (list) {
      cells.forEach(cell -> to.println(cell.key()));
      to.flush();
      return 0;
    }
    if (out == null) {
      throw new ParameterException(
          spec.commandLine(), "--out: expected the file that the rows are added to");
    }
    if (!Set.of("cuda", "emulated").contains(backend)) {
      throw new ParameterException(
          spec.commandLine(), "--backend: expected cuda or emulated, got " + backend);
    }
    Set<String> done = GridRow.read(out).stream().map(GridRow::key).collect(Collectors.toSet());
    cells = cells.stream().filter(cell -> !done.contains(cell.key())).toList();
    Instant end = Instant.now().plus(Duration.ofSeconds(budget));
    int failures = 0;
    int inARow = 0;
    try (Device device = Device.open(backend)) {
      for (GridCell cell : cells) {
        if (Instant.now().isAfter(end)) {
          return failures == 0 ? UNFINISHED : 1;
        }
        try {
          measure(device, cell, out, to);
          inARow = 0;
        } catch (FusedRnnException | IllegalStateException e) {
          if (kernel != SequenceKernel.AUTO
              && e instanceof FusedRnnException refused
              && refused.status() == Status.UNSUPPORTED) {
            continue;
          }
          failures++;
          spec.commandLine().getErr().println(cell.key() + ": " + e.getMessage());
          spec.commandLine().getErr().flush();
          if (++inARow == HOPELESS) {
            break;
          }
        }
      }
    }
    return failures == 0 ? 0 : 1;
  }

  private void measure(Device device, GridCell cell, Path file, PrintWriter to) throws IOException {
    Map<String, float[]> expected;
    try (GridRun plain = new GridRun(device, cell, Precision.F32, SequenceKernel.STEP)) {
      expected = plain.results();
    }
    try (GridRun run = new GridRun(device, cell, cell.precision(), kernel)) {
      compare(cell, expected, run.results());
      GridRun.Time calls = run.time();
      GridRun.Time graph = run.timeGraph();
      GridRun.Time best = calls.median() <= graph.median() ? calls : graph;
      boolean emulated = device.backend() == Backend.EMULATED;
      String how = device.backend().label() + " " + kernel.label() + best.how();
      GridRow row = new GridRow(cell.key(), "fusedrnn", how, best.median(), emulated);
      GridRow.append(file, cell, row, best.fastest(), best.slowest());
      to.printf("%-44s %12.1f us%s%n", cell.key(), best.median(), emulated ? " (emulated)" : "");
      to.flush();
    }
  }

  /**
   * Compares results.
   *
   * @throws IllegalStateException naming the first tensor that is too far off
   */
  static void compare(GridCell cell, Map<String, float[]> expected, Map<String, float[]> got) {
    expected.forEach(
        (name, values) -> {
          double distance = distance(values, got.get(name));
          if (!(distance <= cell.precision().distance())) {
            throw new IllegalStateException(
                String.format(
                    "%s is wrong, so the cell is not timed: its distance from fp32 is %.3g, allowed"
                        + " is %.3g",
                    name, distance, cell.precision().distance()));
          }
        });
  }

  /** The norm of the difference over the norm of what was expected; NaN where either has one. */
  static double distance(float[] expected, float @Nullable [] got) {
    if (got == null || got.length != expected.length) {
      return Double.NaN;
    }
    double difference = 0;
    double norm = 0;
    for (int k = 0; k < got.length; k++) {
      double apart = (double) got[k] - expected[k];
      difference += apart * apart;
      norm += (double) expected[k] * expected[k];
    }
    return Math.sqrt(difference) / Math.max(Math.sqrt(norm), Double.MIN_NORMAL);
  }
}
