package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.NonFinite;
import dev.fusedrnn.NormKind;
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
    cases.add(new LinearCheck(1, 1, 1, false, DType.F32, seeds.nextLong()));
    cases.add(new LinearCheck(7, 31, 65, false, DType.F32, seeds.nextLong()));
    cases.add(new LinearCheck(33, 129, 3, true, DType.F32, seeds.nextLong()));
    cases.add(new LinearCheck(0, 5, 3, false, DType.F32, seeds.nextLong()));
    cases.add(new EmbeddingCheck(1, 1, 1, false, DType.F32, seeds.nextLong()));
    cases.add(new EmbeddingCheck(129, 7, 33, false, DType.F32, seeds.nextLong()));
    cases.add(new EmbeddingCheck(31, 65, 5, true, DType.F32, seeds.nextLong()));
    cases.add(new CrossEntropyCheck(1, 1, 1, 0, DType.F32, seeds.nextLong()));
    cases.add(new CrossEntropyCheck(31, 65, 1, 0, DType.F32, seeds.nextLong()));
    cases.add(new CrossEntropyCheck(9, 1031, 50, 0, DType.F32, seeds.nextLong()));
    cases.add(new CrossEntropyCheck(31, 65, 3, 0.1f, DType.F32, seeds.nextLong()));
    cases.add(new SquaredErrorCheck(1, 1, DType.F32, seeds.nextLong()));
    cases.add(new SquaredErrorCheck(37, 65, DType.F32, seeds.nextLong()));
    cases.add(new SampleCheck(50, 65, 0.8, 0, 1, DType.F32, seeds.nextLong()));
    cases.add(new SampleCheck(50, 129, 1, 20, 0.9, DType.F32, seeds.nextLong()));
    cases.add(new SampleCheck(9, 33, 0, 0, 1, DType.F32, seeds.nextLong()));
    for (DType dtype : List.of(DType.BF16, DType.F16)) {
      cases.add(new LinearCheck(33, 65, 31, true, dtype, seeds.nextLong()));
      cases.add(new EmbeddingCheck(129, 31, 33, true, dtype, seeds.nextLong()));
      cases.add(new CrossEntropyCheck(31, 65, 3, 0.1f, dtype, seeds.nextLong()));
      cases.add(new SquaredErrorCheck(33, 7, dtype, seeds.nextLong()));
      cases.add(new SampleCheck(50, 65, 0.8, 30, 0.95, dtype, seeds.nextLong()));
    }
    cases.add(new ClipCheck(LENGTHS, 1, false, false, seeds.nextLong()));
    cases.add(new ClipCheck(LENGTHS, 1e6f, false, false, seeds.nextLong()));
    cases.add(new ClipCheck(new int[] {129, 7}, 1, true, false, seeds.nextLong()));
    cases.add(new ClipCheck(LENGTHS, 0.75f, false, true, seeds.nextLong()));
    for (NormKind kind : NormKind.values()) {
      for (NonFinite policy : List.of(NonFinite.PROPAGATE, NonFinite.SKIP, NonFinite.CLAMP)) {
        boolean perTensor = policy != NonFinite.SKIP && kind != NormKind.L1;
        cases.add(new NormCheck(kind, policy, perTensor, LENGTHS, seeds.nextLong()));
      }
    }
    for (Optimizer.Kind kind : Optimizer.Kind.values()) {
      cases.add(new OptimizerCheck(kind, LENGTHS, DType.F32, 100, seeds.nextLong()));
    }
    cases.add(new OptimizerCheck(Optimizer.Kind.ADAMW, LENGTHS, DType.BF16, 3, seeds.nextLong()));
    cases.add(new OptimizerCheck(Optimizer.Kind.SGD, LENGTHS, DType.F16, 3, seeds.nextLong()));
    return cases;
  }

  static List<CheckCase> full(SplittableRandom seeds) {
    List<CheckCase> cases = new ArrayList<>();
    cases.add(new LinearCheck(257, 300, 129, false, DType.F32, seeds.nextLong()));
    cases.add(new EmbeddingCheck(2048, 1000, 64, false, DType.F32, seeds.nextLong()));
    cases.add(new EmbeddingCheck(9000, 100_000, 5, false, DType.F32, seeds.nextLong()));
    cases.add(new CrossEntropyCheck(3, 100_000, 5, 0, DType.F32, seeds.nextLong()));
    cases.add(new SampleCheck(50, 20_000, 0.9, 400, 0.95, DType.F32, seeds.nextLong()));
    cases.add(new CrossEntropyCheck(300, 2500, 10, 0, DType.F32, seeds.nextLong()));
    cases.add(new ClipCheck(new int[] {100_003, 70_001, 5}, 3, false, false, seeds.nextLong()));
    return cases;
  }
}
