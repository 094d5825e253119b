package dev.fusedrnn.testkit;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.GlobalNormClip;
import dev.fusedrnn.NonFinite;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.Stream;
import dev.fusedrnn.TensorArena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Training with dropout and carried state, in an arena: stopped after two steps, its state carried
 * to new objects, and gone on. The parameters must be those of training that was not stopped, to
 * the bit; what they should be is checked elsewhere, step by step.
 */
final class ResumeCheck implements CheckCase {
  private static final int T = 4;
  private static final int B = 3;
  private static final int STOP = 2;
  private static final int STEPS = 5;

  private final RnnConfig config;
  private final Optimizer.Kind kind;
  private final long seed;

  private ResumeCheck(Cell cell, Optimizer.Kind kind, long seed) {
    this.config = RnnConfig.builder(cell).inputSize(5).hiddenSize(9).layers(2).dropout(0.3).build();
    this.kind = kind;
    this.seed = seed;
  }

  static List<CheckCase> quick(SplittableRandom seeds) {
    List<CheckCase> cases = new ArrayList<>();
    cases.add(new ResumeCheck(Cell.LSTM, Optimizer.Kind.ADAM, seeds.nextLong()));
    cases.add(new ResumeCheck(Cell.GRU, Optimizer.Kind.ADAGRAD, seeds.nextLong()));
    cases.add(new ResumeCheck(Cell.MUT2, Optimizer.Kind.SGD, seeds.nextLong()));
    return cases;
  }

  @Override
  public String name() {
    return config.cell().label()
        + " training resumed, "
        + kind.name().toLowerCase(Locale.ROOT)
        + ", to the bit";
  }

  @Override
  public CheckResult run(Device device, Device oracle) {
    double[] whole;
    try (Training training = new Training(device)) {
      training.steps(0, STEPS);
      whole = training.parameters.flat().readDoubles();
    }
    double[] resumed;
    try (Training first = new Training(device);
        Training second = new Training(device)) {
      first.steps(0, STOP);
      second.restore(first.save());
      second.steps(STOP, STEPS);
      resumed = second.parameters.flat().readDoubles();
    }
    Findings findings = new Findings(name(), seed);
    int[] shape = {whole.length};
    findings.add(Comparison.of("parameters", shape, whole, resumed, 0));
    return findings.result();
  }

  /** A network on its way. */
  private final class Training implements AutoCloseable {
    private final Stream stream;
    private final TensorArena parameters;
    private final TensorArena gradients;
    private final RnnParameters weights;
    private final RnnParameters slopes;
    private final RnnSequence sequence;
    private final Optimizer optimizer;
    private final GlobalNormClip clip;

    Training(Device device) {
      stream = device.defaultStream();
      parameters = TensorArena.builder(device, DType.F32).add("", config).build();
      gradients = parameters.newLike();
      Rnn rnn = Rnn.create(device, config);
      weights = parameters.parameters("", rnn).initializeUniform(seed);
      slopes = gradients.gradients("", rnn);
      sequence = rnn.newSequence(T, B, true);
      sequence.call().parameters(weights).gradients(slopes);
      optimizer = Optimizer.create(kind, List.of(parameters.flat()), List.of(gradients.flat()));
      clip = GlobalNormClip.create(optimizer.tensors(), 1, 0.5);
      optimizer.learningRate(0.05).clip(clip.nonFinite(NonFinite.SKIP));
      if (kind == Optimizer.Kind.SGD) {
        optimizer.momentum(0.9);
      }
    }

    void steps(int from, int to) {
      for (int step = from; step < to; step++) {
        SplittableRandom random = new SplittableRandom(seed + step);
        sequence.x().write(Draws.normal(random, (int) sequence.x().length()));
        sequence.dy().write(Draws.normal(random, (int) sequence.dy().length()));
        sequence.carryState(stream);
        sequence.call().seed(seed, step);
        sequence.forward(stream);
        sequence.backward(stream);
        clip.measure(stream);
        optimizer.step(stream);
      }
    }

    private Map<String, DeviceBuffer> state() {
      Map<String, DeviceBuffer> state = new LinkedHashMap<>(parameters.named());
      state.putAll(optimizer.buffers());
      state.put("hT", sequence.hT());
      if (config.cell().hasCellState()) {
        state.put("cT", sequence.cT());
      }
      return state;
    }

    Map<String, byte[]> save() {
      Map<String, byte[]> saved = new LinkedHashMap<>();
      state()
          .forEach(
              (name, tensor) -> {
                ByteBuffer bytes =
                    ByteBuffer.allocate((int) tensor.bytes()).order(ByteOrder.nativeOrder());
                tensor.readInto(bytes);
                saved.put(name, bytes.array());
              });
      return saved;
    }

    void restore(Map<String, byte[]> saved) {
      state().forEach((name, tensor) -> tensor.write(ByteBuffer.wrap(saved.get(name))));
    }

    @Override
    public void close() {
      clip.close();
      optimizer.close();
      sequence.close();
      slopes.close();
      weights.close();
      gradients.close();
      parameters.close();
    }
  }
}
