package dev.fusedrnn.cli.charlm;

import java.util.Arrays;
import java.util.Objects;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Cuts a text into {@code batch} lanes that are read side by side, {@code steps} characters at a
 * time, so that the state which a lane ends one window with is the one it begins the next with.
 * Arrays are time-major: [T, B].
 */
final class Lanes {
  /** The target of a position that does not count. */
  static final int IGNORED = -100;

  private final int[] text;
  private final int steps;
  private final int batch;
  private final int windows;
  private final @Nullable SplittableRandom random;
  private final int[] starts;
  private final int[] ends;
  private int window;
  private int passes;

  private Lanes(int[] text, int steps, int batch, int windows, @Nullable SplittableRandom random) {
    this.text = text;
    this.steps = steps;
    this.batch = batch;
    this.windows = windows;
    this.random = random;
    this.starts = new int[batch];
    this.ends = new int[batch];
    this.window = windows;
  }

  /**
   * Lanes for training. The text is a ring; every pass begins at another place of it, so that
   * windows fall differently.
   */
  static Lanes training(int[] text, int steps, int batch, long seed) {
    int windows = Math.max(1, text.length / batch / steps);
    return new Lanes(text, steps, batch, windows, new SplittableRandom(seed));
  }

  /** Lanes for validation: every character but the first is a target exactly once. */
  static Lanes validation(int[] text, int steps, int batch) {
    int targets = Math.max(0, text.length - 1);
    int used = Math.max(1, Math.min(batch, targets / steps));
    int lane = (targets + used - 1) / used;
    Lanes lanes = new Lanes(text, steps, batch, (lane + steps - 1) / steps, null);
    for (int b = 0; b < batch; b++) {
      lanes.starts[b] = Math.min(targets, b * lane);
      lanes.ends[b] = Math.min(targets, (b + 1) * lane);
    }
    lanes.window = 0;
    return lanes;
  }

  /**
   * @return windows of one pass
   */
  int windows() {
    return windows;
  }

  /**
   * @return windows of the present pass that were read
   */
  int window() {
    return window;
  }

  /**
   * @return passes begun, so draws made
   */
  int passes() {
    return passes;
  }

  /**
   * Goes to a place in training where lanes of the same text, sizes and seed once were, by drawing
   * as often as they did.
   *
   * @param begun passes begun; lanes that are new have begun none
   * @param read windows of the last pass that were read
   */
  void resume(long begun, int read) {
    while (passes < begun) {
      begin(Objects.requireNonNull(random).nextInt(text.length));
    }
    window = read;
  }

  /**
   * Reads the next window.
   *
   * @param inputs [T, B], =
   * @param targets [T, B], = the character after each input, or {@link #IGNORED}
   * @return whether this window begins a pass, so that states begin at zero
   */
  boolean next(int[] inputs, int[] targets) {
    boolean first = window == windows || (random == null && window == 0);
    if (window == windows) {
      window = 0;
      if (random != null) {
        begin(random.nextInt(text.length));
      }
    }
    Arrays.fill(inputs, 0);
    Arrays.fill(targets, IGNORED);
    for (int b = 0; b < batch; b++) {
      for (int t = 0; t < steps; t++) {
        long position = starts[b] + (long) window * steps + t;
        if (random != null || position < ends[b]) {
          inputs[t * batch + b] = text[(int) (position % text.length)];
          targets[t * batch + b] = text[(int) ((position + 1) % text.length)];
        }
      }
    }
    window++;
    return first;
  }

  private void begin(int offset) {
    passes++;
    for (int b = 0; b < batch; b++) {
      starts[b] = (int) ((offset + (long) b * text.length / batch) % text.length);
    }
  }
}
