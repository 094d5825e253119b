package dev.fusedrnn.bench.cpu;

import dev.fusedrnn.bench.BenchmarkFailedException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The processes of one number of threads, and what is measured with them. */
final class CpuRun implements AutoCloseable {
  /** Rows and columns of the product that the limit is measured with. */
  static final int GEMM = 1024;

  private final int threads;
  private final Race race;
  private final PrintWriter progress;
  private final Path folder;
  private final List<ChildProcess> children = new ArrayList<>();

  /** What is right in a case, for all numbers of threads. */
  private final Map<CpuCase, Oracle> oracles;

  /**
   * Starts a process for each setting of each engine.
   *
   * @param engines by name
   * @param classPath of the peers
   * @param oracles kept between runs
   */
  CpuRun(
      List<String> engines,
      List<String> classPath,
      int threads,
      Race race,
      PrintWriter progress,
      Map<CpuCase, Oracle> oracles)
      throws IOException {
    this.threads = threads;
    this.race = race;
    this.progress = progress;
    this.oracles = oracles;
    this.folder = Files.createTempDirectory("fusedrnn-bench-cpu");
    boolean started = false;
    try {
      for (String engine : engines) {
        for (Engines.Setting setting : Engines.settings(engine, threads)) {
          children.add(new ChildProcess(setting, classPath, folder, children.size()));
        }
      }
      started = true;
    } finally {
      if (!started) {
        close();
      }
    }
  }

  /** What the engines say of themselves. */
  Map<String, String> about() {
    Map<String, String> about = new LinkedHashMap<>();
    for (ChildProcess child : children) {
      Map<String, String> said = child.ask(Request.about()).about();
      if (said != null) {
        said.forEach(about::putIfAbsent);
      }
    }
    return about;
  }

  /** GFLOP/s of a large product by each engine that has one. */
  Map<String, Double> limit() {
    List<ChildProcess> ready = new ArrayList<>();
    for (ChildProcess child : children) {
      if (child.ask(Request.gemm(GEMM)).absent() == null) {
        ready.add(child);
      }
    }
    Map<String, Double> rates = new LinkedHashMap<>();
    new Race(Math.min(race.rounds(), 3), Math.min(race.millis(), 100), 60, race.quiet())
        .run(ready)
        .forEach(
            (engine, best) -> rates.put(engine, 2.0 * GEMM * GEMM * GEMM / best.times().median()));
    return rates;
  }

  /**
   * Checks every engine, then measures them in turns.
   *
   * @throws BenchmarkFailedException where one is wrong
   */
  CaseResult measure(CpuCase shape, double gflopPerSecond) {
    List<ChildProcess> ready = new ArrayList<>();
    for (ChildProcess child : children) {
      if (child.prepare(shape)) {
        ready.add(child);
      }
    }
    Oracle oracle = oracles.computeIfAbsent(shape, Oracle::new);
    for (ChildProcess child : ready) {
      oracle.require(child.setting().title(), child.results());
    }
    Map<String, Race.Best> best = race.run(ready);
    return new CaseResult(shape, threads, gflopPerSecond, new HashMap<>(best));
  }

  @Override
  public void close() {
    children.forEach(ChildProcess::close);
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    } catch (IOException e) {
      progress.println("fusedrnn bench: " + folder + " could not be removed: " + e);
    }
  }
}
