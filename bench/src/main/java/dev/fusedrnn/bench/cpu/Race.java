package dev.fusedrnn.bench.cpu;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Engines that take turns at one piece of work: in each round every one runs one block, so that
 * whatever the machine does meanwhile hits all alike.
 *
 * @param rounds how many blocks each runs
 * @param millis of a block
 * @param warmUp milliseconds of the block before the first round
 * @param quiet when a block is run, and whether again
 */
record Race(int rounds, int millis, int warmUp, Quiet quiet) {

  /** A setting that is so much slower than its engine's best is not measured further. */
  private static final double HOPELESS = 1.5;

  /**
   * What one engine's best setting did.
   *
   * @param label the best setting; empty where there is one alone
   * @param times of it
   * @param bytes Java heap an operation, of the block with the least: the JIT allocates too
   */
  record Best(String label, Times times, double bytes) {}

  /**
   * Runs it.
   *
   * @param children ready for {@link Request.Verb#RUN}
   * @return the best setting of each engine, by engine
   */
  Map<String, Best> run(List<ChildProcess> children) {
    List<ChildProcess> left = warmUp(children);
    Map<ChildProcess, List<Quiet.Block>> blocks = new LinkedHashMap<>();
    for (int round = 0; round < rounds; round++) {
      for (int turn = 0; turn < left.size(); turn++) {
        ChildProcess child = left.get((turn + round) % left.size());
        blocks.computeIfAbsent(child, k -> new ArrayList<>()).add(quiet.run(child, millis));
      }
    }
    Map<String, Best> best = new LinkedHashMap<>();
    blocks.forEach(
        (child, of) ->
            best.merge(
                child.setting().engine(),
                best(child.label(), of),
                (a, b) -> a.times().median() <= b.times().median() ? a : b));
    return best;
  }

  /** Of the blocks that nobody disturbed, where there are any. */
  static Best best(String label, List<Quiet.Block> blocks) {
    boolean anyQuiet = blocks.stream().anyMatch(Quiet.Block::quiet);
    List<Quiet.Block> counted =
        blocks.stream().filter(block -> block.quiet() || !anyQuiet).toList();
    return new Best(
        label,
        Times.of(counted.stream().map(Quiet.Block::nanos).toList()),
        blocks.stream().mapToDouble(Quiet.Block::bytes).min().orElse(0));
  }

  private List<ChildProcess> warmUp(List<ChildProcess> children) {
    Map<ChildProcess, Double> first = new LinkedHashMap<>();
    Map<String, Double> fastest = new HashMap<>();
    for (ChildProcess child : children) {
      double median = Times.median(quiet.run(child, warmUp).nanos());
      first.put(child, median);
      fastest.merge(child.setting().engine(), median, Math::min);
    }
    return children.stream()
        .filter(
            child ->
                first.getOrDefault(child, 0.0)
                    <= HOPELESS * fastest.getOrDefault(child.setting().engine(), 0.0))
        .toList();
  }
}
