package dev.fusedrnn.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.util.Statistics;

/**
 * One case to measure, in a JVM of its own.
 *
 * @param suite which benchmark class
 * @param operation which of its methods
 * @param shape the case; null but for {@link Suite#SEQUENCE}
 * @param backend who computes
 * @param precision what it is computed in
 * @param threads of the cpu backend; 0 leaves it to the backend
 * @param quick fewer and shorter iterations
 */
record Job(
    Suite suite,
    String operation,
    @Nullable Shape shape,
    String backend,
    Precision precision,
    int threads,
    boolean quick) {

  /** What the progress line says. */
  String title() {
    String dtype = precision == Precision.F32 ? "" : " " + dtype();
    String work = suite.label() + " " + operation + (shape == null ? "" : " " + shape);
    return work + " " + backend + dtype;
  }

  private String dtype() {
    return precision.name().toLowerCase(Locale.ROOT);
  }

  /**
   * Compares with the oracle and measures nothing.
   *
   * @throws BenchmarkFailedException where it is wrong; says how
   */
  void check() {
    if (suite == Suite.TRAINING) {
      TrainingBenchmark state = new TrainingBenchmark();
      state.backend = backend;
      state.threads = threads;
      state.check();
    }
    if (shape == null) {
      return; // what a call costs has nothing to compare but its time
    }
    SequenceBenchmark.Prepared state = SequenceBenchmark.prepared(operation);
    state.backend = backend;
    state.threads = threads;
    state.shape = shape;
    state.dtype = precision;
    try {
      state.check();
    } catch (IllegalStateException e) {
      throw new BenchmarkFailedException(title() + ": " + e.getMessage());
    } finally {
      state.close();
    }
  }

  /**
   * Measures.
   *
   * @return the row, without a baseline
   * @throws BenchmarkFailedException where the set-up refused or the run broke; says why
   */
  Row run() {
    try {
      Path log = Files.createTempFile("fusedrnn-bench", ".log");
      try {
        Collection<RunResult> results = new Runner(options(log).build()).run();
        if (results.size() != 1) {
          throw new BenchmarkFailedException(title() + ": no result" + tail(log));
        }
        return row(results.iterator().next());
      } catch (RunnerException e) {
        throw new BenchmarkFailedException(title() + " failed" + tail(log));
      } finally {
        Files.deleteIfExists(log);
      }
    } catch (IOException e) {
      throw new BenchmarkFailedException(title() + ": " + e);
    }
  }

  private ChainedOptionsBuilder options(Path log) {
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .include("^" + Pattern.quote(suite.type().getName() + "." + operation) + "$")
            .param("backend", backend)
            .param("threads", String.valueOf(threads))
            .shouldFailOnError(true)
            .output(log.toString());
    if (shape != null) {
      options.param("shape", shape.name()).param("dtype", precision.name());
    }
    if (suite == Suite.OVERHEAD) {
      options.addProfiler(GCProfiler.class);
    }
    if (quick) {
      options
          .warmupIterations(2)
          .warmupTime(TimeValue.milliseconds(300))
          .measurementIterations(3)
          .measurementTime(TimeValue.milliseconds(300));
    }
    return options;
  }

  private Row row(RunResult run) {
    Statistics times = run.getPrimaryResult().getStatistics();
    double median = times.getPercentile(50);
    Double gflop = null;
    if (shape != null) {
      gflop = (operation.endsWith("rain") ? shape.trainFlop() : shape.forwardFlop()) / 1e9;
    }
    Result<?> allocated = run.getSecondaryResults().get("gc.alloc.rate.norm");
    BenchmarkParams parameters = run.getParams();
    return new Row(
        suite.label(),
        operation,
        shape == null ? "" : shape.name(),
        parameters.getParam("backend"),
        dtype(),
        threads,
        median,
        times.getMin(),
        times.getMax(),
        gflop,
        allocated == null ? null : allocated.getScore());
  }

  /** The end of JMH's own output, which holds the reason. */
  private static String tail(Path log) throws IOException {
    List<String> lines =
        Files.readAllLines(log).stream()
            .filter(line -> !line.isBlank() && !line.startsWith("# "))
            .filter(line -> !line.contains("org.openjdk.jmh.") && !line.contains("at java.base/"))
            .toList();
    return ":\n  "
        + String.join("\n  ", lines.subList(Math.max(0, lines.size() - 20), lines.size()));
  }
}
