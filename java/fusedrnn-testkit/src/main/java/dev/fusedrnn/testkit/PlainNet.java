package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.RnnConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A recurrent network in plain float loops, forward and backward through time, as in training: the
 * "plain fp32 computation of the same thing" whose error is the yardstick for every backend. It is
 * not an oracle: it shares no code with the reference backend, and is fp32 on purpose.
 */
final class PlainNet {
  final NetCase sizes;
  final RnnConfig config;
  final Map<String, float[]> data;
  final SummationOrder order;
  final Storage storage;

  private final int rows;
  private final int width;
  private final int directions;
  private final List<PlainLayer> layers = new ArrayList<>();
  private final Map<String, float[]> out = new LinkedHashMap<>();

  private PlainNet(
      NetCase sizes, Map<String, float[]> data, SummationOrder order, Storage storage) {
    this.storage = storage;
    this.sizes = sizes;
    this.config = sizes.config(DType.F32);
    this.data = data;
    this.order = order;
    this.rows = sizes.steps() * sizes.batch();
    this.width = Math.toIntExact(config.stateSize());
    this.directions = config.directions();
  }

  /**
   * Computes every output and gradient.
   *
   * @param sizes the case
   * @param data its inputs; absent ones are zero
   * @param order how sums are taken
   * @param storage what sequences, states and gradients are kept in
   * @return by the names of {@link NetCase}
   */
  static Map<String, float[]> run(
      NetCase sizes, Map<String, float[]> data, SummationOrder order, Storage storage) {
    PlainNet net = new PlainNet(sizes, data, order, storage);
    net.forward();
    net.backward();
    net.out.forEach(
        (name, values) -> {
          if (!NetRun.keptInF32(name)) {
            storage.round(values);
          }
        });
    return net.out;
  }

  PlainMask mask(int stream, int kind, double probability) {
    return new PlainMask(sizes.seed(), NetCase.MASK_OFFSET, stream, kind, probability);
  }

  /** The part of a state [L*D, B, .] that belongs to one layer and direction; zero if absent. */
  private float[] state(String name, int entry, int features) {
    float[] all = data.get(name);
    int count = sizes.batch() * features;
    return all == null
        ? new float[count]
        : Arrays.copyOfRange(all, entry * count, (entry + 1) * count);
  }

  private void forward() {
    float[] in = timeFirst(data.get("x"), sizes.input());
    float[] hT = new float[config.layers() * directions * sizes.batch() * width];
    int hidden = sizes.hidden();
    float[] cT = new float[config.layers() * directions * sizes.batch() * hidden];
    for (int k = 0; k < config.layers(); k++) {
      float[] joined = new float[rows * directions * width];
      for (int d = 0; d < directions; d++) {
        int entry = k * directions + d;
        float[] h0 = state("h0", entry, width);
        PlainLayer layer = PlainLayer.of(this, k, d, in, h0, state("c0", entry, hidden));
        layers.add(layer);
        layer.forward();
        place(layer.y, joined, d);
        System.arraycopy(layer.h, 0, hT, entry * layer.h.length, layer.h.length);
        float[] c = layer.cellState();
        System.arraycopy(c, 0, cT, entry * c.length, c.length);
      }
      if (config.residual() && k > 0) {
        add(joined, in);
      }
      dropOut(joined, k);
      in = storage.round(joined);
    }
    out.put("y", fileOrder(in, directions * width));
    out.put("hT", hT);
    if (config.cell().hasCellState()) {
      out.put("cT", cT);
    }
  }

  private void backward() {
    float[] dy = data.get("dy");
    int features = directions * width;
    float[] dOut = dy == null ? new float[rows * features] : timeFirst(dy, features);
    float[] dh0 = new float[out.get("hT").length];
    float[] dc0 = new float[config.layers() * directions * sizes.batch() * sizes.hidden()];
    for (int k = config.layers() - 1; k >= 0; k--) {
      dropOut(dOut, k);
      float[] dIn = new float[rows * Math.toIntExact(config.inputSize(k))];
      if (config.residual() && k > 0) {
        add(dIn, dOut);
        zeroBeyondLengths(dIn, features);
      }
      for (int d = 0; d < directions; d++) {
        int entry = k * directions + d;
        PlainLayer layer = layers.get(entry);
        float[] dhT = state("dhT", entry, width);
        layer.backward(part(dOut, d), dhT, state("dcT", entry, sizes.hidden()));
        add(dIn, layer.dx);
        System.arraycopy(layer.dh, 0, dh0, entry * layer.dh.length, layer.dh.length);
        float[] dc = layer.cellState();
        System.arraycopy(dc, 0, dc0, entry * dc.length, dc.length);
      }
      dOut = storage.round(dIn);
    }
    out.put("dx", fileOrder(dOut, sizes.input()));
    out.put("dh0", dh0);
    if (config.cell().hasCellState()) {
      out.put("dc0", dc0);
    }
    layers.forEach(layer -> layer.gradients(out));
  }

  private void dropOut(float[] values, int layer) {
    if (layer < config.layers() - 1 && config.dropout() > 0) {
      PlainMask mask = mask(layer * 2, 0, config.dropout());
      for (int e = 0; e < values.length; e++) {
        values[e] *= mask.factor(e);
      }
    }
  }

  private static void add(float[] to, float[] from) {
    for (int e = 0; e < to.length; e++) {
      to[e] += from[e];
    }
  }

  private void zeroBeyondLengths(float[] values, int features) {
    int[] live = sizes.liveSteps();
    for (int n = 0; n < rows; n++) {
      if (n / sizes.batch() >= live[n % sizes.batch()]) {
        Arrays.fill(values, n * features, (n + 1) * features, 0);
      }
    }
  }

  /** Writes [T*B, W] into the columns of one direction. */
  private void place(float[] one, float[] joined, int direction) {
    for (int n = 0; n < rows; n++) {
      int to = (n * directions + direction) * width;
      System.arraycopy(one, n * width, joined, to, width);
    }
  }

  private float[] part(float[] joined, int direction) {
    float[] one = new float[rows * width];
    for (int n = 0; n < rows; n++) {
      int from = (n * directions + direction) * width;
      System.arraycopy(joined, from, one, n * width, width);
    }
    return one;
  }

  private float[] timeFirst(float[] values, int features) {
    return config.batchFirst()
        ? swap(values, sizes.batch(), sizes.steps(), features)
        : values.clone();
  }

  private float[] fileOrder(float[] values, int features) {
    return config.batchFirst() ? swap(values, sizes.steps(), sizes.batch(), features) : values;
  }

  /** [A, B, C] to [B, A, C]. */
  private static float[] swap(float[] values, int a, int b, int c) {
    float[] swapped = new float[values.length];
    for (int i = 0; i < a; i++) {
      for (int j = 0; j < b; j++) {
        System.arraycopy(values, (i * b + j) * c, swapped, (j * a + i) * c, c);
      }
    }
    return swapped;
  }
}
