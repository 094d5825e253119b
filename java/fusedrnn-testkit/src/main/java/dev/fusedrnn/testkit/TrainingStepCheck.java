package dev.fusedrnn.testkit;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.TrainingBatch;
import dev.fusedrnn.TrainingStep;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Training steps over ids with dropout, carried and reset states: launched as a captured graph they
 * give the parameters of plain calls to the bit, and their losses are the oracle's.
 */
final class TrainingStepCheck implements CheckCase {
  private static final int T = 5;
  private static final int B = 3;
  private static final int V = 11;
  private static final int E = 4;
  private static final int H = 9;
  private static final int LAYERS = 2;
  private static final int STEPS = 6;
  private static final double RATE = 0.1;

  private final Cell cell;
  private final long seed;

  private TrainingStepCheck(Cell cell, long seed) {
    this.cell = cell;
    this.seed = seed;
  }

  static List<CheckCase> quick(SplittableRandom seeds) {
    List<CheckCase> cases = new ArrayList<>();
    cases.add(new TrainingStepCheck(Cell.LSTM, seeds.nextLong()));
    cases.add(new TrainingStepCheck(Cell.GRU, seeds.nextLong()));
    return cases;
  }

  @Override
  public String name() {
    return cell.label() + " training steps as a graph";
  }

  @Override
  public boolean servedBy(Backend backend) {
    return backend != Backend.REFERENCE; // it captures nothing
  }

  @Override
  public CheckResult run(Device device, Device oracle) {
    Outcome expected = train(oracle, false);
    Outcome plain = train(device, false);
    Outcome captured = train(device, true);
    Findings findings = new Findings(name(), seed);
    findings.add(same("parameters", plain.parameters, captured.parameters, 0));
    findings.add(same("losses as plain calls", plain.losses, captured.losses, 0));
    // The mean over rows of numbers of this size, in fp32: what is lost on the way averages out.
    double largest = Arrays.stream(expected.losses).max().orElse(0);
    double allowed = Tolerance.FACTOR * Tolerance.ROUNDING * largest;
    findings.add(same("losses", expected.losses, captured.losses, allowed));
    return findings.result();
  }

  private static Comparison same(String what, double[] expected, double[] got, double allowed) {
    return Comparison.of(what, new int[] {expected.length}, expected, got, allowed);
  }

  private record Outcome(double[] losses, double[] parameters) {}

  private Outcome train(Device device, boolean capture) {
    RnnConfig config =
        RnnConfig.builder(cell)
            .inputSize(E)
            .hiddenSize(H)
            .layers(LAYERS)
            .dropout(0.3)
            .dtype(DType.F32)
            .build();
    Rnn rnn = Rnn.create(device, config);
    SplittableRandom random = new SplittableRandom(seed);
    try (RnnParameters parameters = rnn.newParameters();
        RnnParameters gradients = rnn.newGradients();
        RnnSequence layers = rnn.newSequence(T, B, true);
        DeviceBuffer table = device.allocate(DType.F32, V, E).write(Draws.normal(random, V * E));
        DeviceBuffer weight = device.allocate(DType.F32, V, H).write(Draws.normal(random, V * H));
        DeviceBuffer bias = device.allocate(DType.F32, V).write(Draws.normal(random, V));
        DeviceBuffer tableGradient = device.allocate(DType.F32, V, E);
        DeviceBuffer weightGradient = device.allocate(DType.F32, V, H);
        DeviceBuffer biasGradient = device.allocate(DType.F32, V);
        Optimizer optimizer =
            Optimizer.create(
                Optimizer.Kind.SGD,
                List.of(parameters.arena(), table, weight, bias),
                List.of(gradients.arena(), tableGradient, weightGradient, biasGradient))) {
      parameters.initializeUniform(seed);
      layers.call().parameters(parameters).gradients(gradients);
      optimizer.learningRate(RATE);
      try (TrainingStep step =
          TrainingStep.builder(layers)
              .embedding(table, tableGradient)
              .output(weight, bias, weightGradient, biasGradient)
              .optimizer(optimizer, null)
              .capture(capture)
              .seed(seed)
              .build()) {
        return new Outcome(losses(step), parameters.arena().readDoubles());
      }
    }
  }

  private double[] losses(TrainingStep step) {
    SplittableRandom random = new SplittableRandom(seed + 1);
    double[] losses = new double[STEPS];
    for (int n = 0; n < STEPS; n++) {
      TrainingBatch batch = step.nextBatch();
      for (int k = 0; k < T * B; k++) {
        batch.ids().put(k, random.nextInt(V));
        batch.targets().put(k, random.nextInt(V));
      }
      batch.resetState(n % B);
      losses[n] = step.loss(step.run(batch)).mean();
    }
    return losses;
  }
}
