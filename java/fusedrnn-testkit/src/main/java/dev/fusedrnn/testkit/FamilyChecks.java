package dev.fusedrnn.testkit;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Gate;
import dev.fusedrnn.Norm;
import dev.fusedrnn.RnnConfigBuilder;
import dev.fusedrnn.testkit.RnnCase.Part;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/** Layers, directions, lengths, variants and masks, alone and together. */
final class FamilyChecks {
  /** Steps, batch, input, hidden of most cases. */
  private static final int[] SMALL = {5, 3, 5, 9};

  /** Long enough for layers to run as a wavefront over chunks of time, the last of them shorter. */
  private static final int[] LONG = {67, 2, 3, 5};

  private final SplittableRandom seeds;
  private final List<CheckCase> cases = new ArrayList<>();

  private DType dtype = DType.F32;
  private boolean tf32;

  private FamilyChecks(SplittableRandom seeds) {
    this.seeds = seeds;
  }

  static List<CheckCase> quick(SplittableRandom seeds) {
    FamilyChecks checks = new FamilyChecks(seeds);
    checks.variants();
    for (Cell cell : Cell.values()) {
      checks.shapes(cell);
      checks.masks(cell);
    }
    checks.together();
    checks.norms();
    for (DType dtype : List.of(DType.BF16, DType.F16)) {
      checks.dtype = dtype;
      for (Cell cell : Cell.values()) {
        checks.add(cell, "layers 2, reverse too", b -> b.layers(2).bidirectional(true), 5, 0, 3);
      }
      int[] longer = {2 * LONG[0] + 1, 2, 3, 5}; // each chunk rounds the gradients once
      UnaryOperator<RnnConfigBuilder> residual = b -> b.layers(3).residual(true);
      checks.add(Cell.LSTM, longer, "layers 3, residual", residual, RnnCase.ALL, List.of());
      checks.together();
    }
    checks.dtype = DType.F32;
    checks.tf32 = true;
    for (Cell cell : Cell.values()) {
      checks.add(cell, "layers 2, reverse too", b -> b.layers(2).bidirectional(true), 5, 0, 3);
    }
    return checks.cases;
  }

  static List<CheckCase> full(SplittableRandom seeds) {
    FamilyChecks checks = new FamilyChecks(seeds);
    for (int k = 0; k < 40; k++) {
      checks.drawn(k);
    }
    return checks.cases;
  }

  private void add(
      Cell cell, String what, UnaryOperator<RnnConfigBuilder> settings, Integer... lengths) {
    add(cell, SMALL, what, settings, RnnCase.ALL, List.of(lengths));
  }

  private void add(
      Cell cell,
      int[] s,
      String what,
      UnaryOperator<RnnConfigBuilder> settings,
      Set<Part> parts,
      List<Integer> lengths) {
    String name = NetCase.label(cell, s[0], s[1], s[2], s[3]) + " " + what;
    name += (lengths.isEmpty() ? "" : " lengths " + lengths) + RnnCase.departures(parts);
    cases.add(
        new NetCheck(
            new NetCase(
                name, cell, s[0], s[1], s[2], s[3], settings, lengths, parts, seeds.nextLong()),
            dtype,
            tf32));
  }

  private void variants() {
    Cell cell = Cell.LSTM;
    add(cell, "peephole", b -> b.peephole(true));
    add(cell, "coupled", b -> b.coupledForget(true));
    add(cell, "peephole, coupled", b -> b.peephole(true).coupledForget(true));
    add(cell, "projection 4", b -> b.projectionSize(4));
    add(cell, "cell clip 0.4", b -> b.cellClip(0.4));
    add(cell, "no input gate", b -> b.without(Gate.INPUT));
    add(cell, "no forget gate", b -> b.without(Gate.FORGET));
    add(cell, "no output gate, peephole", b -> b.without(Gate.OUTPUT).peephole(true));
    add(cell, "zoneout c 0.3", b -> b.zoneoutCell(0.3));
  }

  private void shapes(Cell cell) {
    add(cell, "reverse too", b -> b.bidirectional(true));
    add(cell, "layers 3", b -> b.layers(3));
    add(cell, LONG, "layers 3", b -> b.layers(3), RnnCase.ALL, List.of());
    add(cell, "unequal rows", b -> b, 2, 0, 5);
    add(cell, "batch first, reverse too", b -> b.batchFirst(true).bidirectional(true), 5, 1, 3);
  }

  private void masks(Cell cell) {
    add(cell, "layers 2, dropout 0.4", b -> b.layers(2).dropout(0.4));
    add(cell, "recurrent dropout 0.3", b -> b.recurrentDropout(0.3));
    add(cell, "zoneout h 0.2", b -> b.zoneoutHidden(0.2));
  }

  private void norms() {
    add(Cell.LSTM, "layer norm", b -> b.norm(Norm.LAYER));
    UnaryOperator<RnnConfigBuilder> layered =
        b -> b.norm(Norm.LAYER).layers(2).bidirectional(true).recurrentDropout(0.2).cellClip(1);
    add(Cell.LSTM, "layer norm, layers 2, reverse too", layered, 5, 0, 3);
    for (Cell cell : Cell.values()) {
      add(cell, "batch norm", b -> b.norm(Norm.BATCH), 4, 0, 5);
    }
    add(
        Cell.LSTM,
        "batch norm, layers 2, reverse too, peephole",
        b -> b.norm(Norm.BATCH).layers(2).bidirectional(true).peephole(true));
  }

  private void together() {
    UnaryOperator<RnnConfigBuilder> all =
        b ->
            b.layers(3)
                .bidirectional(true)
                .dropout(0.2)
                .recurrentDropout(0.1)
                .zoneoutHidden(0.1)
                .residual(true);
    add(Cell.GRU, "all at once", all, 5, 0, 3);
    add(
        Cell.GRU_RESET_BEFORE,
        "all at once, batch first",
        b -> all.apply(b).batchFirst(true),
        4,
        5,
        0);
    UnaryOperator<RnnConfigBuilder> lstm =
        b -> all.apply(b).peephole(true).projectionSize(4).cellClip(1).zoneoutCell(0.1);
    add(Cell.LSTM, "all at once", lstm, 1, 5, 4);
    int[] wide = {4, 9, 33, 65};
    List<Integer> lengths = List.of(4, 0, 1, 2, 3, 4, 4, 1, 2);
    Set<Part> parts = EnumSet.copyOf(RnnCase.ALL);
    parts.add(Part.ACCUMULATE);
    add(
        Cell.LSTM,
        wide,
        "layers 2, reverse too",
        b -> b.layers(2).bidirectional(true),
        parts,
        lengths);
  }

  /** One network whose every setting is drawn. */
  private void drawn(int k) {
    Cell[] cells = Cell.values();
    Cell cell = cells[k % cells.length];
    int[] s = {
      seeds.nextInt(1, 12), seeds.nextInt(1, 20), seeds.nextInt(1, 70), seeds.nextInt(2, 70)
    };
    long bits = seeds.nextLong();
    boolean lstm = cell == Cell.LSTM;
    int projection = lstm && bit(bits, 0) ? seeds.nextInt(1, s[3]) : 0;
    UnaryOperator<RnnConfigBuilder> settings =
        b ->
            b.layers(1 + (int) (bits >>> 40 & 1) + (int) (bits >>> 41 & 1))
                .bidirectional(bit(bits, 1))
                .batchFirst(bit(bits, 2))
                .residual(bit(bits, 3))
                .dropout(bit(bits, 4) ? 0.3 : 0)
                .recurrentDropout(bit(bits, 5) ? 0.2 : 0)
                .zoneoutHidden(bit(bits, 6) ? 0.2 : 0)
                .zoneoutCell(lstm && bit(bits, 7) ? 0.2 : 0)
                .peephole(lstm && bit(bits, 8))
                .coupledForget(lstm && bit(bits, 9))
                .cellClip(lstm && bit(bits, 10) ? 0.8 : 0)
                .projectionSize(projection);
    List<Integer> lengths =
        bit(bits, 11)
            ? IntStream.range(0, s[1]).mapToObj(b -> seeds.nextInt(s[0] + 1)).toList()
            : List.of();
    add(cell, s, "drawn " + k, settings, RnnCase.ALL, lengths);
  }

  private static boolean bit(long bits, int position) {
    return (bits >>> position & 1) != 0;
  }
}
