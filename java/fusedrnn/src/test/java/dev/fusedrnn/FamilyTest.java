package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Goal: lengths, layouts, chunks and masks mean on every backend what the header says. Method: two
 * ways to the same numbers, compared bit by bit: a row in a batch and alone, time first and batch
 * first, one pass and two chunks, forward and reverse.
 */
class FamilyTest {
  private static final int T = 6;
  private static final int B = 4;
  private static final int I = 5;
  private static final int H = 7;
  private static final int[] LENGTHS = {3, 0, 6, 1};

  static Stream<Arguments> cells() {
    return Backends.all().stream()
        .flatMap(backend -> Arrays.stream(Cell.values()).map(cell -> Arguments.of(backend, cell)));
  }

  static Stream<Backend> backends() {
    return Backends.all().stream();
  }

  /** The reference computes in double whatever it stores; only F64 then carries state exactly. */
  private static RnnConfigBuilder config(Backend backend, Cell cell) {
    return RnnConfig.builder(cell)
        .inputSize(I)
        .hiddenSize(H)
        .dtype(backend == Backend.REFERENCE ? DType.F64 : DType.F32);
  }

  /** A network with parameters and one sequence on a device of its own. */
  private static final class Run implements AutoCloseable {
    final Device device;
    final Rnn rnn;
    final RnnParameters parameters;
    final RnnParameters gradients;
    final RnnSequence s;

    Run(Backend backend, RnnConfig config, int steps, int batch) {
      device = Device.open(backend);
      rnn = Rnn.create(device, config);
      parameters = rnn.newParameters().initializeUniform(3);
      gradients = rnn.newGradients();
      s = rnn.newSequence(steps, batch, true);
      s.call().parameters(parameters).gradients(gradients).seed(11, 12);
    }

    void run() {
      s.forward(device.defaultStream());
      s.backward(device.defaultStream());
    }

    boolean cellState() {
      return rnn.config().cell().hasCellState();
    }

    @Override
    public void close() {
      s.close();
      gradients.close();
      parameters.close();
      device.close();
    }
  }

  private static float[] random(int seed, int length) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[length];
    for (int k = 0; k < length; k++) {
      values[k] = (float) random.nextDouble(-1, 1);
    }
    return values;
  }

  /** One row of [rows, B, features] data as [rows, 1, features]. */
  private static float[] row(float[] values, int b, int features) {
    float[] out = new float[values.length / B];
    for (int r = 0; r < out.length / features; r++) {
      System.arraycopy(values, (r * B + b) * features, out, r * features, features);
    }
    return out;
  }

  /** The first steps of time-first data. */
  private static float[] steps(float[] values, int from, int to, int rowLength) {
    return Arrays.copyOfRange(values, from * rowLength, to * rowLength);
  }

  /**
   * Both directions, two layers: each row of a batch of uneven rows gives what it gives alone in a
   * sequence of just its length; what lies beyond its length is never read (it is NaN) and its y
   * and dx are zero.
   */
  @ParameterizedTest
  @MethodSource("cells")
  void aRowIsAsIfAlone(Backend backend, Cell cell) {
    RnnConfig config = config(backend, cell).layers(2).bidirectional(true).build();
    assertRowsAlone(backend, config, oneKernel(backend));
    boolean resident = cell.ordinal() <= Cell.RNN_RELU.ordinal();
    if (resident && oneKernel(backend) == SequenceKernel.STEP) {
      assertRowsAlone(backend, config, SequenceKernel.SM);
    }
  }

  /** Layer norm, peepholes, projection and clip look at one row only, too. */
  @ParameterizedTest
  @MethodSource("backends")
  void aRowOfAnLstmIsAsIfAlone(Backend backend) {
    RnnConfigBuilder both = config(backend, Cell.LSTM).layers(2).bidirectional(true);
    SequenceKernel kernel = oneKernel(backend);
    assertRowsAlone(backend, both.norm(Norm.LAYER).build(), kernel);
    assertRowsAlone(backend, both.norm(Norm.NONE).peephole(true).cellClip(0.3).build(), kernel);
  }

  /** On a gpu the planner may take another kernel for a shorter sequence, and so other bits. */
  private static SequenceKernel oneKernel(Backend backend) {
    boolean gpu = backend == Backend.CUDA || backend == Backend.EMULATED;
    return gpu ? SequenceKernel.STEP : SequenceKernel.AUTO;
  }

  private static void assertRowsAlone(Backend backend, RnnConfig config, SequenceKernel kernel) {
    int width = 2 * H;
    float[] x = random(1, T * B * I);
    float[] dy = random(2, T * B * width);
    float[] h0 = random(3, 4 * B * H);
    float[] dhT = random(4, 4 * B * H);
    for (int t = 0; t < T; t++) {
      for (int b = 0; b < B; b++) {
        if (t >= LENGTHS[b]) {
          Arrays.fill(x, (t * B + b) * I, (t * B + b + 1) * I, Float.NaN);
          Arrays.fill(dy, (t * B + b) * width, (t * B + b + 1) * width, Float.NaN);
        }
      }
    }
    try (Run all = new Run(backend, config, T, B)) {
      all.s.lengths(LENGTHS);
      all.s.call().kernel(kernel);
      fill(all, x, dy, h0, dhT);
      all.run();
      for (int b = 0; b < B; b++) {
        float[] y = row(all.s.y().readFloats(), b, width);
        float[] dx = row(all.s.dx().readFloats(), b, I);
        int length = LENGTHS[b];
        assertArrayEquals(new float[(T - length) * width], steps(y, length, T, width));
        assertArrayEquals(new float[(T - length) * I], steps(dx, length, T, I));
        try (Run one = new Run(backend, config, length, 1)) {
          one.s.call().kernel(kernel);
          fill(
              one,
              steps(row(x, b, I), 0, length, I),
              steps(row(dy, b, width), 0, length, width),
              row(h0, b, H),
              row(dhT, b, H));
          one.run();
          assertArrayEquals(one.s.y().readFloats(), steps(y, 0, length, width), "y of " + b);
          assertArrayEquals(one.s.dx().readFloats(), steps(dx, 0, length, I), "dx of " + b);
          Map<String, DeviceBuffer> alone = states(one);
          int index = b;
          states(all)
              .forEach(
                  (name, buffer) ->
                      assertArrayEquals(
                          alone.get(name).readFloats(), row(buffer.readFloats(), index, H), name));
        }
      }
    }
  }

  private static void fill(Run run, float[] x, float[] dy, float[] h0, float[] dhT) {
    run.s.x().write(x);
    run.s.dy().write(dy);
    run.s.h0().write(h0);
    run.s.dhT().write(dhT);
    if (run.cellState()) {
      run.s.c0().write(h0);
      run.s.dcT().write(dhT);
    }
  }

  private static Map<String, DeviceBuffer> states(Run run) {
    Map<String, DeviceBuffer> states = new LinkedHashMap<>();
    states.put("hT", run.s.hT());
    states.put("dh0", run.s.dh0());
    if (run.cellState()) {
      states.put("cT", run.s.cT());
      states.put("dc0", run.s.dc0());
    }
    return states;
  }

  /** The same data in both layouts, with dropout, gives the same numbers. */
  @ParameterizedTest
  @MethodSource("cells")
  void batchFirstIsTimeFirst(Backend backend, Cell cell) {
    RnnConfigBuilder builder = config(backend, cell).layers(2).dropout(0.3).recurrentDropout(0.2);
    float[] x = random(5, T * B * I);
    float[] dy = random(6, T * B * H);
    try (Run timeFirst = new Run(backend, builder.build(), T, B);
        Run batchFirst = new Run(backend, builder.batchFirst(true).build(), T, B)) {
      timeFirst.s.lengths(LENGTHS).x().write(x);
      timeFirst.s.dy().write(dy);
      timeFirst.run();
      batchFirst.s.lengths(LENGTHS).x().write(transposed(x, T, B, I));
      batchFirst.s.dy().write(transposed(dy, T, B, H));
      batchFirst.run();
      float[] y = transposed(batchFirst.s.y().readFloats(), B, T, H);
      assertArrayEquals(timeFirst.s.y().readFloats(), y, "y");
      float[] dx = transposed(batchFirst.s.dx().readFloats(), B, T, I);
      assertArrayEquals(timeFirst.s.dx().readFloats(), dx, "dx");
      assertArrayEquals(timeFirst.s.hT().readFloats(), batchFirst.s.hT().readFloats(), "hT");
    }
  }

  private static float[] transposed(float[] values, int rows, int columns, int features) {
    float[] out = new float[values.length];
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < columns; c++) {
        System.arraycopy(
            values, (r * columns + c) * features, out, (c * rows + r) * features, features);
      }
    }
    return out;
  }

  /** Two chunks with carried state, and the gradient carried back, are one pass of both. */
  @ParameterizedTest
  @MethodSource("cells")
  void chunksAreOnePass(Backend backend, Cell cell) {
    RnnConfig config = config(backend, cell).layers(2).build();
    int half = T / 2;
    float[] x = random(7, T * B * I);
    float[] dy = random(8, T * B * H);
    try (Run whole = new Run(backend, config, T, B);
        Run first = new Run(backend, config, half, B);
        Run second = new Run(backend, config, half, B)) {
      whole.s.x().write(x);
      whole.s.dy().write(dy);
      whole.run();
      first.s.x().write(steps(x, 0, half, B * I));
      first.s.dy().write(steps(dy, 0, half, B * H));
      second.s.x().write(steps(x, half, T, B * I));
      second.s.dy().write(steps(dy, half, T, B * H));
      first.s.forward(first.device.defaultStream());
      second.s.h0().write(first.s.hT().readDoubles());
      if (cell.hasCellState()) {
        second.s.c0().write(first.s.cT().readDoubles());
      }
      second.run();
      first.s.dhT().write(second.s.dh0().readDoubles());
      if (cell.hasCellState()) {
        first.s.dcT().write(second.s.dc0().readDoubles());
      }
      first.s.backward(first.device.defaultStream());
      float[] y = whole.s.y().readFloats();
      assertArrayEquals(steps(y, 0, half, B * H), first.s.y().readFloats());
      assertArrayEquals(steps(y, half, T, B * H), second.s.y().readFloats());
      assertArrayEquals(whole.s.hT().readFloats(), second.s.hT().readFloats());
      float[] dx = whole.s.dx().readFloats();
      assertArrayEquals(steps(dx, 0, half, B * I), first.s.dx().readFloats());
      assertArrayEquals(steps(dx, half, T, B * I), second.s.dx().readFloats());
      assertArrayEquals(whole.s.dh0().readFloats(), first.s.dh0().readFloats());
    }
  }

  /** Masks follow seed and offset, and are not there in inference. */
  @ParameterizedTest
  @MethodSource("backends")
  void masksFollowSeedAndOffset(Backend backend) {
    RnnConfig config =
        config(backend, Cell.LSTM)
            .layers(2)
            .dropout(0.5)
            .recurrentDropout(0.3)
            .zoneoutCell(0.2)
            .build();
    RnnConfig plain = config(backend, Cell.LSTM).layers(2).build();
    try (Run run = new Run(backend, config, T, B);
        Run without = new Run(backend, plain, T, B);
        RnnSequence inference = run.rnn.newSequence(T, B, false)) {
      float[] x = random(9, T * B * I);
      run.s.x().write(x);
      run.run();
      float[] first = run.s.y().readFloats();
      run.s.call().seed(11, 13);
      run.run();
      assertFalse(Arrays.equals(first, run.s.y().readFloats()), "another offset");
      run.s.call().seed(12, 12);
      run.run();
      assertFalse(Arrays.equals(first, run.s.y().readFloats()), "another seed");
      run.s.call().seed(11, 12);
      run.run();
      assertArrayEquals(first, run.s.y().readFloats());
      without.s.x().write(x);
      without.run();
      inference.x().write(x);
      inference.call().parameters(run.parameters);
      inference.forward(run.device.defaultStream());
      assertFalse(Arrays.equals(first, inference.y().readFloats()));
      RnnConfig dropoutOnly =
          config(backend, Cell.LSTM).layers(2).dropout(0.5).recurrentDropout(0.3).build();
      try (RnnSequence none = Rnn.create(run.device, dropoutOnly).newSequence(T, B, false)) {
        none.x().write(x);
        none.call().parameters(run.parameters);
        none.forward(run.device.defaultStream());
        assertArrayEquals(without.s.y().readFloats(), none.y().readFloats());
      }
    }
  }

  /** Resetting one row's state leaves the others as they are. */
  @ParameterizedTest
  @MethodSource("backends")
  void resetsOneRow(Backend backend) {
    RnnConfig config = config(backend, Cell.LSTM).layers(2).bidirectional(true).build();
    try (Run run = new Run(backend, config, T, B)) {
      run.s.x().write(random(10, T * B * I));
      run.s.forward(run.device.defaultStream());
      run.s.carryState(run.device.defaultStream());
      assertArrayEquals(run.s.hT().readFloats(), run.s.h0().readFloats());
      run.s.resetRow(2, run.device.defaultStream());
      float[] expected = run.s.cT().readFloats();
      for (int entry = 0; entry < 4; entry++) {
        Arrays.fill(expected, (entry * B + 2) * H, (entry * B + 3) * H, 0);
      }
      assertArrayEquals(expected, run.s.c0().readFloats());
      assertEquals(0, run.s.h0().readFloats()[2 * H]);
    }
  }
}
