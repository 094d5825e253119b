package dev.fusedrnn.cli.charlm;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/**
 * Shows how training goes: a bar on a terminal; where output goes elsewhere, a line now and then;
 * nothing when quiet. Each with loss, characters per second and time left.
 */
final class Progress implements AutoCloseable {
  private static final int LINES = 20;
  private static final double SMOOTHING = 0.98;

  private final int steps;
  private final int charactersPerStep;
  private final long start = System.nanoTime();
  private final @Nullable ProgressBar bar;
  private final @Nullable PrintWriter lines;
  private double loss;
  private int shown;
  private int first;

  private Progress(
      int steps, int charactersPerStep, @Nullable ProgressBar bar, @Nullable PrintWriter lines) {
    this.steps = steps;
    this.charactersPerStep = charactersPerStep;
    this.bar = bar;
    this.lines = lines;
  }

  /**
   * @param quiet show nothing
   * @param out where lines go
   */
  static Progress of(int steps, int charactersPerStep, boolean quiet, PrintWriter out) {
    if (quiet) {
      return new Progress(steps, charactersPerStep, null, null);
    }
    if (System.console() == null) {
      return new Progress(steps, charactersPerStep, null, out);
    }
    ProgressBar bar =
        new ProgressBarBuilder()
            .setTaskName("training")
            .setInitialMax(steps)
            .setStyle(ProgressBarStyle.ASCII)
            .setUpdateIntervalMillis(250)
            .build();
    return new Progress(steps, charactersPerStep, bar, null);
  }

  /** Says that the steps up to this one were made before. */
  void begin(int step) {
    first = step;
    shown = steps == 0 ? 0 : (int) ((long) step * LINES / steps);
  }

  /** Reports one step. */
  void step(int step, double stepLoss) {
    // A plain mean of the first steps, then one that forgets.
    int made = step - first;
    double keep = Math.min(SMOOTHING, (made - 1.0) / made);
    loss = keep * loss + (1 - keep) * stepLoss;
    double seconds = (System.nanoTime() - start) * 1e-9;
    double rate = (double) made * charactersPerStep / seconds;
    String text = String.format(Locale.ROOT, "loss %.3f, %,.0f chars/s", loss, rate);
    if (bar != null) {
      bar.stepTo(step);
      bar.setExtraMessage(text);
    }
    if (lines != null && (long) step * LINES / steps > shown) {
      shown = (int) ((long) step * LINES / steps);
      Duration left = Duration.ofSeconds(Math.round(seconds / made * (steps - step)));
      lines.printf(
          Locale.ROOT,
          "step %d of %d: %s, %d:%02d left%n",
          step,
          steps,
          text,
          left.toMinutes(),
          left.toSecondsPart());
      lines.flush();
    }
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
    }
  }
}
