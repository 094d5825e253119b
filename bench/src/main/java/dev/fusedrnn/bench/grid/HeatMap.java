package dev.fusedrnn.bench.grid;

import java.awt.Color;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.HeatMapChart;
import org.knowm.xchart.HeatMapChartBuilder;

/** The ratios as a picture: a panel for each cell, pass and precision; H across, B upwards. */
final class HeatMap {
  private static final int WIDTH = 620;
  private static final int HEIGHT = 420;
  private static final int COLUMNS = 4;

  /** Colours at the ratios 0, 1, 2, 3, 4: red is slower, white is even, blue is faster. */
  private static final Color[] COLOURS = {
    new Color(202, 0, 32),
    new Color(247, 247, 247),
    new Color(146, 197, 222),
    new Color(67, 147, 195),
    new Color(33, 102, 172)
  };

  private HeatMap() {}

  /**
   * Draws a table.
   *
   * @param table with at least one single layer
   * @param file a PNG, replaced
   * @throws IOException where it cannot be written
   */
  static void write(GridTable table, Path file) throws IOException {
    List<HeatMapChart> charts = new ArrayList<>();
    table.panels().forEach((name, entries) -> charts.add(panel(name, entries)));
    int rows = (charts.size() + COLUMNS - 1) / COLUMNS;
    try (OutputStream to = Files.newOutputStream(file)) {
      BitmapEncoder.saveBitmap(
          charts, rows, Math.min(COLUMNS, charts.size()), to, BitmapFormat.PNG);
    }
  }

  private static HeatMapChart panel(String name, List<GridTable.Entry> entries) {
    List<Integer> hidden =
        entries.stream().map(entry -> entry.cell().hidden()).distinct().sorted().toList();
    List<Integer> batch =
        entries.stream().map(entry -> entry.cell().batch()).distinct().sorted().toList();
    String title =
        String.format(
            Locale.ROOT,
            "%s: %.2f times the peer",
            name,
            GridTable.mean(entries).orElse(Double.NaN));
    HeatMapChart chart =
        new HeatMapChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .xAxisTitle("H")
            .yAxisTitle("B")
            .build();
    chart.getStyler().setLegendVisible(false);
    chart.getStyler().setShowValue(true);
    chart.getStyler().setValueFontColor(Color.BLACK);
    chart.getStyler().setChartBackgroundColor(Color.WHITE);
    chart.getStyler().setXAxisTickMarkSpacingHint(20); // a label for every value
    chart.getStyler().setYAxisTickMarkSpacingHint(20);
    chart.getStyler().setMin(0);
    chart.getStyler().setMax(COLOURS.length - 1);
    chart.getStyler().setRangeColors(COLOURS);
    List<Number[]> points = new ArrayList<>();
    Map<Integer, Integer> columns = indices(hidden);
    Map<Integer, Integer> lines = indices(batch);
    for (GridTable.Entry entry : entries) {
      points.add(
          new Number[] {
            columns.get(entry.cell().hidden()),
            lines.get(entry.cell().batch()),
            BigDecimal.valueOf(entry.ratio()).setScale(2, RoundingMode.HALF_EVEN)
          });
    }
    chart.addSeries("ratio", names(hidden), names(batch), points);
    return chart;
  }

  private static List<String> names(List<Integer> values) {
    return values.stream().map(String::valueOf).toList();
  }

  private static Map<Integer, Integer> indices(List<Integer> values) {
    Map<Integer, Integer> indices = new HashMap<>();
    for (int k = 0; k < values.size(); k++) {
      indices.put(values.get(k), k);
    }
    return indices;
  }
}
