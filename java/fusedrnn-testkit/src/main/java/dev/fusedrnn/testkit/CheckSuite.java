package dev.fusedrnn.testkit;

import dev.fusedrnn.Cell;
import dev.fusedrnn.SequenceKernel;
import dev.fusedrnn.testkit.RnnCase.Part;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * The seeded grid of cases that shows whether a backend computes what the oracle computes. Sizes
 * are odd on purpose, and lie on both sides of vector, warp and tile widths.
 */
public final class CheckSuite {
  /** Steps, batch, input, hidden. */
  private static final int[][] QUICK_SHAPES = {
    {1, 1, 1, 1},
    {5, 3, 7, 31},
    {3, 9, 33, 33},
    {2, 1, 31, 129},
    {4, 9, 129, 7},
    {0, 3, 5, 7},
    {5, 0, 5, 7},
    {17, 2, 3, 7}
  };

  private static final int[][] FULL_SHAPES = {
    {50, 32, 128, 128},
    {33, 17, 65, 200},
    {2, 130, 9, 31},
    {1, 9, 300, 256},
    {7, 1, 1, 511},
    {129, 3, 31, 33}
  };

  private CheckSuite() {}

  /**
   * Cases for every day: each cell at odd shapes, with and without each optional tensor; layers,
   * directions, lengths, variants and masks; every operation beside the cells; training that is
   * stopped and resumed, and that runs as a graph; forward calls on packed weights.
   *
   * @param seed of all data
   * @return the cases
   */
  public static List<CheckCase> quick(long seed) {
    List<CheckCase> cases = new ArrayList<>();
    SplittableRandom seeds = new SplittableRandom(seed);
    for (Cell cell : Cell.values()) {
      for (int[] s : QUICK_SHAPES) {
        cases.add(rnn(cell, s, RnnCase.ALL, seeds.nextLong()));
      }
      int[] small = {4, 3, 5, 9};
      cases.add(rnn(cell, small, with(Part.ACCUMULATE), seeds.nextLong()));
      cases.add(rnn(cell, small, without(Part.BIAS, Part.INITIAL_STATE), seeds.nextLong()));
      cases.add(rnn(cell, small, without(Part.FINAL_STATE_GRADIENT), seeds.nextLong()));
      Set<Part> onlyFinal = without(Part.DY);
      onlyFinal.add(Part.WITHOUT_DX);
      cases.add(rnn(cell, small, onlyFinal, seeds.nextLong()));
    }
    cases.addAll(FamilyChecks.quick(seeds));
    cases.addAll(OpChecks.quick(seeds));
    cases.addAll(ResumeCheck.quick(seeds));
    cases.addAll(TrainingStepCheck.quick(seeds));
    cases.addAll(PackedCheck.quick(seeds));
    return cases;
  }

  /**
   * The quick cases, larger shapes, and shapes drawn at random.
   *
   * @param seed of all data and shapes
   * @return the cases
   */
  public static List<CheckCase> full(long seed) {
    List<CheckCase> cases = new ArrayList<>(quick(seed));
    SplittableRandom seeds = new SplittableRandom(seed + 1);
    for (Cell cell : Cell.values()) {
      for (int[] s : FULL_SHAPES) {
        cases.add(rnn(cell, s, RnnCase.ALL, seeds.nextLong()));
      }
      for (int k = 0; k < 10; k++) {
        int[] s = {
          seeds.nextInt(1, 20), seeds.nextInt(1, 40), seeds.nextInt(1, 150), seeds.nextInt(1, 150)
        };
        Set<Part> parts = EnumSet.noneOf(Part.class);
        for (Part part : Part.values()) {
          if (seeds.nextBoolean()) {
            parts.add(part);
          }
        }
        cases.add(rnn(cell, s, parts, seeds.nextLong()));
      }
    }
    cases.addAll(FamilyChecks.full(seeds));
    cases.addAll(OpChecks.full(seeds));
    return cases;
  }

  /**
   * Cases of certain sequence kernels, each forced: every cell, element type and cluster at odd
   * sizes, lengths and directions.
   *
   * @param kernels which
   * @param all whether there shall be larger and drawn shapes too
   * @param seed of all data and shapes
   * @return the cases; cuda and emulated serve them
   */
  public static List<CheckCase> kernels(
      Collection<SequenceKernel> kernels, boolean all, long seed) {
    List<CheckCase> cases = new ArrayList<>();
    SplittableRandom seeds = new SplittableRandom(seed);
    for (SequenceKernel kernel : kernels) {
      cases.addAll(KernelChecks.quick(kernel, seeds));
      if (all) {
        cases.addAll(KernelChecks.full(kernel, seeds));
      }
    }
    return cases;
  }

  private static CheckCase rnn(Cell cell, int[] s, Set<Part> parts, long seed) {
    return new RnnCheck(new RnnCase(cell, s[0], s[1], s[2], s[3], parts, seed));
  }

  private static Set<Part> with(Part part) {
    Set<Part> parts = EnumSet.copyOf(RnnCase.ALL);
    parts.add(part);
    return parts;
  }

  private static Set<Part> without(Part... absent) {
    Set<Part> parts = EnumSet.copyOf(RnnCase.ALL);
    parts.removeAll(Set.of(absent));
    return parts;
  }
}
