package dev.fusedrnn.bench.grid;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Our times beside the fastest of the peers', by cell. Emulated times are left out. */
final class GridTable {
  /**
   * A cell that both sides have.
   *
   * @param cell which
   * @param micros ours
   * @param peer the fastest peer's
   */
  record Entry(GridCell cell, double micros, GridRow peer) {
    /** How many times as fast as the peer. */
    double ratio() {
      return peer.micros() / micros;
    }
  }

  private final List<Entry> entries = new ArrayList<>();
  private final int emulated;

  /**
   * Joins rows.
   *
   * @param ours one of each cell counts, the last
   * @param peers any number of each cell; the fastest counts
   */
  GridTable(List<GridRow> ours, List<GridRow> peers) {
    emulated = (int) ours.stream().filter(GridRow::emulated).count();
    Map<String, GridRow> mine = new LinkedHashMap<>();
    ours.stream().filter(row -> !row.emulated()).forEach(row -> mine.put(row.key(), row));
    Map<String, GridRow> best = new TreeMap<>();
    for (GridRow row : peers) {
      if (!row.emulated()) {
        best.merge(row.key(), row, (a, b) -> a.micros() <= b.micros() ? a : b);
      }
    }
    for (GridCell cell : Grid.cells()) {
      GridRow row = mine.get(cell.key());
      GridRow peer = best.get(cell.key());
      if (row != null && peer != null) {
        entries.add(new Entry(cell, row.micros(), peer));
      }
    }
  }

  /** The cells that both sides have, in the grid's order. */
  List<Entry> entries() {
    return entries;
  }

  /** Rows passed over because their times mean nothing. */
  int emulated() {
    return emulated;
  }

  /** The entries of single layers in one direction, by cell, pass and precision. */
  Map<String, List<Entry>> panels() {
    return entries.stream()
        .filter(entry -> entry.cell().layers() == 1)
        .collect(
            Collectors.groupingBy(
                entry -> panelOf(entry.cell()), LinkedHashMap::new, Collectors.toList()));
  }

  private static String panelOf(GridCell cell) {
    return cell.cell() + " " + cell.pass() + " " + cell.precision();
  }

  /** The geometric mean of the ratios. */
  static OptionalDouble mean(List<Entry> some) {
    OptionalDouble logs = some.stream().mapToDouble(entry -> Math.log(entry.ratio())).average();
    return logs.isPresent() ? OptionalDouble.of(Math.exp(logs.getAsDouble())) : logs;
  }

  /** Means, then every cell, the losses marked. */
  String markdown() {
    StringBuilder text = new StringBuilder();
    text.append("Ratio: the fastest peer's time over ours; above 1 fusedrnn is faster.\n\n");
    text.append("| panel | cells | geometric mean | worst | best |\n|---|---|---|---|---|\n");
    Map<String, List<Entry>> groups = new LinkedHashMap<>(panels());
    List<Entry> stacked = entries.stream().filter(entry -> entry.cell().layers() > 1).toList();
    if (!stacked.isEmpty()) {
      groups.put("2 layers, bidirectional", stacked);
    }
    groups.put("all", entries);
    groups.forEach(
        (name, group) -> {
          double[] ratios = group.stream().mapToDouble(Entry::ratio).sorted().toArray();
          if (ratios.length > 0) {
            text.append(
                String.format(
                    Locale.ROOT,
                    "| %s | %d | %.2f | %.2f | %.2f |%n",
                    name,
                    ratios.length,
                    mean(group).orElse(Double.NaN),
                    ratios[0],
                    ratios[ratios.length - 1]));
          }
        });
    text.append("\n| cell | us | peer us | peer | ratio |\n|---|---|---|---|---|\n");
    for (Entry entry : entries) {
      text.append(
          String.format(
              Locale.ROOT,
              "| %s | %.1f | %.1f | %s %s | %.2f%s |%n",
              entry.cell().key(),
              entry.micros(),
              entry.peer().micros(),
              entry.peer().engine(),
              entry.peer().how(),
              entry.ratio(),
              entry.ratio() < 1 ? " slower" : ""));
    }
    return text.toString();
  }
}
