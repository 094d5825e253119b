package dev.fusedrnn.bench;

import dev.fusedrnn.Backend;
import dev.fusedrnn.BackendUnavailableException;
import dev.fusedrnn.Device;
import dev.fusedrnn.bench.cpu.CpuCommand;
import dev.fusedrnn.bench.grid.GridCommand;
import dev.fusedrnn.bench.grid.GridReportCommand;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command {@code fusedrnn bench}: measures the cases one by one and reports on them. */
@Command(
    name = "fusedrnn bench",
    subcommands = {CpuCommand.class, GridCommand.class, GridReportCommand.class},
    description =
        "Measures whole sequences (suite sequence), the cost of a call (suite overhead), and"
            + " clipping with an optimiser beside a copy of as many bytes (suite training)."
            + " Each case is compared with the oracle before it is timed.",
    footer = {
      "",
      "Time is the median of the iterations; spread is (slowest - fastest) / median. Work counts"
          + " the matrix products. Ratio is baseline / this, so above 1 is faster: against the same"
          + " row of --baseline, or else against the unfused loop's row.",
      "The unfused loop (unfusedForward, unfusedTrain) is what a program has without this library:"
          + " the input's product once, then a product and one operation after another in each"
          + " step. On cuda: JCublas2, and kernels launched by JCuda's driver API. On cpu: this"
          + " library's own linear layer, and loops over Java's arrays.",
      "The emulated backend is compared with the oracle and not timed: its times mean nothing.",
      "JMH's own options: java -jar bench/target/benchmarks.jar -h",
      "Exit codes: 0 measured; 1 a case was wrong or failed; 2 the command line or a backend that"
          + " is not there."
    })
public final class Main implements Callable<Integer> {
  private static final int FAILURE = 1;
  private static final int USAGE = 2;

  @Parameters(
      arity = "0..*",
      paramLabel = "SUITE",
      description = "sequence, overhead, training. Default: all")
  private List<String> suites = List.of();

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Shows this help and ends")
  private boolean help;

  @Option(
      names = "--backend",
      paramLabel = "NAME",
      split = ",",
      description =
          "cpu, cuda, emulated, reference; several are compared. Default: those of cpu, cuda that are there")
  private List<String> backends = List.of();

  @Option(
      names = "--case",
      paramLabel = "REGEX",
      defaultValue = "",
      description =
          "Only cases of sequence that hold a match, such as LSTM or 35x20; --list shows them")
  private String wantedCases = "";

  @Option(
      names = "--operation",
      paramLabel = "NAME",
      description = "Only forward, train, crossing, enqueue, copy or clipAdam")
  private @Nullable String operation;

  @Option(
      names = "--dtype",
      paramLabel = "NAME",
      split = ",",
      defaultValue = "f32",
      description = "f32, tf32, bf16, f16; several are measured. The last three: cuda only")
  private List<String> dtypes = List.of();

  @Option(names = "--only-fused", description = "Without the unfused loop beside each case")
  private boolean onlyFused;

  @Option(
      names = "--threads",
      paramLabel = "N",
      defaultValue = "0",
      description = "Threads of the cpu backend. Default: one a core")
  private int threads;

  @Option(names = "--quick", description = "Short iterations: a look, not a measurement")
  private boolean quick;

  @Option(names = "--list", description = "Lists the cases and ends")
  private boolean list;

  @Option(names = "--json", paramLabel = "FILE", description = "Writes environment and rows")
  private @Nullable Path json;

  @Option(
      names = "--baseline",
      paramLabel = "FILE",
      description = "A file of --json to compare with")
  private @Nullable Path baseline;

  @Spec private CommandSpec spec = CommandSpec.create();

  /**
   * Runs a command line and ends the process with its exit code.
   *
   * @param arguments the command line
   */
  public static void main(String... arguments) {
    System.exit(commandLine().execute(arguments));
  }

  /**
   * The command line as tests run it.
   *
   * @return with all commands
   */
  public static CommandLine commandLine() {
    return new CommandLine(new Main())
        .setAllowSubcommandsAsOptionParameters(true) // --backend cpu, beside the command cpu
        .setExecutionExceptionHandler(
            (error, command, parsed) -> {
              boolean explained =
                  error instanceof BenchmarkFailedException
                      || error instanceof BackendUnavailableException
                      || error instanceof IOException;
              command
                  .getErr()
                  .println(
                      "fusedrnn bench: " + (explained ? error.getMessage() : "failed: " + error));
              if (!explained) {
                error.printStackTrace(command.getErr());
              }
              command.getErr().flush();
              return error instanceof BackendUnavailableException ? USAGE : FAILURE;
            });
  }

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    PrintWriter err = spec.commandLine().getErr();
    List<Job> cases = jobs(List.of(""), true); // wrong options are told before anything is opened
    if (list) {
      cases.forEach(job -> out.println(job.title().strip()));
      out.flush();
      return 0;
    }
    checkFiles();
    Map<String, Double> before = Map.of();
    if (baseline != null) {
      try {
        before = Report.readBaseline(baseline);
      } catch (IOException e) {
        throw usage("--baseline " + baseline + ": cannot be read (" + e.getMessage() + ")");
      }
    }
    List<String> chosen = chosenBackends();
    List<Job> jobs = jobs(chosen, onlyFused);
    Report report = new Report(out, Environment.describe(chosen), before);
    report.begin();
    for (int i = 0; i < jobs.size(); i++) {
      Job job = jobs.get(i);
      err.printf("[%d/%d] %s%n", i + 1, jobs.size(), job.title());
      err.flush();
      if (job.backend().equals(Backend.EMULATED.label())) {
        job.check();
        report.note(job.title() + ": agrees with the oracle; not timed");
      } else {
        report.add(job.run());
      }
    }
    report.end();
    if (json != null) {
      report.write(json);
      out.println("rows written to " + json);
      out.flush();
    }
    return 0;
  }

  private void checkFiles() {
    if (threads < 0) {
      throw usage("--threads: expected at least 1, got " + threads);
    }
    if (json != null) {
      Path folder = json.toAbsolutePath().getParent();
      if (folder == null || !Files.isDirectory(folder)) {
        throw usage("--json " + json + ": the folder " + folder + " does not exist; make it first");
      }
    }
  }

  private ParameterException usage(String message) {
    return new ParameterException(spec.commandLine(), message);
  }

  /** Those asked for, opened once so that a missing one ends the run at its start. */
  private List<String> chosenBackends() {
    if (!backends.isEmpty()) {
      Set<String> names = new LinkedHashSet<>();
      for (String name : backends) {
        try (Device device = Device.open(name)) {
          names.add(device.backend().label());
        } catch (IllegalArgumentException e) {
          throw usage("--backend: " + e.getMessage());
        }
      }
      return List.copyOf(names);
    }
    List<String> present = new ArrayList<>();
    for (String name : List.of("cpu", "cuda")) {
      try (Device device = Device.open(name)) {
        present.add(device.backend().label());
      } catch (BackendUnavailableException absent) {
        if (name.equals("cpu")) {
          throw absent;
        }
      }
    }
    return present;
  }

  private Set<Suite> chosenSuites() {
    Set<Suite> chosen = new LinkedHashSet<>();
    for (String name : suites) {
      chosen.add(
          Arrays.stream(Suite.values())
              .filter(suite -> suite.label().equals(name))
              .findFirst()
              .orElseThrow(
                  () -> usage("suite: expected sequence, overhead or training, got " + name)));
    }
    return chosen.isEmpty() ? new LinkedHashSet<>(List.of(Suite.values())) : chosen;
  }

  private List<Precision> chosenPrecisions() {
    List<Precision> chosen = new ArrayList<>();
    for (String name : dtypes) {
      chosen.add(
          Arrays.stream(Precision.values())
              .filter(precision -> precision.name().equalsIgnoreCase(name))
              .findFirst()
              .orElseThrow(() -> usage("--dtype: expected f32, tf32, bf16 or f16, got " + name)));
    }
    return chosen;
  }

  private List<Shape> chosenShapes() {
    Pattern wanted;
    try {
      wanted = Pattern.compile(wantedCases, Pattern.CASE_INSENSITIVE);
    } catch (PatternSyntaxException e) {
      throw usage("--case: " + e.getMessage());
    }
    return Arrays.stream(Shape.values())
        .filter(shape -> wanted.matcher(shape.name()).find())
        .toList();
  }

  /** Everything to run; without the unfused loops where none are wanted, or none can run. */
  private List<Job> jobs(List<String> names, boolean alone) {
    List<Shape> shapes = chosenShapes();
    List<Precision> precisions = chosenPrecisions();
    List<Job> jobs = new ArrayList<>();
    Map<String, Boolean> loops = new HashMap<>();
    for (Suite suite : chosenSuites()) {
      for (String method : suite.operations()) {
        if (operation != null && !operation.equals(method)) {
          continue;
        }
        if (suite != Suite.SEQUENCE) {
          if (wantedCases.isEmpty()) { // it has no cases to choose from
            names.forEach(
                name ->
                    jobs.add(new Job(suite, method, null, name, Precision.F32, threads, quick)));
          }
          continue;
        }
        for (Shape shape : shapes) {
          for (String name : names) {
            for (Precision precision : precisions) {
              if (!alone && loops.computeIfAbsent(name + precision, k -> loop(name, precision))) {
                String unfused = Suite.unfused(method);
                jobs.add(new Job(suite, unfused, shape, name, precision, threads, quick));
              }
              jobs.add(new Job(suite, method, shape, name, precision, threads, quick));
            }
          }
        }
      }
    }
    if (jobs.isEmpty()) {
      throw usage("no case is left; --list shows all of them");
    }
    return jobs;
  }

  /** Whether the unfused loop can run; says so once where it cannot. */
  private boolean loop(String backend, Precision precision) {
    String reason = Unfused.absent(backend, precision);
    if (!reason.isEmpty()) {
      spec.commandLine()
          .getErr()
          .println("no unfused loop beside " + backend + " " + precision + ": " + reason);
    }
    return reason.isEmpty();
  }
}
