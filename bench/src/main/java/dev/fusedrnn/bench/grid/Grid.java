package dev.fusedrnn.bench.grid;

import dev.fusedrnn.Cell;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** The cells, those first that say the most, so that a run cut short has measured them. */
final class Grid {
  private static final int STEPS = 512;
  private static final List<Integer> HIDDEN =
      List.of(512, 256, 1024, 128, 768, 384, 64, 1536, 192, 2048);
  private static final List<Integer> BATCH = List.of(16, 64, 1, 32, 128, 4, 256);
  private static final List<Precision> PRECISION =
      List.of(Precision.BF16, Precision.F32, Precision.F16, Precision.TF32);

  private Grid() {}

  /**
   * All cells of the grid.
   *
   * @return in the order in which they are worth measuring
   */
  static List<GridCell> cells() {
    record Ranked(GridCell cell, int rank) {}
    List<Ranked> ranked = new ArrayList<>();
    for (int p = 0; p < PRECISION.size(); p++) {
      for (int h = 0; h < HIDDEN.size(); h++) {
        for (int b = 0; b < BATCH.size(); b++) {
          for (Cell cell : List.of(Cell.LSTM, Cell.GRU)) {
            for (boolean training : new boolean[] {false, true}) {
              int rank = h + b + 2 * p + (cell == Cell.GRU ? 1 : 0);
              ranked.add(
                  new Ranked(
                      new GridCell(
                          cell,
                          training,
                          PRECISION.get(p),
                          HIDDEN.get(h),
                          BATCH.get(b),
                          STEPS,
                          1,
                          1),
                      rank));
            }
          }
        }
        for (Cell cell : List.of(Cell.LSTM, Cell.GRU)) {
          for (boolean training : new boolean[] {false, true}) {
            int rank = h + 2 * p + (cell == Cell.GRU ? 2 : 1);
            ranked.add(
                new Ranked(
                    new GridCell(cell, training, PRECISION.get(p), HIDDEN.get(h), 32, STEPS, 2, 2),
                    rank));
          }
        }
      }
    }
    ranked.sort(Comparator.comparingInt(Ranked::rank)); // stable
    return ranked.stream().map(Ranked::cell).toList();
  }

  /**
   * A few cells of odd sizes that try every path of the grid in seconds.
   *
   * @return each precision, cell and pass once
   */
  static List<GridCell> tiny() {
    List<GridCell> cells = new ArrayList<>();
    for (Precision precision : PRECISION) {
      for (Cell cell : List.of(Cell.LSTM, Cell.GRU)) {
        for (boolean training : new boolean[] {false, true}) {
          cells.add(new GridCell(cell, training, precision, 9, 3, 4, 1, 1));
        }
      }
    }
    cells.add(new GridCell(Cell.LSTM, true, Precision.F32, 5, 2, 3, 2, 2));
    return cells;
  }
}
