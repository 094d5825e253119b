package dev.fusedrnn.bench.grid;

import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Event;
import dev.fusedrnn.Graph;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.SequenceKernel;
import dev.fusedrnn.Stream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** A cell of the grid on a device: seeded data, one run of it, and its results. */
final class GridRun implements AutoCloseable {
  private static final long SEED = 20261121;
  private static final long BLOCK = 1 << 20;
  private static final int WARM_UP = 3;
  private static final int MOST = 30;
  private static final double ENOUGH_MICROS = 200_000;

  /**
   * What a clock said, in microseconds.
   *
   * @param median of the runs
   * @param fastest of them
   * @param slowest of them
   * @param how what to add to the row's description
   */
  record Time(double median, double fastest, double slowest, String how) {}

  private final GridCell cell;
  private final Device device;
  private final Stream stream;
  private final Rnn net;
  private final RnnParameters parameters;
  private final @Nullable RnnParameters gradients;
  private final RnnSequence sequence;

  /**
   * Allocates and fills.
   *
   * @param device stays the caller's
   * @param cell what to run
   * @param precision in which numbers; the data are the same in each
   * @param kernel which kernels run the loop over time
   */
  GridRun(Device device, GridCell cell, Precision precision, SequenceKernel kernel) {
    this.cell = cell;
    this.device = device;
    this.stream = device.newStream();
    RnnConfig config =
        RnnConfig.builder(cell.cell())
            .inputSize(cell.hidden())
            .hiddenSize(cell.hidden())
            .dtype(precision.dtype())
            .layers(cell.layers())
            .bidirectional(cell.directions() == 2)
            .build();
    net = Rnn.create(device, config);
    parameters = net.newParameters();
    gradients = cell.training() ? net.newGradients() : null;
    sequence = net.newSequence(cell.steps(), cell.batch(), cell.training());
    sequence.call().parameters(parameters).allowTf32(precision.tf32()).kernel(kernel);
    SplittableRandom random = new SplittableRandom(SEED);
    double scale = 1 / Math.sqrt(cell.hidden()); // torch.nn's initial weights
    parameters.named().values().forEach(buffer -> fill(buffer, random.split(), scale));
    fill(sequence.x(), random.split(), 1);
    zero(sequence.h0());
    if (cell.cell().hasCellState()) {
      zero(sequence.c0());
    }
    if (gradients != null) {
      sequence.call().gradients(gradients).dhT(null).dcT(null);
      fill(sequence.dy(), random.split(), 1);
    }
  }

  private void zero(DeviceBuffer buffer) {
    buffer.zero(stream);
  }

  /** The same block of numbers over and over: drawing them all would take longer than the run. */
  private static void fill(DeviceBuffer buffer, SplittableRandom random, double scale) {
    float[] block = new float[Math.toIntExact(Math.min(buffer.length(), BLOCK))];
    for (int k = 0; k < block.length; k++) {
      block[k] = (float) (scale * (2 * random.nextDouble() - 1));
    }
    for (long at = 0; at < buffer.length(); at += BLOCK) {
      int count = Math.toIntExact(Math.min(BLOCK, buffer.length() - at));
      buffer.slice(at, count).write(count == block.length ? block : Arrays.copyOf(block, count));
    }
  }

  /** Enqueues the work that is timed. */
  void enqueue() {
    sequence.forward(stream);
    if (cell.training()) {
      sequence.backward(stream);
    }
  }

  /**
   * Runs once and reads the results: of large ones the beginning and the end.
   *
   * @return outputs and gradients by name
   */
  Map<String, float[]> results() {
    enqueue();
    stream.synchronize();
    Map<String, float[]> results = new LinkedHashMap<>();
    put(results, "y", sequence.y());
    if (gradients != null) {
      put(results, "dx", sequence.dx());
      gradients.named().forEach((name, buffer) -> put(results, "d" + name, buffer));
    }
    return results;
  }

  private static void put(Map<String, float[]> results, String name, DeviceBuffer buffer) {
    long length = buffer.length();
    if (length <= 2 * BLOCK) {
      results.put(name, buffer.readFloats());
      return;
    }
    results.put(name + ", first", buffer.slice(0, BLOCK).readFloats());
    results.put(name + ", last", buffer.slice(length - BLOCK, BLOCK).readFloats());
  }

  /** Times the run as it is enqueued call by call. */
  Time time() {
    return time(this::enqueue, "");
  }

  /** Times the run as a graph that was captured once. */
  Time timeGraph() {
    try (Graph graph = stream.capture(this::enqueue)) {
      return time(() -> graph.launch(stream), ", graph");
    }
  }

  /** By the device's events, one run after another as a training enqueues them. */
  private Time time(Runnable work, String how) {
    List<Double> micros = new ArrayList<>();
    for (int k = 0; k < WARM_UP; k++) {
      work.run();
    }
    stream.synchronize();
    double sum = 0;
    try (Event start = device.newEvent();
        Event end = device.newEvent()) {
      while (micros.size() < MOST && (micros.size() < 3 || sum < ENOUGH_MICROS)) {
        start.record(stream);
        work.run();
        end.record(stream);
        end.synchronize();
        double one = Event.elapsedMicros(start, end);
        micros.add(one);
        sum += one;
      }
    }
    micros.sort(null);
    return new Time(
        micros.get(micros.size() / 2), micros.get(0), micros.get(micros.size() - 1), how);
  }

  @Override
  public void close() {
    sequence.close();
    if (gradients != null) {
      gradients.close();
    }
    parameters.close();
    stream.close();
  }
}
