package dev.fusedrnn.bench.grid;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Cell;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/**
 * Goal: the grid can be measured, interrupted, gone on with and reported on. Method: the way as a
 * whole on the emulated machine with tiny cells; the report on made-up rows in a scratch folder.
 */
class GridTest {
  @TempDir Path folder = Path.of("");

  private static int run(Object command, StringWriter text, String... arguments) {
    CommandLine line = new CommandLine(command);
    line.setOut(new PrintWriter(text));
    line.setErr(new PrintWriter(text));
    return line.execute(arguments);
  }

  @Test
  void theGridIsWholeAndHasNoCellTwice() {
    List<GridCell> cells = Grid.cells();
    assertEquals(2 * 2 * 10 * 7 * 4 + 2 * 2 * 10 * 4, cells.size());
    assertEquals(cells.size(), new HashSet<>(cells).size());
    assertEquals("lstm-forward-bf16-H512-B16-T512-L1-D1", cells.get(0).key());
    // 2 T B G H (I + H), by hand: 2 * 512 * 16 * 4 * 512 * 1024
    assertEquals(34359738368.0, cells.get(0).flop());
    // Two layers in two directions: the second reads both.
    GridCell stacked = new GridCell(Cell.GRU, true, Precision.F32, 2, 3, 5, 2, 2);
    assertEquals(3 * (2 * 5 * 3 * 3 * 2 * (4 * 2 + 6 * 2)), stacked.flop());
  }

  @Test
  void anInterruptedRunIsGoneOnWith() throws IOException {
    Path file = folder.resolve("rows.jsonl");
    StringWriter text = new StringWriter();
    String[] arguments = {"--backend", "emulated", "--tiny", "--out", file.toString()};
    assertEquals(0, run(new GridCommand(), text, arguments), text::toString);
    List<String> lines = Files.readAllLines(file);
    assertEquals(Grid.tiny().size(), lines.size(), text::toString);
    // As a kill leaves it: the last line cut, the one before gone.
    List<String> cut = new ArrayList<>(lines.subList(0, lines.size() - 2));
    String half = lines.get(lines.size() - 1);
    Files.writeString(file, String.join("\n", cut) + "\n" + half.substring(0, half.length() / 2));
    assertEquals(cut.size(), GridRow.read(file).size());
    Files.writeString(file, String.join("\n", cut) + "\n");
    assertEquals(0, run(new GridCommand(), text, arguments), text::toString);
    assertEquals(lines.size(), GridRow.read(file).size());
    assertTrue(GridRow.read(file).stream().allMatch(GridRow::emulated));
    String[] late = {"--backend", "emulated", "--budget", "0", "--tiny", "--out", file + ".late"};
    assertEquals(75, run(new GridCommand(), text, late), text::toString);
  }

  @Test
  void aWrongResultIsNotTimed() {
    GridCell cell = Grid.tiny().get(0);
    float[] right = {1, -2, 3};
    GridCommand.compare(cell, Map.of("y", right), Map.of("y", right.clone()));
    IllegalStateException off =
        assertThrows(
            IllegalStateException.class,
            () ->
                GridCommand.compare(
                    cell, Map.of("y", right), Map.of("y", new float[] {1, -2, 2.5f})));
    assertTrue(String.valueOf(off.getMessage()).startsWith("y is wrong"), off::getMessage);
    float[] broken = {1, Float.NaN, 3};
    assertThrows(
        IllegalStateException.class,
        () -> GridCommand.compare(cell, Map.of("y", right), Map.of("y", broken)));
  }

  @Test
  void theReportTakesTheFastestPeerAndNoEmulatedRow() throws IOException {
    Path ours = folder.resolve("ours.jsonl");
    Path peers = folder.resolve("peers.jsonl");
    List<GridCell> cells = Grid.cells();
    for (GridCell cell : cells) {
      double micros = 100.0 * cell.hidden() / 64;
      GridRow.append(ours, cell, new GridRow(cell.key(), "fusedrnn", "cuda", micros, false), 1, 2);
      GridRow.append(peers, cell, new GridRow(cell.key(), "torch", "x", 9 * micros, false), 1, 2);
      double peer = micros * (cell.batch() == 256 ? 0.8 : 1 + cell.hidden() / 512.0);
      GridRow.append(peers, cell, new GridRow(cell.key(), "cudnn", "best", peer, false), 1, 2);
    }
    GridTable table = new GridTable(GridRow.read(ours), GridRow.read(peers));
    assertEquals(cells.size(), table.entries().size());
    assertEquals(2.0, table.entries().get(0).ratio(), 1e-9); // H = 512
    assertEquals(16, table.panels().size());
    assertTrue(table.markdown().contains("| 0.80 slower |"), table::markdown);

    Path png = folder.resolve("map.png");
    StringWriter text = new StringWriter();
    String[] arguments = {
      "--ours",
      ours.toString(),
      "--peers",
      peers.toString(),
      "--png",
      png.toString(),
      "--markdown",
      folder.resolve("table.md").toString()
    };
    assertEquals(0, run(new GridReportCommand(), text, arguments), text::toString);
    BufferedImage image = ImageIO.read(png.toFile());
    assertNotNull(image);
    assertTrue(image.getWidth() > 1000 && image.getHeight() > 1000);

    Path emulated = folder.resolve("emulated.jsonl");
    GridCell first = cells.get(0);
    GridRow.append(emulated, first, new GridRow(first.key(), "fusedrnn", "e", 1, true), 1, 2);
    assertTrue(new GridTable(GridRow.read(emulated), GridRow.read(peers)).entries().isEmpty());
  }

  @Test
  void wrongOptionsAreNamed() {
    StringWriter text = new StringWriter();
    assertEquals(2, run(new GridCommand(), text, "--backend", "cpu", "--out", "x"));
    assertTrue(text.toString().contains("expected cuda or emulated, got cpu"), text::toString);
    assertEquals(2, run(new GridCommand(), text, "--kernel", "K7", "--out", "x"));
    assertTrue(
        text.toString().contains("expected one of auto, K0, K1, K2, got K7"), text::toString);
    assertEquals(2, run(new GridCommand(), text));
    assertTrue(text.toString().contains("--out: expected the file"), text::toString);
  }
}
