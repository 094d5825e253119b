package dev.fusedrnn.internal;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Status;
import java.util.Arrays;
import java.util.EnumSet;

/**
 * Stacked layers in one or two directions. Layer k reads in[k] and gives out[k] = its directions
 * side by side, plus in[k] where layers are residual and k is not 0; in[k + 1] is out[k] after
 * dropout. Everything is kept time first here, whatever the layout in memory.
 */
final class ReferenceNet {
  private final ReferenceMemory memory;
  private final NetArguments arguments;
  private final Struct<Fields.Net> net;
  private final DType dtype;
  private final int layers;
  private final int directions;
  private final int[] lengths;
  private final ReferenceLayer.Options options;
  private final ReferenceRnn[] sequences; // by layer and direction
  private double[] y = {};

  ReferenceNet(ReferenceMemory memory, NetArguments arguments, boolean training) {
    if (arguments.struct().get(Fields.Net.KERNEL) != 0) {
      throw new Refusal(
          Status.UNSUPPORTED,
          "kernel: the reference backend has one way to run a sequence: leave it AUTO");
    }
    this.memory = memory;
    this.arguments = arguments;
    this.net = arguments.struct();
    this.dtype = ReferenceOps.real(net.get(Fields.Net.DTYPE));
    this.layers = size(Fields.Net.L);
    this.directions = size(Fields.Net.D);
    this.sequences = new ReferenceRnn[layers * directions];
    this.lengths = new int[size(Fields.Net.B)];
    Arrays.fill(lengths, size(Fields.Net.T));
    if (net.get(Fields.Net.LENGTHS) != 0) {
      int[] given = memory.loadInts(net.get(Fields.Net.LENGTHS), lengths.length);
      Arrays.setAll(lengths, b -> Math.max(0, Math.min(size(Fields.Net.T), given[b])));
    }
    this.options =
        new ReferenceLayer.Options(
            training,
            net.getDouble(Fields.Net.CELL_CLIP),
            net.getDouble(Fields.Net.DROPOUT),
            net.getDouble(Fields.Net.RECURRENT_DROPOUT),
            net.getDouble(Fields.Net.ZONEOUT_H),
            net.getDouble(Fields.Net.ZONEOUT_C),
            net.get(Fields.Net.SEED),
            net.get(Fields.Net.OFFSET) + word(memory, net.get(Fields.Net.OFFSET_ADDRESS)),
            net.get(Fields.Net.NORM),
            net.getDouble(Fields.Net.NORM_EPSILON),
            net.getDouble(Fields.Net.NORM_MOMENTUM));
  }

  private static long word(ReferenceMemory memory, long address) {
    return address == 0 ? 0 : memory.at(address, 8).getLong(0);
  }

  private int size(Fields.Net field) {
    return Math.toIntExact(net.get(field));
  }

  private ReferenceLayer layer(int k, int direction) {
    int projection = size(Fields.Net.P);
    int width = projection > 0 ? projection : size(Fields.Net.H);
    return new ReferenceLayer(
        Cell.values()[size(Fields.Net.CELL)],
        net.get(Fields.Net.VARIANT),
        size(Fields.Net.T),
        lengths.length,
        k == 0 ? size(Fields.Net.I) : directions * width,
        size(Fields.Net.H),
        projection,
        direction == 1,
        lengths,
        options,
        k * 2 + direction);
  }

  private int width() {
    return layer(0, 0).width();
  }

  private boolean residual(int k) {
    return k > 0 && net.get(Fields.Net.RESIDUAL) != 0;
  }

  // ---- Forward ----

  void forward() {
    double[] in =
        timeFirst(load(Fields.Net.X, sequenceLength(size(Fields.Net.I))), size(Fields.Net.I));
    for (int k = 0; k < layers; k++) {
      double[] out = new double[sequenceLength(directions * width())];
      for (int d = 0; d < directions; d++) {
        ReferenceLayer layer = layer(k, d);
        int entry = k * directions + d;
        ReferenceRnn sequence =
            new ReferenceRnn(
                layer,
                weights(layer, entry),
                in,
                load(Fields.Net.H0, entry, layer.width()),
                load(Fields.Net.C0, entry, layer.hidden()));
        sequence.forward();
        sequences[entry] = sequence;
        beside(sequence.y(), out, d);
      }
      if (residual(k)) {
        add(in, out);
      }
      y = out;
      in = dropout(out, k);
    }
  }

  void storeForward() {
    store(Fields.Net.Y, layout(y, directions * width()));
    for (int entry = 0; entry < sequences.length; entry++) {
      store(Fields.Net.HT, entry, sequences[entry].hT());
      store(Fields.Net.CT, entry, sequences[entry].cT());
      if (options.training()) {
        storeStatistics(entry);
      }
    }
  }

  private void storeStatistics(int entry) {
    memory.store(
        arguments.weight(entry, Fields.Weights.RUNNING_MEAN),
        sequences[entry].runningMean(),
        dtype);
    memory.store(
        arguments.weight(entry, Fields.Weights.RUNNING_VAR),
        sequences[entry].runningVariance(),
        dtype);
  }

  private ReferenceWeights weights(ReferenceLayer layer, int entry) {
    ReferenceWeights weights = new ReferenceWeights(layer);
    for (Fields.Weights field : Fields.Weights.values()) {
      int length = weights.get(field).length;
      weights.set(field, memory.load(arguments.weight(entry, field), length, dtype));
    }
    return weights;
  }

  // ---- Backward ----

  void backward() {
    int features = directions * width();
    double[] dout = timeFirst(load(Fields.Net.DY, sequenceLength(features)), features);
    for (int k = layers - 1; k >= 0; k--) {
      double[] din = new double[sequenceLength(layer(k, 0).input())];
      for (int d = 0; d < directions; d++) {
        int entry = k * directions + d;
        sequences[entry].backward(
            part(dout, d),
            load(Fields.Net.DHT, entry, width()),
            load(Fields.Net.DCT, entry, size(Fields.Net.H)));
        add(sequences[entry].dx(), din);
      }
      if (residual(k)) {
        add(dout, din); // steps beyond a row's length are not read by the layer below
      }
      dout = k > 0 ? dropout(din, k - 1) : din;
    }
    store(Fields.Net.DX, layout(dout, size(Fields.Net.I)));
    for (int entry = 0; entry < sequences.length; entry++) {
      store(Fields.Net.DH0, entry, sequences[entry].dh0());
      store(Fields.Net.DC0, entry, sequences[entry].dc0());
      storeGradients(entry, sequences[entry].gradients());
    }
  }

  private void storeGradients(int entry, ReferenceWeights gradients) {
    boolean add = (net.get(Fields.Net.FLAGS) & Flags.ACCUMULATE) != 0;
    for (Fields.Weights field : EnumSet.range(Fields.Weights.W_IH, Fields.Weights.NORM_C_BIAS)) {
      memory.store(arguments.gradient(entry, field), gradients.get(field), dtype, add);
    }
  }

  // ---- Layout ----

  private double[] dropout(double[] values, int k) {
    Mask mask = options.mask(options.dropout(), k * 2, Mask.DROPOUT);
    boolean last = k + 1 == layers;
    double[] out = values.clone();
    if (!last) {
      Arrays.setAll(out, e -> mask.apply(values[e], e));
    }
    return out;
  }

  private static void add(double[] values, double[] sum) {
    Arrays.setAll(sum, k -> sum[k] + values[k]);
  }

  private int sequenceLength(int features) {
    return Math.multiplyExact(Math.multiplyExact(size(Fields.Net.T), lengths.length), features);
  }

  private void beside(double[] values, double[] out, int direction) {
    int width = width();
    for (int row = 0; row < size(Fields.Net.T) * lengths.length; row++) {
      System.arraycopy(values, row * width, out, (row * directions + direction) * width, width);
    }
  }

  private double[] part(double[] values, int direction) {
    int width = width();
    double[] out = new double[values.length / directions];
    for (int row = 0; row < size(Fields.Net.T) * lengths.length; row++) {
      System.arraycopy(values, (row * directions + direction) * width, out, row * width, width);
    }
    return out;
  }

  private boolean batchFirst() {
    return (net.get(Fields.Net.FLAGS) & Flags.BATCH_FIRST) != 0;
  }

  /** From the layout in memory. */
  private double[] timeFirst(double[] values, int features) {
    return batchFirst() ? transposed(values, lengths.length, size(Fields.Net.T), features) : values;
  }

  /** To the layout in memory. */
  private double[] layout(double[] values, int features) {
    return batchFirst() ? transposed(values, size(Fields.Net.T), lengths.length, features) : values;
  }

  private static double[] transposed(double[] values, int rows, int columns, int features) {
    double[] out = new double[values.length];
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < columns; c++) {
        System.arraycopy(
            values, (r * columns + c) * features, out, (c * rows + r) * features, features);
      }
    }
    return out;
  }

  private double[] load(Fields.Net field, int elements) {
    return memory.load(net.get(field), elements, dtype);
  }

  private double[] load(Fields.Net field, int entry, int features) {
    long elements = (long) lengths.length * features;
    long base = net.get(field);
    return memory.load(base == 0 ? 0 : base + entry * elements * dtype.bytes(), elements, dtype);
  }

  private void store(Fields.Net field, double[] values) {
    memory.store(net.get(field), values, dtype);
  }

  private void store(Fields.Net field, int entry, double[] values) {
    long base = net.get(field);
    memory.store(
        base == 0 ? 0 : base + (long) entry * values.length * dtype.bytes(), values, dtype);
  }
}
