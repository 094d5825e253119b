package dev.fusedrnn.testkit;

import org.jspecify.annotations.Nullable;

/** Gathers the comparisons of one case and keeps the one that used most of its allowance. */
final class Findings {
  private final String name;
  private final long seed;
  private @Nullable Comparison worst;
  private boolean pass = true;

  Findings(String name, long seed) {
    this.name = name;
    this.seed = seed;
  }

  void add(Comparison comparison) {
    pass &= comparison.pass();
    if (worst == null || Double.compare(comparison.ratio(), worst.ratio()) > 0) {
      worst = comparison;
    }
  }

  CheckResult result() {
    if (worst == null) {
      throw new IllegalStateException(name + ": nothing was compared");
    }
    String detail = worst.worst() + " (seed " + seed + ")";
    return new CheckResult(name, worst.error(), worst.allowed(), pass, detail);
  }
}
