package dev.fusedrnn.testkit;

import dev.fusedrnn.Optimizer;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** The operations beside the cells, at odd sizes. */
final class OpChecks {
  /** Lengths on both sides of what one block reads, one of them empty. */
  private static final int[] LENGTHS = {1, 33, 0, 1025, 4097};

  private OpChecks() {}

  static List<CheckCase> quick(SplittableRandom seeds) {
    List<CheckCase> cases = new ArrayList<>();
    cases.add(new LinearCheck(1, 1, 1, false, seeds.nextLong()));
    cases.add(new LinearCheck(7, 31, 65, false, seeds.nextLong()));
    cases.add(new LinearCheck(33, 129, 3, true, seeds.nextLong()));
    cases.add(new LinearCheck(0, 5, 3, false, seeds.nextLong()));
    cases.add(new EmbeddingCheck(1, 1, 1, false, seeds.nextLong()));
    cases.add(new EmbeddingCheck(129, 7, 33, false, seeds.nextLong()));
    cases.add(new EmbeddingCheck(31, 65, 5, true, seeds.nextLong()));
    cases.add(new CrossEntropyCheck(1, 1, 1, seeds.nextLong()));
    cases.add(new CrossEntropyCheck(31, 65, 1, seeds.nextLong()));
    cases.add(new CrossEntropyCheck(9, 1031, 50, seeds.nextLong()));
    cases.add(new ClipCheck(LENGTHS, 1, false, false, seeds.nextLong()));
    cases.add(new ClipCheck(LENGTHS, 1e6f, false, false, seeds.nextLong()));
    cases.add(new ClipCheck(new int[] {129, 7}, 1, true, false, seeds.nextLong()));
    cases.add(new ClipCheck(LENGTHS, 0.75f, false, true, seeds.nextLong()));
    for (Optimizer.Kind kind : Optimizer.Kind.values()) {
      cases.add(new OptimizerCheck(kind, LENGTHS, seeds.nextLong()));
    }
    return cases;
  }

  static List<CheckCase> full(SplittableRandom seeds) {
    List<CheckCase> cases = new ArrayList<>();
    cases.add(new LinearCheck(257, 300, 129, false, seeds.nextLong()));
    cases.add(new EmbeddingCheck(2048, 1000, 64, false, seeds.nextLong()));
    cases.add(new CrossEntropyCheck(300, 2500, 10, seeds.nextLong()));
    cases.add(new ClipCheck(new int[] {100_003, 70_001, 5}, 3, false, false, seeds.nextLong()));
    return cases;
  }
}
