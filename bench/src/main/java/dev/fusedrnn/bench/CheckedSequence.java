package dev.fusedrnn.bench;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.Stream;
import dev.fusedrnn.testkit.Comparison;
import dev.fusedrnn.testkit.RnnCase;
import dev.fusedrnn.testkit.RnnCheck;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A sequence on a device, ready to be timed, and proven right: {@link #check()} runs it once and
 * compares with the oracle.
 *
 * <p>The oracle is far too slow for a whole batch, and need not see it: rows of a batch do not
 * depend on each other, and a row whose upstream gradients are zero adds exactly nothing to the
 * gradients of the weights. So the check gives upstream gradients to the first and the last row
 * alone, and the oracle computes these two.
 */
final class CheckedSequence implements AutoCloseable {
  private final RnnCase sizes;
  private final boolean training;
  private final Device device;
  private final Stream stream;
  private final Rnn layer;
  private final RnnParameters parameters;
  private final RnnParameters gradients;
  private final RnnSequence sequence;
  private final Map<String, float[]> data;
  private final int[] rows;

  /**
   * Allocates and uploads.
   *
   * @param device where it runs; stays the caller's to close
   * @param sizes the case; all optional tensors are taken
   * @param training whether {@link #train()} will be called
   */
  CheckedSequence(Device device, RnnCase sizes, boolean training) {
    this.device = device;
    this.sizes = sizes;
    this.training = training;
    this.stream = device.defaultStream();
    this.rows = IntStream.of(0, sizes.batch() - 1).distinct().toArray();
    this.data = sizes.data();
    RnnConfig config =
        RnnConfig.builder(sizes.cell()).inputSize(sizes.input()).hiddenSize(sizes.hidden()).build();
    this.layer = Rnn.create(device, config);
    this.parameters = layer.newParameters();
    this.gradients = layer.newGradients();
    this.sequence = layer.newSequence(sizes.steps(), sizes.batch(), training);
    sequence.call().parameters(parameters);
    if (training) {
      sequence.call().gradients(gradients);
    }
    upload(parameters.weightIh(), "w_ih");
    upload(parameters.weightHh(), "w_hh");
    upload(parameters.biasIh(), "b_ih");
    upload(parameters.biasHh(), "b_hh");
    upload(sequence.x(), "x");
    upload(sequence.h0(), "h0");
    if (hasCellState()) {
      upload(sequence.c0(), "c0");
    }
    uploadUpstream();
  }

  private boolean hasCellState() {
    return sizes.cell().hasCellState();
  }

  private void uploadUpstream() {
    if (training) {
      upload(sequence.dy(), "dy");
      upload(sequence.dhT(), "dhT");
      if (hasCellState()) {
        upload(sequence.dcT(), "dcT");
      }
    }
  }

  private void upload(@Nullable DeviceBuffer buffer, String name) {
    float[] values = data.get(name);
    if (buffer != null && values != null) {
      buffer.write(values);
    }
  }

  /** One forward pass, and the wait for it. */
  void forward() {
    layer.forward(sequence.call(), stream);
    stream.synchronize();
  }

  /** One forward and one backward pass, and the wait for them. */
  void train() {
    layer.forward(sequence.call(), stream);
    layer.backward(sequence.call(), stream);
    stream.synchronize();
  }

  /**
   * Runs once and compares every output and gradient with the oracle.
   *
   * @throws IllegalStateException naming the worst element of the first tensor that is too far off
   */
  void check() {
    Map<String, float[]> few = new LinkedHashMap<>();
    data.forEach((name, values) -> few.put(name, rowsOf(name, values)));
    if (training) {
      maskUpstream(sequence.dy(), "dy");
      maskUpstream(sequence.dhT(), "dhT");
      if (hasCellState()) {
        maskUpstream(sequence.dcT(), "dcT");
      }
      train();
      uploadUpstream();
    } else {
      forward();
    }
    RnnCase fewRows =
        new RnnCase(
            sizes.cell(),
            sizes.steps(),
            rows.length,
            sizes.input(),
            sizes.hidden(),
            sizes.parts(),
            sizes.seed());
    try (Device oracle = Device.open(Backend.REFERENCE)) {
      for (Comparison tensor : RnnCheck.compare(oracle, fewRows, few, results())) {
        if (!tensor.pass()) {
          throw new IllegalStateException(
              String.format(
                  "%s on %s is wrong, so it is not timed: error %.3g, allowed %.3g; %s",
                  sizes.name(), device, tensor.error(), tensor.allowed(), tensor.worst()));
        }
      }
    }
  }

  private Map<String, double[]> results() {
    Map<String, double[]> results = new LinkedHashMap<>();
    result(results, "y", sequence.y());
    result(results, "hT", sequence.hT());
    if (hasCellState()) {
      result(results, "cT", sequence.cT());
    }
    if (training) {
      result(results, "dx", sequence.dx());
      result(results, "dh0", sequence.dh0());
      if (hasCellState()) {
        result(results, "dc0", sequence.dc0());
      }
      result(results, "dw_ih", gradients.weightIh());
      result(results, "dw_hh", gradients.weightHh());
      result(results, "db_ih", gradients.biasIh());
      result(results, "db_hh", gradients.biasHh());
    }
    return results;
  }

  private void result(Map<String, double[]> results, String name, @Nullable DeviceBuffer buffer) {
    if (buffer != null) {
      double[] values = buffer.readDoubles();
      results.put(name, isBatched(name) ? gather(name, values) : values);
    }
  }

  /** Whether a tensor has the dimension B, always the last but one. */
  private boolean isBatched(String name) {
    return !name.contains("w_") && !name.contains("b_");
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
    int[] shape = sizes.shape(name);
    int width = shape[shape.length - 1];
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

  private void maskUpstream(@Nullable DeviceBuffer buffer, String name) {
    float[] values = data.get(name);
    if (buffer == null || values == null) {
      return;
    }
    int[] shape = sizes.shape(name);
    int width = shape[shape.length - 1];
    float[] masked = new float[values.length];
    for (int k = 0; k < values.length; k++) {
      int row = k / width % sizes.batch();
      masked[k] = row == rows[0] || row == rows[rows.length - 1] ? values[k] : 0;
    }
    buffer.write(masked);
  }

  /** Spoils one weight, so that a test can see the check fail. */
  void spoil(long seed) {
    float[] values = parameters.weightHh().readFloats();
    values[new SplittableRandom(seed).nextInt(values.length)] += 0.5f;
    parameters.weightHh().write(values);
  }

  @Override
  public void close() {
    sequence.close();
    gradients.close();
    parameters.close();
  }
}
