package dev.fusedrnn.testkit;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.RnnConfigBuilder;
import dev.fusedrnn.SequenceKernel;
import dev.fusedrnn.testkit.RnnCase.Part;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;

/**
 * The sequence kernels one by one: every cell and element type at sizes on both sides of their
 * tiles (8 rows of the batch, 8 or 16 units, 16 or 8 values of a product), in clusters of every
 * size.
 */
final class KernelChecks {
  /** Steps, batch, input, hidden. */
  private static final int[] SMALL = {5, 9, 7, 33};

  /** What one block can hold, but for one unit; and what only a cluster can. */
  private static final int[] FULL = {3, 3, 5, 127};

  private static final int[] WIDE = {3, 3, 5, 131};
  private static final int[] WIDER = {3, 2, 5, 257};

  /** A member of the family that K1 and K2 serve. */
  private record Member(Cell cell, String what, UnaryOperator<RnnConfigBuilder> settings) {
    /** Units of a tile, of which a cluster's every block must have one. */
    int tile() {
      return cell == Cell.LSTM ? 8 : 16;
    }
  }

  private static final List<Member> MEMBERS =
      List.of(
          new Member(Cell.LSTM, "", b -> b),
          new Member(Cell.LSTM, " peephole", b -> b.peephole(true)),
          new Member(Cell.LSTM, " coupled", b -> b.coupledForget(true)),
          new Member(Cell.LSTM, " peephole, coupled", b -> b.peephole(true).coupledForget(true)),
          new Member(Cell.GRU, "", b -> b),
          new Member(Cell.GRU_RESET_BEFORE, "", b -> b),
          new Member(Cell.RNN_TANH, "", b -> b),
          new Member(Cell.RNN_RELU, "", b -> b));

  /** Element types; the second F32 may be rounded to TF32. */
  private record Elements(DType dtype, boolean tf32) {}

  private static final List<Elements> ELEMENTS =
      List.of(
          new Elements(DType.F32, false),
          new Elements(DType.F32, true),
          new Elements(DType.BF16, false),
          new Elements(DType.F16, false));

  private final SplittableRandom seeds;
  private final SequenceKernel kernel;
  private final List<CheckCase> cases = new ArrayList<>();
  private int next;

  private KernelChecks(SequenceKernel kernel, SplittableRandom seeds) {
    this.kernel = kernel;
    this.seeds = seeds;
  }

  static List<CheckCase> quick(SequenceKernel kernel, SplittableRandom seeds) {
    KernelChecks checks = new KernelChecks(kernel, seeds);
    for (Member member : MEMBERS) {
      for (Elements elements : ELEMENTS) {
        checks.add(member, elements, SMALL, "", b -> b, List.of());
      }
    }
    checks.shapes();
    return checks.cases;
  }

  static List<CheckCase> full(SequenceKernel kernel, SplittableRandom seeds) {
    KernelChecks checks = new KernelChecks(kernel, seeds);
    for (Member member : MEMBERS) {
      for (Elements elements : ELEMENTS) {
        checks.add(member, elements, checks.large(), "", b -> b, List.of());
        int[] drawn = {
          seeds.nextInt(1, 30), seeds.nextInt(1, 20), seeds.nextInt(1, 70), seeds.nextInt(17, 120)
        };
        checks.add(member, elements, drawn, " drawn", b -> b, List.of());
      }
    }
    for (Elements elements : ELEMENTS) {
      checks.add(MEMBERS.get(0), elements, new int[] {150, 2, 3, 31}, "", b -> b, List.of());
      checks.add(MEMBERS.get(4), elements, new int[] {150, 2, 3, 31}, "", b -> b, List.of());
    }
    return checks.cases;
  }

  /** What else a call can have, for each cell once, in a type that changes. */
  private void shapes() {
    List<Integer> lengths = List.of(5, 0, 3, 1, 5, 2, 4, 5, 1);
    for (Member member : MEMBERS) {
      add(member, element(), SMALL, " reverse too", b -> b.bidirectional(true), lengths);
      add(member, element(), large(), " layers 2", b -> b.layers(2), List.of());
      if (kernel == SequenceKernel.CLUSTER) {
        // The emulated machine holds 16 blocks of these at once with 16-bit weights.
        add(member, ELEMENTS.get(2 + next % 2), WIDER, "", b -> b, List.of(), 16);
      }
    }
    Member lstm = MEMBERS.get(0);
    add(lstm, element(), new int[] {1, 1, 1, 31}, "", b -> b, List.of());
    add(
        MEMBERS.get(4),
        element(),
        SMALL,
        " batch first, reverse too",
        b -> b.batchFirst(true).bidirectional(true),
        lengths);
  }

  private int[] large() {
    return kernel == SequenceKernel.SM ? FULL : WIDE;
  }

  private Elements element() {
    return ELEMENTS.get(next % ELEMENTS.size());
  }

  /**
   * In a cluster whose size changes from case to case, but a block has no more than 64 units and at
   * least a tile of them.
   */
  private void add(
      Member member,
      Elements elements,
      int[] s,
      String what,
      UnaryOperator<RnnConfigBuilder> settings,
      List<Integer> lengths) {
    int tiles = (s[3] + member.tile() - 1) / member.tile();
    int cluster = 2 << next % 3;
    while (64 * cluster < s[3]) {
      cluster *= 2;
    }
    while (cluster > tiles) {
      cluster /= 2;
    }
    add(member, elements, s, what, settings, lengths, cluster);
  }

  private void add(
      Member member,
      Elements elements,
      int[] s,
      String what,
      UnaryOperator<RnnConfigBuilder> settings,
      List<Integer> lengths,
      int cluster) {
    String name = NetCase.label(member.cell(), s[0], s[1], s[2], s[3]) + member.what() + what;
    Set<Part> parts = EnumSet.copyOf(RnnCase.ALL);
    if (next % 4 == 3) {
      parts.add(Part.ACCUMULATE);
    }
    NetCase net =
        new NetCase(
            name + (lengths.isEmpty() ? "" : " lengths") + RnnCase.departures(parts),
            member.cell(),
            s[0],
            s[1],
            s[2],
            s[3],
            b -> settings.apply(member.settings().apply(b)),
            lengths,
            parts,
            seeds.nextLong());
    cases.add(
        new KernelCheck(
            new NetCheck(net, elements.dtype(), elements.tf32()),
            kernel,
            kernel == SequenceKernel.CLUSTER ? cluster : 0,
            seeds.nextInt(2, 1_000_000)));
    next++;
  }
}
