package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.GlobalNormClip;
import dev.fusedrnn.LossResult;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.SoftmaxCrossEntropy;
import dev.fusedrnn.io.Checkpoint;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Truncated backpropagation through time with carried state. Several steps are enqueued before the
 * losses are read, so that a GPU is not waited for at every step; the clip's coefficient never
 * leaves the device.
 */
final class Trainer implements AutoCloseable {
  /** Hidden behind this many steps, one wait costs a GPU nothing that can be measured. */
  private static final int STEPS_AHEAD_ON_GPU = 16;

  private final Device device;
  private final Corpus corpus;
  private final TrainSettings settings;
  private final CharParameters parameters;
  private final CharParameters gradients;
  private final CharNet net;
  private final Optimizer optimizer;
  private final GlobalNormClip clip;
  private final Lanes lanes;
  private final int ahead;
  private final int rows;
  private final DeviceBuffer ids;
  private final DeviceBuffer targets;
  private final List<SoftmaxCrossEntropy> losses = new ArrayList<>();
  private int step;

  Trainer(Device device, CharParameters parameters, Corpus corpus, TrainSettings settings) {
    this.device = device;
    this.parameters = parameters;
    this.corpus = corpus;
    this.settings = settings;
    this.gradients = new CharParameters(device, parameters.shape());
    this.net = new CharNet(device, parameters, gradients, settings.seqLen(), settings.batch());
    this.optimizer =
        Optimizer.create(settings.optimizer(), parameters.learnt(), gradients.learnt());
    double limit = settings.clip() > 0 ? settings.clip() : Double.POSITIVE_INFINITY;
    this.clip = GlobalNormClip.create(optimizer.tensors(), 1, limit);
    optimizer.clip(clip, true);
    this.lanes =
        Lanes.training(corpus.train(), settings.seqLen(), settings.batch(), settings.seed());
    this.ahead = device.backend() == Backend.CUDA ? STEPS_AHEAD_ON_GPU : 1;
    this.rows = settings.seqLen() * settings.batch();
    this.ids = device.allocate(DType.I32, (long) ahead * rows);
    this.targets = device.allocate(DType.I32, (long) ahead * rows);
    for (int k = 0; k < ahead; k++) {
      losses.add(newLoss(net).targets(slot(targets, k)));
    }
  }

  private DeviceBuffer slot(DeviceBuffer all, int k) {
    return all.slice((long) k * rows, rows);
  }

  /** Steps made. */
  int step() {
    return step;
  }

  /** All device tensors that the next step depends on, by name. */
  Map<String, DeviceBuffer> state() {
    Map<String, DeviceBuffer> state = new LinkedHashMap<>(parameters.named());
    for (int k = 2; k < optimizer.tensors().lists(); k++) {
      state.put("optimizer." + (k - 2), optimizer.tensors().tensors(k).get(0));
    }
    net.state().forEach((name, tensor) -> state.put("carried." + name, tensor));
    return state;
  }

  /** All else that the next step depends on, by name. */
  Map<String, String> position() {
    Map<String, String> position = new LinkedHashMap<>();
    position.put("step", Integer.toString(step));
    position.put("pass", Integer.toString(lanes.passes()));
    position.put("window", Integer.toString(lanes.window()));
    position.put("optimizer.step", Long.toString(optimizer.stepCount()));
    return position;
  }

  /** Goes on where a trainer of the same settings once was; {@link #state} was restored before. */
  void resume(Checkpoint.HostState host) {
    step = Math.toIntExact(host.number("step"));
    lanes.resume(host.number("pass"), Math.toIntExact(host.number("window")));
    optimizer.stepCount(host.number("optimizer.step"));
  }

  /**
   * Makes some steps, as many as are enqueued at once, and waits for them.
   *
   * @param limit at most so many
   * @return the mean loss of each step, in nats a character
   */
  double[] advance(int limit) {
    int count = Math.min(Math.min(ahead, limit), settings.steps() - step);
    boolean[] first = new boolean[count];
    int[] inputs = new int[ahead * rows];
    int[] following = new int[ahead * rows];
    int[] windowIn = new int[rows];
    int[] windowOut = new int[rows];
    for (int k = 0; k < count; k++) {
      first[k] = lanes.next(windowIn, windowOut);
      System.arraycopy(windowIn, 0, inputs, k * rows, rows);
      System.arraycopy(windowOut, 0, following, k * rows, rows);
    }
    ids.write(inputs);
    targets.write(following);
    for (int k = 0; k < count; k++) {
      enqueue(k, first[k]);
    }
    double[] means = new double[count];
    for (int k = 0; k < count; k++) {
      means[k] = losses.get(k).read().mean();
    }
    return means;
  }

  private void enqueue(int k, boolean first) {
    if (first) {
      net.zeroState();
    } else {
      net.carryState();
      // One lane after another starts afresh, so that the model knows the beginning of a text: an
      // empty past would else be a state that it has never seen, and a sample would start there.
      net.zeroState(step % settings.batch());
    }
    net.masks(settings.seed(), step);
    net.forward(slot(ids, k));
    losses.get(k).scale(1.0 / rows).run(device.defaultStream());
    net.backward();
    clip.measure(device.defaultStream());
    step++;
    optimizer.learningRate(settings.schedule().rate(step)).step(device.defaultStream());
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
    try (CharNet reading =
            new CharNet(device, parameters, null, settings.seqLen(), settings.batch());
        SoftmaxCrossEntropy loss = newLoss(reading)) {
      return validate(reading, loss.targets(slot(targets, 0)).dlogits(null));
    }
  }

  private double validate(CharNet reading, SoftmaxCrossEntropy loss) {
    Lanes reader = Lanes.validation(corpus.valid(), settings.seqLen(), settings.batch());
    int[] inputs = new int[rows];
    int[] following = new int[rows];
    double sum = 0;
    long counted = 0;
    DeviceBuffer slot = slot(ids, 0);
    for (int w = 0; w < reader.windows(); w++) {
      if (reader.next(inputs, following)) {
        reading.zeroState();
      } else {
        reading.carryState();
      }
      slot.write(inputs);
      slot(targets, 0).write(following);
      reading.forward(slot);
      loss.run(device.defaultStream());
      LossResult result = loss.read();
      sum += result.lossSum();
      counted += result.rows();
    }
    return sum / counted;
  }

  private SoftmaxCrossEntropy newLoss(CharNet of) {
    int characters = parameters.shape().vocabulary().size();
    SoftmaxCrossEntropy loss = SoftmaxCrossEntropy.create(device, DType.F32, rows, characters);
    return loss.logits(of.logits()).dlogits(of.logits()).ignoreIndex(Lanes.IGNORED);
  }

  /** Gradients of the last step, for tests. */
  CharParameters gradients() {
    return gradients;
  }

  @Override
  public void close() {
    losses.forEach(SoftmaxCrossEntropy::close);
    ids.close();
    targets.close();
    clip.close();
    optimizer.close();
    net.close();
    gradients.close();
  }
}
