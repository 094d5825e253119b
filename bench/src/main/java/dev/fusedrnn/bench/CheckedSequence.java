package dev.fusedrnn.bench;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;
import dev.fusedrnn.testkit.Comparison;
import dev.fusedrnn.testkit.NetCase;
import dev.fusedrnn.testkit.NetCheck;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * A sequence that is ready to be timed, and proven right: {@link #check()} runs it once and
 * compares with the oracle. Whoever computes it says how in a subclass.
 *
 * <p>The oracle is far too slow for a whole batch, and need not see it: rows of a batch do not
 * depend on each other, and a row whose upstream gradients are zero adds exactly nothing to the
 * gradients of the weights. So the check gives upstream gradients to the first and the last row
 * alone, and the oracle computes these two.
 */
abstract class CheckedSequence implements AutoCloseable {
  /** Seed of all data. */
  static final long SEED = 20261120;

  private static final List<String> UPSTREAM = List.of("dy", "dhT", "dcT");

  final NetCase sizes;
  final Precision precision;
  final boolean training;
  final Map<String, float[]> data;
  private final int[] rows;

  /**
   * Draws the data.
   *
   * @param sizes the case; all optional tensors are taken
   * @param precision what it is computed in
   * @param training whether {@link #train()} will be called
   */
  CheckedSequence(NetCase sizes, Precision precision, boolean training) {
    this.sizes = sizes;
    this.precision = precision;
    this.training = training;
    this.data = sizes.data(precision.dtype());
    this.rows = IntStream.of(0, sizes.batch() - 1).distinct().toArray();
  }

  /** Writes an input, by the names of {@link NetCase}. */
  abstract void put(String name, float[] values);

  /** Reads an output, a gradient or a parameter. */
  abstract double[] get(String name);

  /** One forward pass, and the wait for it. */
  abstract void forward();

  /** One forward and one backward pass, and the wait for them. */
  abstract void train();

  /** Who computes, for messages. */
  abstract String who();

  @Override
  public abstract void close();

  /** Uploads everything; a subclass calls it when its memory is there. */
  final void putAll() {
    data.forEach(
        (name, values) -> {
          if (training || !UPSTREAM.contains(name)) {
            put(name, values);
          }
        });
  }

  /**
   * Runs once and compares every output and gradient with the oracle.
   *
   * @throws IllegalStateException naming the worst element of the first tensor that is too far off
   */
  final void check() {
    Map<String, float[]> few = new LinkedHashMap<>();
    data.forEach((name, values) -> few.put(name, rowsOf(name, values)));
    if (training) {
      upstream().forEach(name -> put(name, masked(name)));
      train();
      upstream().forEach(name -> put(name, valuesOf(name)));
    } else {
      forward();
    }
    NetCheck check = new NetCheck(withRows(rows.length), precision.dtype(), precision.tf32());
    try (Device oracle = Device.open(Backend.REFERENCE)) {
      for (Comparison tensor : check.compare(oracle, few, results())) {
        if (!tensor.pass()) {
          throw new IllegalStateException(
              String.format(
                  "%s on %s is wrong, so it is not timed: error %.3g, allowed %.3g; %s",
                  check.name(), who(), tensor.error(), tensor.allowed(), tensor.worst()));
        }
      }
    }
  }

  private NetCase withRows(int batch) {
    return new NetCase(
        sizes.name(),
        sizes.cell(),
        sizes.steps(),
        batch,
        sizes.input(),
        sizes.hidden(),
        sizes.settings(),
        sizes.lengths(),
        sizes.parts(),
        sizes.seed());
  }

  private List<String> upstream() {
    return UPSTREAM.stream().filter(data::containsKey).toList();
  }

  private float[] valuesOf(String name) {
    return data.getOrDefault(name, new float[0]);
  }

  private Map<String, double[]> results() {
    List<String> names = new ArrayList<>(List.of("y", "hT"));
    boolean cellState = sizes.cell().hasCellState();
    if (cellState) {
      names.add("cT");
    }
    if (training) {
      names.addAll(List.of("dx", "dh0"));
      if (cellState) {
        names.add("dc0");
      }
      data.keySet().stream().filter(name -> !isBatched(name)).map(n -> "d" + n).forEach(names::add);
    }
    Map<String, double[]> results = new LinkedHashMap<>();
    for (String name : names) {
      double[] values = get(name);
      results.put(name, isBatched(name) ? gather(name, values) : values);
    }
    return results;
  }

  /** Whether a tensor has the dimension B, always the last but one; parameters have not. */
  private static boolean isBatched(String name) {
    return !name.contains("_l");
  }

  private float[] rowsOf(String name, float[] values) {
    if (!isBatched(name)) {
      return values;
    }
    double[] wide = new double[values.length];
    for (int k = 0; k < wide.length; k++) {
      wide[k] = values[k];
    }
    double[] gathered = gather(name, wide);
    float[] narrow = new float[gathered.length];
    for (int k = 0; k < narrow.length; k++) {
      narrow[k] = (float) gathered[k];
    }
    return narrow;
  }

  /** The checked rows of a tensor [.., B, width]. */
  private double[] gather(String name, double[] values) {
    int width = width(name);
    int blocks = values.length / (sizes.batch() * width);
    double[] out = new double[blocks * rows.length * width];
    for (int block = 0; block < blocks; block++) {
      for (int row = 0; row < rows.length; row++) {
        int from = (block * sizes.batch() + rows[row]) * width;
        System.arraycopy(values, from, out, (block * rows.length + row) * width, width);
      }
    }
    return out;
  }

  private int width(String name) {
    int[] shape = sizes.shape(name);
    return shape[shape.length - 1];
  }

  private float[] masked(String name) {
    float[] masked = valuesOf(name).clone();
    int width = width(name);
    for (int k = 0; k < masked.length; k++) {
      int row = k / width % sizes.batch();
      if (row != rows[0] && row != rows[rows.length - 1]) {
        masked[k] = 0;
      }
    }
    return masked;
  }

  /** Spoils one weight, so that a test can see the check fail. */
  final void spoil(long seed) {
    float[] values = valuesOf("weight_hh_l0").clone();
    values[new SplittableRandom(seed).nextInt(values.length)] += 0.5f;
    put("weight_hh_l0", values);
  }
}
