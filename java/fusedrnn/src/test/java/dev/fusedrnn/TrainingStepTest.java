package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Goal: a training step gives the bits of its parts called one by one, captured or not, whatever is
 * reset or carried; a steady step allocates nothing and waits for nothing; misuse is refused.
 * Method: two layers of LSTM with dropout over ids, Adam and a clip, odd sizes, against plain calls
 * written out here. Seed 5.
 */
class TrainingStepTest {
  private static final int T = 5;
  private static final int B = 3;
  private static final int V = 7;
  private static final int E = 4;
  private static final int H = 6;
  private static final long SEED = 5;

  /** Parameters, gradients and optimiser of one model. */
  private static final class Model implements AutoCloseable {
    final Device device;
    final List<Runnable> closers = new ArrayList<>();
    final SplittableRandom random = new SplittableRandom(SEED);
    final Rnn rnn;
    final RnnParameters recurrent;
    final RnnParameters recurrentGradients;
    final RnnSequence layers;
    final DeviceBuffer table;
    final DeviceBuffer weight;
    final DeviceBuffer bias;
    final DeviceBuffer tableGradient;
    final DeviceBuffer weightGradient;
    final DeviceBuffer biasGradient;
    final Optimizer optimizer;
    final GlobalNormClip clip;

    Model(Device device, double dropout) {
      this.device = device;
      rnn =
          Rnn.create(
              device,
              RnnConfig.builder(Cell.LSTM)
                  .inputSize(E)
                  .hiddenSize(H)
                  .layers(2)
                  .dropout(dropout)
                  .dtype(DType.F32)
                  .build());
      recurrent = rnn.newParameters().initializeUniform(SEED);
      closers.add(recurrent::close);
      recurrentGradients = rnn.newGradients();
      closers.add(recurrentGradients::close);
      layers = rnn.newSequence(T, B, true);
      closers.add(layers::close);
      layers.call().parameters(recurrent).gradients(recurrentGradients);
      table = drawn(V, E);
      weight = drawn(V, H);
      bias = drawn(V);
      tableGradient = buffer(V, E);
      weightGradient = buffer(V, H);
      biasGradient = buffer(V);
      optimizer =
          Optimizer.create(
              Optimizer.Kind.ADAM,
              List.of(recurrent.arena(), table, weight, bias),
              List.of(recurrentGradients.arena(), tableGradient, weightGradient, biasGradient));
      closers.add(optimizer::close);
      clip = GlobalNormClip.create(optimizer.tensors(), 1, 0.1);
      closers.add(clip::close);
      optimizer.learningRate(0.05).clip(clip.nonFinite(NonFinite.SKIP));
    }

    DeviceBuffer buffer(long... shape) {
      DeviceBuffer made = device.allocate(DType.F32, shape);
      closers.add(made::close);
      return made;
    }

    DeviceBuffer drawn(long... shape) {
      DeviceBuffer buffer = buffer(shape);
      float[] values = new float[(int) buffer.length()];
      for (int k = 0; k < values.length; k++) {
        values[k] = (float) random.nextDouble(-0.5, 0.5);
      }
      return buffer.write(values);
    }

    TrainingStepBuilder step() {
      return TrainingStep.builder(layers)
          .embedding(table, tableGradient)
          .output(weight, bias, weightGradient, biasGradient)
          .crossEntropy(-100)
          .optimizer(optimizer, clip)
          .seed(SEED);
    }

    List<float[]> values() {
      return List.of(
          recurrent.arena().readFloats(),
          table.readFloats(),
          weight.readFloats(),
          bias.readFloats());
    }

    @Override
    public void close() {
      for (int k = closers.size() - 1; k >= 0; k--) {
        closers.get(k).run();
      }
    }
  }

  private static int[] ids(int step) {
    return new SplittableRandom(step).ints(T * B, 0, V).toArray();
  }

  private static int[] targets(int step) {
    int[] targets = new SplittableRandom(step + 1000).ints(T * B, 0, V).toArray();
    targets[step % targets.length] = -100;
    return targets;
  }

  private static void resets(int step, TrainingBatch batch) {
    if (step == 3) {
      batch.resetStates();
    } else {
      batch.resetState(step % B);
    }
  }

  /** The same steps by plain calls; losses in order. */
  private static List<LossResult> plain(Model m, int steps) {
    List<LossResult> losses = new ArrayList<>();
    Stream stream = m.device.defaultStream();
    try (DeviceBuffer ids = m.device.allocate(DType.I32, T * B);
        DeviceBuffer targets = m.device.allocate(DType.I32, T * B);
        DeviceBuffer scores = m.device.allocate(DType.F32, T * B, V);
        Linear linear = Linear.create(m.device, DType.F32, T * B, H, V);
        Embedding embedding = Embedding.create(m.device, DType.F32, T * B, V, E);
        SoftmaxCrossEntropy loss = SoftmaxCrossEntropy.create(m.device, DType.F32, T * B, V)) {
      RnnCall call = m.layers.call().dhT(null).dcT(null).dh0(null).dc0(null);
      embedding.ids(ids).table(m.table).y(m.layers.x().view(T * B, E));
      embedding.dy(m.layers.dx().view(T * B, E)).dtable(m.tableGradient);
      linear.x(m.layers.y().view(T * B, H)).y(scores).w(m.weight).b(m.bias);
      linear.dy(scores).dx(m.layers.dy().view(T * B, H));
      linear.dw(m.weightGradient).db(m.biasGradient);
      loss.logits(scores).dlogits(scores).targets(targets).mean(true);
      for (int step = 0; step < steps; step++) {
        m.optimizer.learningRate(rate(step));
        ids.write(ids(step));
        targets.write(targets(step));
        if (step == 3) {
          m.layers.resetStates(stream);
        } else {
          m.layers.resetRow(step % B, stream);
        }
        call.seed(SEED, step);
        embedding.forward(stream);
        m.layers.forward(stream);
        linear.forward(stream);
        loss.run(stream);
        linear.backward(stream);
        m.layers.backward(stream);
        embedding.backward(stream);
        m.clip.measure(stream);
        m.optimizer.step(stream);
        m.layers.carryState(stream);
        losses.add(loss.read());
      }
    }
    return losses;
  }

  /** Changes in some steps. */
  private static double rate(int step) {
    return 0.05 / (1 + step / 2);
  }

  private static long run(TrainingStep step, int number) {
    TrainingBatch batch = step.nextBatch();
    batch.ids().put(0, ids(number));
    batch.targets().put(0, targets(number));
    resets(number, batch);
    return step.run(batch);
  }

  /** A power of two goes in and out of every gradient without a rounding. */
  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void scalesTheLossWhereTheClipTakesTheScaleOut(Backend backend) {
    List<float[]> expected;
    try (Device device = Device.open(backend);
        Model m = new Model(device, 0.25);
        TrainingStep step = m.step().build()) {
      for (int number = 0; number < 5; number++) {
        run(step, number);
      }
      step.loss(4);
      expected = m.values();
    }
    try (Device device = Device.open(backend);
        LossScale scale = LossScale.create(device, 1024).moves(2, 0.5, 2);
        Model m = new Model(device, 0.25)) {
      m.clip.lossScale(scale);
      try (TrainingStep step = m.step().build()) {
        for (int number = 0; number < 5; number++) {
          run(step, number);
        }
        step.loss(4);
      }
      assertEquals(4096, scale.read());
      List<float[]> got = m.values();
      for (int k = 0; k < got.size(); k++) {
        assertArrayEquals(expected.get(k), got.get(k), "tensor " + k);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void givesTheBitsOfItsParts(Backend backend) {
    int steps = 9;
    try (Device device = Device.open(backend);
        Model expected = new Model(device, 0.4)) {
      List<LossResult> losses = plain(expected, steps);
      for (boolean capture : new boolean[] {true, false}) {
        try (Model model = new Model(device, 0.4);
            TrainingStep step = model.step().ring(3).capture(capture).build()) {
          for (int n = 0; n < steps; n++) {
            model.optimizer.learningRate(rate(n));
            assertEquals(n, run(step, n));
            if (n >= 2) { // losses are read late
              assertEquals(losses.get(n - 2), step.loss(n - 2));
            }
          }
          assertEquals(losses.get(steps - 1), step.loss(steps - 1));
          assertTrue(step.isDone(steps - 1));
          assertEquals(capture && device.servesGraphs(), step.isCaptured());
          List<float[]> got = model.values();
          for (int k = 0; k < got.size(); k++) {
            assertArrayEquals(expected.values().get(k), got.get(k), 0, "tensor " + k);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#natives")
  void steadyStepAllocatesAndWaitsForNothing(Backend backend) {
    int[] ids = ids(1);
    int[] targets = targets(1);
    try (Device device = Device.open(backend);
        Model model = new Model(device, 0.4);
        TrainingStep step = model.step().build()) {
      long allocations = 0;
      long synchronizations = 0;
      long launches = 0;
      for (int n = 0; n < 60; n++) {
        if (n == 20) { // the ring has come round, and everything has been loaded
          allocations = device.counter("allocations");
          synchronizations = device.counter("synchronizations");
          launches = device.counter("graph_launches");
        }
        TrainingBatch batch = step.nextBatch();
        batch.ids().put(0, ids);
        batch.targets().put(0, targets);
        batch.resetState(n % B);
        step.run(batch);
      }
      assertEquals(allocations, device.counter("allocations"));
      assertEquals(synchronizations, device.counter("synchronizations"));
      assertEquals(launches + 40, device.counter("graph_launches"));
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void hookStandsBetweenBackwardAndClip(Backend backend) {
    try (Device device = Device.open(backend);
        Model model = new Model(device, 0)) {
      List<float[]> before = model.values();
      int[] calls = new int[1];
      try (TrainingStep step =
          model
              .step()
              .afterBackward(
                  stream -> {
                    calls[0]++;
                    stream.synchronize();
                    assertTrue(model.weightGradient.readFloats()[0] != 0);
                    model.optimizer.tensors().tensors(1).forEach(b -> b.zero(stream));
                  })
              .build()) {
        for (int n = 0; n < 3; n++) {
          run(step, n);
        }
        assertEquals(3, calls[0]);
        assertEquals(device.servesGraphs() ? 4 : 0, device.counter("graph_launches"));
        step.stream().synchronize();
        assertEquals(0, model.clip.readNorm());
        for (int k = 0; k < before.size(); k++) { // Adam moves nothing without a gradient
          assertArrayEquals(before.get(k), model.values().get(k), 0);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void learnsValuesWithoutAnEmbedding(Backend backend) {
    try (Device device = Device.open(backend);
        Model model = new Model(device, 0)) {
      try (Optimizer rule =
              Optimizer.create(
                  Optimizer.Kind.ADAM,
                  List.of(model.weight, model.bias),
                  List.of(model.weightGradient, model.biasGradient));
          TrainingStep step =
              TrainingStep.builder(model.layers)
                  .output(model.weight, model.bias, model.weightGradient, model.biasGradient)
                  .meanSquaredError()
                  .carryState(false)
                  .optimizer(rule.learningRate(0.05), null)
                  .ring(1)
                  .build()) {
        double first = 0;
        double last = 0;
        for (int n = 0; n < 40; n++) {
          TrainingBatch batch = step.nextBatch();
          assertThrows(IllegalStateException.class, batch::ids);
          for (int k = 0; k < T * B * E; k++) {
            batch.inputs().putFloat(4 * k, (k % 5) * 0.2f);
          }
          for (int k = 0; k < T * B * V; k++) {
            batch.targetValues().putFloat(4 * k, (k % V) * 0.1f);
          }
          last = step.loss(step.run(batch)).mean();
          first = n == 0 ? last : first;
        }
        assertTrue(last < first / 20, first + " to " + last);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void targetsThatAreNoClassAreNamedWhenTheLossIsRead(Backend backend) {
    try (Device device = Device.open(backend);
        Model model = new Model(device, 0);
        TrainingStep step = model.step().build()) {
      TrainingBatch batch = step.nextBatch();
      batch.ids().put(0, ids(0));
      batch.targets().put(0, targets(0)).put(4, V);
      long number = step.run(batch);
      FusedRnnException e = assertThrows(FusedRnnException.class, () -> step.loss(number));
      assertTrue(e.getMessage().startsWith("targets: expected a class"), e.getMessage());
    }
  }

  @Test
  void countGoesOnAfterARestart() {
    try (Device device = Device.open(Backend.CPU);
        Model model = new Model(device, 0.4);
        TrainingStep step = model.step().build()) {
      step.stepCount(7);
      assertThrows(IllegalArgumentException.class, () -> step.loss(6));
      assertEquals(7, run(step, 7));
      assertEquals(8, step.stepCount());
      assertTrue(Double.isFinite(step.loss(7).mean()));
      run(step, 8);
      assertTrue(step.isCaptured());
      step.recapture();
      assertFalse(step.isCaptured());
      run(step, 9);
      assertTrue(step.isCaptured());
    }
  }

  @Test
  void misuseIsRefused() {
    try (Device device = Device.open(Backend.CPU);
        Model model = new Model(device, 0)) {
      assertThrows(IllegalStateException.class, () -> TrainingStep.builder(model.layers).build());
      assertThrows(IllegalArgumentException.class, () -> model.step().ring(0));
      IllegalArgumentException shape =
          assertThrows(
              IllegalArgumentException.class,
              () -> model.step().output(model.bias, null, model.bias, null).build());
      assertTrue(shape.getMessage().startsWith("weight: expected [O, 6]"), shape.getMessage());
      TrainingStep closed = model.step().build();
      closed.close();
      closed.close();
      try (TrainingStep step = model.step().ring(2).build()) {
        final TrainingBatch first = step.nextBatch();
        assertThrows(IllegalStateException.class, first::inputs);
        assertThrows(IllegalStateException.class, first::targetValues);
        assertThrows(IndexOutOfBoundsException.class, () -> first.resetState(B));
        for (int n = 0; n < 3; n++) {
          run(step, n);
        }
        assertThrows(IllegalArgumentException.class, () -> step.run(first));
        IllegalArgumentException gone =
            assertThrows(IllegalArgumentException.class, () -> step.loss(0));
        assertTrue(gone.getMessage().contains("one of the last 2"), gone.getMessage());
        assertThrows(IllegalArgumentException.class, () -> step.loss(3));
      }
    }
  }
}
