package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.GlobalNormClip;
import dev.fusedrnn.LossResult;
import dev.fusedrnn.NonFinite;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.SoftmaxCrossEntropy;
import dev.fusedrnn.TrainingBatch;
import dev.fusedrnn.TrainingStep;
import dev.fusedrnn.io.Checkpoint;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Truncated backpropagation through time with carried state, on a {@link TrainingStep}. Several
 * steps are enqueued before the losses are read, so that a GPU is not waited for at every step.
 */
final class Trainer implements AutoCloseable {
  /** Hidden behind this many steps, one wait costs a GPU nothing that can be measured. */
  private static final int STEPS_AHEAD_ON_GPU = 16;

  private final Device device;
  private final Corpus corpus;
  private final TrainSettings settings;
  private final CharParameters parameters;
  private final CharParameters gradients;
  private final RnnSequence layers;
  private final Optimizer optimizer;
  private final GlobalNormClip clip;
  private final TrainingStep training;
  private final Lanes lanes;
  private final int[] inputs;
  private final int[] following;
  private int step;

  Trainer(Device device, CharParameters parameters, Corpus corpus, TrainSettings settings) {
    this.device = device;
    this.parameters = parameters;
    this.corpus = corpus;
    this.settings = settings;
    this.gradients = new CharParameters(device, parameters.shape());
    this.layers = parameters.rnn().newSequence(settings.seqLen(), settings.batch(), true);
    layers.call().parameters(parameters.recurrent()).gradients(gradients.recurrent());
    this.optimizer =
        Optimizer.create(settings.optimizer(), parameters.learnt(), gradients.learnt());
    double limit = settings.clip() > 0 ? settings.clip() : Double.POSITIVE_INFINITY;
    this.clip = GlobalNormClip.create(optimizer.tensors(), 1, limit);
    optimizer.clip(clip.nonFinite(NonFinite.SKIP));
    this.lanes =
        Lanes.training(corpus.train(), settings.seqLen(), settings.batch(), settings.seed());
    this.inputs = new int[settings.seqLen() * settings.batch()];
    this.following = new int[inputs.length];
    this.training = newStep();
  }

  private TrainingStep newStep() {
    boolean learnt = parameters.shape().embedding() > 0;
    return TrainingStep.builder(layers)
        .embedding(parameters.embedding(), learnt ? gradients.embedding() : null)
        .output(
            parameters.outputWeight(),
            parameters.outputBias(),
            gradients.outputWeight(),
            gradients.outputBias())
        .crossEntropy(Lanes.IGNORED)
        .optimizer(optimizer, clip)
        .seed(settings.seed())
        .ring(device.backend() == Backend.CUDA ? STEPS_AHEAD_ON_GPU : 1)
        .build();
  }

  /** Steps made. */
  int step() {
    return step;
  }

  /** All device tensors that the next step depends on, by name. */
  Map<String, DeviceBuffer> state() {
    Map<String, DeviceBuffer> state = new LinkedHashMap<>(parameters.named());
    state.putAll(optimizer.buffers());
    state.put("carried.h", layers.h0());
    if (parameters.shape().cell().hasCellState()) {
      state.put("carried.c", layers.c0());
    }
    return state;
  }

  /** All else that the next step depends on, by name. */
  Map<String, String> position() {
    Map<String, String> position = new LinkedHashMap<>();
    position.put("step", Integer.toString(step));
    position.put("pass", Integer.toString(lanes.passes()));
    position.put("window", Integer.toString(lanes.window()));
    return position;
  }

  /** Goes on where a trainer of the same settings once was; {@link #state} was restored before. */
  void resume(Checkpoint.HostState host) {
    step = Math.toIntExact(host.number("step"));
    training.stepCount(step);
    lanes.resume(host.number("pass"), Math.toIntExact(host.number("window")));
  }

  /**
   * Makes some steps, as many as are enqueued at once, and waits for them.
   *
   * @param limit at most so many
   * @return the mean loss of each step, in nats a character
   */
  double[] advance(int limit) {
    int count = Math.min(Math.min(training.ring(), limit), settings.steps() - step);
    int first = step;
    for (int k = 0; k < count; k++) {
      enqueue();
    }
    double[] means = new double[count];
    for (int k = 0; k < count; k++) {
      means[k] = training.loss(first + k).mean();
    }
    return means;
  }

  private void enqueue() {
    TrainingBatch batch = training.nextBatch();
    if (lanes.next(inputs, following)) {
      batch.resetStates();
    } else {
      // One lane after another starts afresh, so that the model knows the beginning of a text: an
      // empty past would else be a state that it has never seen, and a sample would start there.
      batch.resetState(step % settings.batch());
    }
    batch.ids().put(0, inputs);
    batch.targets().put(0, following);
    step++;
    optimizer.learningRate(settings.schedule().rate(step), training.stream());
    training.run(batch);
  }

  /**
   * Measures the loss on the text kept for validation, from an empty state.
   *
   * @return nats a character; NaN where there is no such text
   */
  double validate() {
    if (corpus.valid().length < 2) {
      return Double.NaN;
    }
    // A net of its own: without dropout, and without touching the state that training carries.
    int characters = parameters.shape().vocabulary().size();
    try (CharNet reading = new CharNet(device, parameters, settings.seqLen(), settings.batch());
        DeviceBuffer ids = device.allocate(DType.I32, inputs.length);
        DeviceBuffer targets = device.allocate(DType.I32, inputs.length);
        SoftmaxCrossEntropy loss =
            SoftmaxCrossEntropy.create(device, DType.F32, inputs.length, characters)) {
      loss.logits(reading.logits()).targets(targets).ignoreIndex(Lanes.IGNORED);
      return validate(reading, loss, ids, targets);
    }
  }

  private double validate(
      CharNet reading, SoftmaxCrossEntropy loss, DeviceBuffer ids, DeviceBuffer targets) {
    Lanes reader = Lanes.validation(corpus.valid(), settings.seqLen(), settings.batch());
    double sum = 0;
    long counted = 0;
    for (int w = 0; w < reader.windows(); w++) {
      if (reader.next(inputs, following)) {
        reading.zeroState();
      } else {
        reading.carryState();
      }
      ids.write(inputs);
      targets.write(following);
      reading.forward(ids);
      loss.run(device.defaultStream());
      LossResult result = loss.read();
      sum += result.lossSum();
      counted += result.rows();
    }
    return sum / counted;
  }

  /** Whether steps are launches of a captured graph. */
  boolean captured() {
    return training.isCaptured();
  }

  /** Gradients of the last step, for tests. */
  CharParameters gradients() {
    return gradients;
  }

  @Override
  public void close() {
    training.close();
    clip.close();
    optimizer.close();
    layers.close();
    gradients.close();
  }
}
