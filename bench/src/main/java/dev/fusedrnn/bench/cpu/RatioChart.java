package dev.fusedrnn.bench.cpu;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.CategorySeries;
import org.knowm.xchart.style.CategoryStyler;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * The ratios as a picture: a panel for each cell and pass, a column of panels for each number of
 * threads. The axis is logarithmic: as far above the line is as much faster as below it is slower.
 */
final class RatioChart {
  private static final int WIDTH = 900;
  private static final int HEIGHT = 380;
  private static final List<String> PEERS = Engines.NAMES.subList(1, Engines.NAMES.size());

  private static final Map<String, Color> COLOURS =
      Map.of(
          Engines.LIBTORCH, new Color(213, 94, 0),
          Engines.ONNX_RUNTIME, new Color(0, 114, 178),
          Engines.DJL, new Color(0, 158, 115));

  private RatioChart() {}

  /**
   * Draws results; those without a peer are left out.
   *
   * @param file a PNG, replaced
   */
  static void write(List<CaseResult> results, Path file) throws IOException {
    TreeSet<Integer> threads = new TreeSet<>();
    Map<String, List<CaseResult>> panels = new LinkedHashMap<>();
    for (CaseResult result : results) {
      if (result.ratio(PEERS).isPresent()) {
        threads.add(result.threads());
        panels.computeIfAbsent(result.shape().group(), k -> new ArrayList<>()).add(result);
      }
    }
    List<CategoryChart> charts = new ArrayList<>();
    panels.forEach(
        (group, of) ->
            threads.forEach(
                count ->
                    charts.add(
                        panel(
                            group + ", " + count + (count == 1 ? " thread" : " threads"),
                            of.stream().filter(result -> result.threads() == count).toList()))));
    try (OutputStream to = Files.newOutputStream(file)) {
      BitmapEncoder.saveBitmap(charts, panels.size(), threads.size(), to, BitmapFormat.PNG);
    }
  }

  private static CategoryChart panel(String title, List<CaseResult> results) {
    CategoryChart chart =
        new CategoryChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .xAxisTitle("T x B x I x H")
            .yAxisTitle("peer's time / ours")
            .build();
    List<String> shapes = results.stream().map(result -> result.shape().shape()).toList();
    List<Double> all = new ArrayList<>(List.of(-1.0, 1.0)); // half as fast, twice as fast
    for (String peer : PEERS) {
      List<@Nullable Double> heights = new ArrayList<>();
      for (CaseResult result : results) {
        OptionalDouble ratio = result.ratio(peer);
        heights.add(ratio.isPresent() ? log2(ratio.getAsDouble()) : null);
      }
      List<Double> present = heights.stream().filter(Objects::nonNull).toList();
      if (!present.isEmpty()) {
        all.addAll(present);
        CategorySeries series = chart.addSeries(Engines.title(peer), shapes, heights);
        series.setChartCategorySeriesRenderStyle(CategorySeries.CategorySeriesRenderStyle.Scatter);
        series.setMarker(SeriesMarkers.CIRCLE);
        series.setMarkerColor(COLOURS.getOrDefault(peer, Color.BLACK));
      }
    }
    CategorySeries even =
        chart.addSeries("as fast", shapes, Collections.nCopies(shapes.size(), 0.0));
    even.setChartCategorySeriesRenderStyle(CategorySeries.CategorySeriesRenderStyle.Line);
    even.setMarker(SeriesMarkers.NONE);
    even.setLineColor(Color.GRAY);
    even.setLineStyle(new BasicStroke(1.5f));
    style(chart.getStyler());
    chart.getStyler().setYAxisMin(Math.floor(Collections.min(all)));
    chart.getStyler().setYAxisMax(Math.ceil(Collections.max(all)));
    return chart;
  }

  private static void style(CategoryStyler styler) {
    styler.setChartBackgroundColor(Color.WHITE);
    styler.setLegendPosition(Styler.LegendPosition.OutsideS);
    styler.setLegendLayout(Styler.LegendLayout.Horizontal);
    styler.setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 11));
    styler.setMarkerSize(9);
    styler.setOverlapped(true); // all of a shape above each other
    styler.setYAxisTickMarkSpacingHint(40);
    styler.setYAxisTickLabelsFormattingFunction(
        height -> String.format(Locale.ROOT, "%.2f", Math.pow(2, height)));
  }

  private static double log2(double ratio) {
    return Math.log(ratio) / Math.log(2);
  }
}
