package dev.fusedrnn.bench;

import dev.fusedrnn.testkit.NetCase;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * The rows of a batch that are compared with the oracle, which is far too slow for a whole batch,
 * and need not see it: rows do not depend on each other, and a row whose upstream gradients are
 * zero adds exactly nothing to the gradients of the weights. So the first and the last row alone
 * get upstream gradients while a case is checked, and the oracle computes these two.
 */
public final class CheckedRows {
  private static final List<String> UPSTREAM = List.of("dy", "dhT", "dcT");

  private final NetCase sizes;
  private final Map<String, float[]> data;
  private final int[] rows;

  /**
   * Chooses the rows.
   *
   * @param sizes the whole case
   * @param data of the whole case, as {@link NetCase#data(dev.fusedrnn.DType)} draws it
   */
  public CheckedRows(NetCase sizes, Map<String, float[]> data) {
    this.sizes = sizes;
    this.data = data;
    this.rows = IntStream.of(0, sizes.batch() - 1).distinct().toArray();
  }

  /**
   * The case that the oracle computes.
   *
   * @return with as many rows as are checked
   */
  public NetCase few() {
    return new NetCase(
        sizes.name(),
        sizes.cell(),
        sizes.steps(),
        rows.length,
        sizes.input(),
        sizes.hidden(),
        sizes.settings(),
        sizes.lengths(),
        sizes.parts(),
        sizes.seed());
  }

  /**
   * What the oracle starts from.
   *
   * @return the data of the checked rows, by name
   */
  public Map<String, float[]> fewData() {
    Map<String, float[]> few = new LinkedHashMap<>();
    data.forEach((name, values) -> few.put(name, rowsOf(name, values)));
    return few;
  }

  /** The upstream gradients that the case has. */
  List<String> upstream() {
    return UPSTREAM.stream().filter(data::containsKey).toList();
  }

  /** Whether a tensor is an upstream gradient. */
  static boolean isUpstream(String name) {
    return UPSTREAM.contains(name);
  }

  /** Whether a tensor has the dimension B, always the last but one; parameters have not. */
  static boolean isBatched(String name) {
    return !name.contains("_l");
  }

  /** A tensor of the whole case with zeros in every row that is not checked. */
  float[] masked(String name) {
    float[] masked = data.getOrDefault(name, new float[0]).clone();
    int width = width(name);
    for (int k = 0; k < masked.length; k++) {
      int row = k / width % sizes.batch();
      if (row != rows[0] && row != rows[rows.length - 1]) {
        masked[k] = 0;
      }
    }
    return masked;
  }

  /** The checked rows of a tensor [.., B, width]; a parameter as it is. */
  double[] gather(String name, double[] values) {
    if (!isBatched(name)) {
      return values;
    }
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

  private int width(String name) {
    int[] shape = sizes.shape(name);
    return shape[shape.length - 1];
  }
}
