package dev.fusedrnn.bench.cpu;

import dev.fusedrnn.bench.Environment;
import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code fusedrnn bench cpu}: this library beside other engines, in turns. */
@Command(
    name = "cpu",
    description =
        "Measures this library on the CPU beside LibTorch, ONNX Runtime and DJL: one layer, fp32,"
            + " forward alone (infer) and forward and backward with every gradient (train)."
            + " Every engine is compared with the oracle before it is timed.",
    footer = {
      "",
      "Times are medians of all operations of all rounds; in a round every engine runs one block."
          + " A peer is tried in several settings of its threads, and its best counts. Ratios are"
          + " the peer's time over ours: above 1, ours is faster. Share: of the limit, which is the"
          + " case's products at the rate of the fastest product of 1024 x 1024 just before.",
      "Variables such as OMP_*, OPENBLAS_* and MKL_* are taken out of every engine's environment.",
      "Exit codes: 0 measured, whether goals were met or missed; 1 an engine was wrong or failed;"
          + " 2 the command line, or peers that are not built."
    })
public final class CpuCommand implements Callable<Integer> {
  /** Names the folder of the peers' own jars; the launcher sets it. */
  static final String PEERS = "fusedrnn.bench.peers";

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Shows this help and ends")
  private boolean help;

  @Option(
      names = "--engines",
      paramLabel = "NAME",
      split = ",",
      description = "fusedrnn, libtorch, onnxruntime, djl. Default: all")
  private List<String> engines = Engines.NAMES;

  @Option(
      names = "--case",
      paramLabel = "REGEX",
      defaultValue = "",
      description =
          "Only cases that hold a match, such as 'LSTM train' or 35x20; --list shows them")
  private String wantedCases = "";

  @Option(
      names = "--threads",
      paramLabel = "N",
      split = ",",
      description = "Threads that each engine may use; several are measured. Default: 1,2")
  private List<Integer> threads = List.of(1, 2);

  @Option(
      names = "--rounds",
      paramLabel = "N",
      description = "Blocks of each engine in each case. Default: 6")
  private @Nullable Integer rounds;

  @Option(
      names = "--patience",
      paramLabel = "SECONDS",
      description =
          "How long all blocks together may wait for a quiet machine, or be measured again."
              + " Default: 600")
  private @Nullable Integer patience;

  @Option(names = "--quick", description = "Short blocks, two rounds: a look, not a measurement")
  private boolean quick;

  @Option(names = "--list", description = "Lists the cases and ends")
  private boolean list;

  @Option(names = "--json", paramLabel = "FILE", description = "Writes environment and rows")
  private @Nullable Path json;

  @Option(names = "--png", paramLabel = "FILE", description = "Draws the ratios")
  private @Nullable Path png;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Override
  public Integer call() throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    List<CpuCase> cases = cases();
    if (list) {
      cases.forEach(shape -> out.println(shape.title()));
      out.flush();
      return 0;
    }
    List<String> chosen = checked();
    List<String> classPath = classPath(chosen);
    CpuReport report = null;
    Map<CpuCase, Oracle> oracles = new HashMap<>();
    Race race = race();
    for (int count : new LinkedHashSet<>(threads)) {
      try (CpuRun run =
          new CpuRun(chosen, classPath, count, race, spec.commandLine().getErr(), oracles)) {
        Map<String, String> about = run.about();
        if (report == null) {
          report = new CpuReport(out, environment(about), chosen);
          report.begin();
        }
        measure(run, report, cases, count);
      }
    }
    if (report != null) {
      report.end(race.quiet().verdict());
      finish(report, out);
    }
    return 0;
  }

  private void measure(CpuRun run, CpuReport report, List<CpuCase> cases, int count) {
    PrintWriter err = spec.commandLine().getErr();
    String group = "";
    double limit = 0;
    for (int i = 0; i < cases.size(); i++) {
      CpuCase shape = cases.get(i);
      err.printf("[%d/%d] %s, threads %d%n", i + 1, cases.size(), shape.title(), count);
      err.flush();
      if (!shape.group().equals(group)) { // again for each table: clocks of cores change
        group = shape.group();
        Map<String, Double> rates = run.limit();
        report.limit(count, CpuRun.GEMM, rates);
        limit = rates.values().stream().mapToDouble(rate -> rate).max().orElse(0);
      }
      CaseResult result = run.measure(shape, limit);
      if (!result.engines().isEmpty()) {
        report.add(result);
      }
    }
  }

  private void finish(CpuReport report, PrintWriter out) throws IOException {
    if (json != null) {
      report.write(json);
      out.println("rows written to " + json);
    }
    if (png != null) {
      RatioChart.write(report.results(), png);
      out.println("ratios drawn to " + png);
    }
    out.flush();
  }

  private Race race() {
    int seconds = Objects.requireNonNullElse(patience, quick ? 0 : 600);
    int blocks = Objects.requireNonNullElse(rounds, quick ? 2 : 6);
    return new Race(blocks, quick ? 60 : 250, quick ? 60 : 400, new Quiet(seconds));
  }

  /** What the rows were measured in: this machine, and every engine's version. */
  private static Map<String, String> environment(Map<String, String> about) {
    Map<String, String> environment = new LinkedHashMap<>(Environment.describe(List.of()));
    environment.putAll(about);
    String cleared =
        System.getenv().entrySet().stream()
            .filter(entry -> Engines.isCleared(entry.getKey()))
            .map(entry -> entry.getKey() + "=" + entry.getValue())
            .sorted()
            .collect(Collectors.joining(" "));
    environment.put("cleared", cleared.isEmpty() ? "nothing was set" : cleared);
    return environment;
  }

  private ParameterException usage(String message) {
    return new ParameterException(spec.commandLine(), message);
  }

  private List<CpuCase> cases() {
    Pattern wanted;
    try {
      wanted = Pattern.compile(wantedCases, Pattern.CASE_INSENSITIVE);
    } catch (PatternSyntaxException e) {
      throw usage("--case: " + e.getMessage());
    }
    List<CpuCase> cases =
        CpuCase.all().stream().filter(shape -> wanted.matcher(shape.title()).find()).toList();
    if (cases.isEmpty()) {
      throw usage("--case " + wantedCases + ": no case is left; --list shows all of them");
    }
    return cases;
  }

  /** The engines, in the order of columns; wrong options are told before anything is started. */
  private List<String> checked() {
    for (String name : engines) {
      if (!Engines.NAMES.contains(name)) {
        throw usage(
            "--engines: expected some of " + String.join(", ", Engines.NAMES) + ", got " + name);
      }
    }
    for (int count : threads) {
      if (count < 1) {
        throw usage("--threads: expected at least 1, got " + count);
      }
    }
    if (patience != null && patience < 0) {
      throw usage("--patience: expected at least 0, got " + patience);
    }
    if (rounds != null && rounds < 1) {
      throw usage("--rounds: expected at least 1, got " + rounds);
    }
    checkFolder("--json", json);
    checkFolder("--png", png);
    Set<String> chosen = new LinkedHashSet<>(engines);
    if (png != null && !(chosen.contains(Engines.FUSEDRNN) && chosen.size() > 1)) {
      throw usage("--png: there are no ratios without fusedrnn and a peer in --engines");
    }
    return Engines.NAMES.stream().filter(chosen::contains).toList();
  }

  private void checkFolder(String option, @Nullable Path file) {
    if (file != null) {
      Path folder = file.toAbsolutePath().getParent();
      if (folder == null || !Files.isDirectory(folder)) {
        throw usage(
            option + " " + file + ": the folder " + folder + " does not exist; make it first");
      }
    }
  }

  /** The peers' jars; nothing where none is wanted. */
  private List<String> classPath(List<String> chosen) {
    if (chosen.equals(List.of(Engines.FUSEDRNN))) {
      return List.of();
    }
    String folder = System.getProperty(PEERS);
    if (folder == null || !Files.isDirectory(Path.of(folder, "lib"))) {
      throw usage(
          "--engines: the peers are not built. ./fusedrnn bench cpu builds them;"
              + " --engines fusedrnn measures without them");
    }
    List<String> path = new ArrayList<>();
    path.add(Path.of(folder, "classes").toString());
    path.add(folder + File.separator + "lib" + File.separator + "*");
    return path;
  }
}
