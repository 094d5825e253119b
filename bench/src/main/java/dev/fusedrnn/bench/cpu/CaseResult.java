package dev.fusedrnn.bench.cpu;

import dev.fusedrnn.bench.Row;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * One case with so many threads, by all engines that have it.
 *
 * @param shape the case
 * @param threads that each engine may use
 * @param gflopPerSecond the limit: the fastest large product of all engines; 0 where none was made
 * @param engines the best setting of each, by engine
 */
record CaseResult(
    CpuCase shape, int threads, double gflopPerSecond, Map<String, Race.Best> engines) {

  /** An engine's median in nanoseconds; empty where it does not have the case. */
  OptionalDouble nanos(String engine) {
    Race.Best best = engines.get(engine);
    return best == null ? OptionalDouble.empty() : OptionalDouble.of(best.times().median());
  }

  /** A peer's time over ours: above 1, ours is faster. */
  OptionalDouble ratio(String peer) {
    OptionalDouble ours = nanos(Engines.FUSEDRNN);
    OptionalDouble theirs = nanos(peer);
    return ours.isEmpty() || theirs.isEmpty()
        ? OptionalDouble.empty()
        : OptionalDouble.of(theirs.getAsDouble() / ours.getAsDouble());
  }

  /** The ratio to the fastest of some peers. */
  OptionalDouble ratio(List<String> peers) {
    return peers.stream()
        .map(this::ratio)
        .filter(OptionalDouble::isPresent)
        .mapToDouble(OptionalDouble::getAsDouble)
        .min();
  }

  /** Milliseconds that the case's products would take at the limit. */
  OptionalDouble limitMillis() {
    return gflopPerSecond > 0
        ? OptionalDouble.of(shape.gflop() / gflopPerSecond * 1e3)
        : OptionalDouble.empty();
  }

  /** One row an engine; ours has LibTorch's time beside it. */
  List<Row> rows() {
    List<Row> rows = new ArrayList<>();
    engines.forEach((engine, best) -> rows.add(row(engine, best)));
    return rows;
  }

  private Row row(String engine, Race.Best best) {
    boolean ours = engine.equals(Engines.FUSEDRNN);
    OptionalDouble baseline = ours ? nanos(Engines.LIBTORCH) : OptionalDouble.empty();
    OptionalDouble limit = limitMillis();
    Times times = best.times();
    return new Row(
        CpuReport.SUITE,
        shape.pass(),
        shape.key(),
        ours ? "cpu" : engine,
        "f32",
        threads,
        times.median() * 1e-3,
        times.fastest() * 1e-3,
        times.slowest() * 1e-3,
        shape.gflop(),
        shape.gflop() / (times.median() * 1e-9),
        best.bytes(),
        orNull(baseline, 1e-3),
        ours ? orNull(ratio(Engines.LIBTORCH), 1) : null,
        times.p10() * 1e-3,
        orNull(limit, 1e3),
        best.label().isEmpty() ? null : best.label());
  }

  private static @Nullable Double orNull(OptionalDouble value, double unit) {
    return value.isPresent() ? value.getAsDouble() * unit : null;
  }
}
