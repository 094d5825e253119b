package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Struct;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An update rule over lists of parameters and gradients: one pass that reads each gradient once. It
 * owns its state, which starts at zero. What changes from step to step, the count, the rate and the
 * clip coefficient, lives on the device, so that a captured step can be replayed. Threads: one at a
 * time.
 */
public final class Optimizer implements AutoCloseable {
  /** The update rules. Ordinals are those of {@code frnn_optimizer_kind}. */
  public enum Kind {
    /** v = momentum v + g; p -= lr v. */
    SGD(0, 1),
    /** m += g^2; p -= lr g / sqrt(m + epsilon), as min-char-rnn has it. */
    ADAGRAD(1, 1),
    /** Kingma and Ba 2015, algorithm 1, bias-corrected; epsilon outside the root. */
    ADAM(2, 2),
    /** Adam with decoupled weight decay: p -= lr (.. + decay p) (Loshchilov and Hutter 2019). */
    ADAMW(2, 2),
    /**
     * v = beta2 v + (1 - beta2) g^2; b = momentum b + g / (sqrt(v) + epsilon); p -= lr b (Hinton
     * 2012).
     */
    RMSPROP(1, 2);

    private final int leastStates;
    private final int states;

    Kind(int leastStates, int states) {
      this.leastStates = leastStates;
      this.states = states;
    }

    /**
     * Tensors of state for each parameter.
     *
     * @return 1 or 2
     */
    public int states() {
      return states;
    }

    /**
     * Tensors of state for each parameter without momentum.
     *
     * @return 0 to 2
     */
    public int leastStates() {
      return leastStates;
    }
  }

  private static final int WORDS = Fields.OptimizerState.values().length;

  private final Kind kind;
  private final List<DeviceBuffer> owned;
  private final TensorList tensors;
  private final DeviceBuffer state;
  private final Struct<Fields.Optimizer> struct = new Struct<>(Fields.Optimizer.class);
  private @Nullable GlobalNormClip clip;
  private double learningRate;
  private boolean learningRateWritten;

  Optimizer(Kind kind, TensorList tensors, List<DeviceBuffer> owned) {
    this.kind = kind;
    this.tensors = tensors;
    this.owned = owned;
    this.state = tensors.device().allocate(DType.F64, WORDS).write(new double[WORDS]);
    struct.set(Fields.Optimizer.KIND, kind.ordinal());
    struct.set(Fields.Optimizer.TABLE, tensors.table().address());
    struct.set(Fields.Optimizer.CHUNKS, tensors.chunks());
    struct.set(Fields.Optimizer.LAYOUT, tensors.layout());
    struct.set(Fields.Optimizer.STATE, state.address());
    switch (kind) {
      case SGD -> learningRate(0.1);
      case ADAGRAD -> learningRate(0.1).epsilon(1e-8);
      case ADAM -> learningRate(1e-3).betas(0.9, 0.999).epsilon(1e-8);
      case ADAMW -> learningRate(1e-3).betas(0.9, 0.999).epsilon(1e-8).weightDecay(0.01);
      case RMSPROP -> learningRate(1e-3).squareDecay(0.9).epsilon(1e-8);
    }
  }

  /**
   * Makes an optimiser with published defaults: SGD lr 0.1 without momentum; Adagrad lr 0.1,
   * epsilon 1e-8 (min-char-rnn); Adam lr 1e-3, beta1 0.9, beta2 0.999, epsilon 1e-8 (Kingma and Ba
   * 2015); AdamW the same with weight decay 0.01; RMSProp lr 1e-3, beta2 0.9, epsilon 1e-8 (Hinton
   * 2012).
   *
   * @param kind the update rule
   * @param parameters at least one tensor, all of one device, f32
   * @param gradients one of the same length for each parameter, all f32, bf16 or f16
   * @return to be closed
   */
  public static Optimizer create(
      Kind kind, List<DeviceBuffer> parameters, List<DeviceBuffer> gradients) {
    return builder(kind, parameters, gradients).build();
  }

  /**
   * Prepares an optimiser with 16-bit copies of its parameters, or without the state of momentum.
   *
   * @param kind the update rule
   * @param parameters at least one tensor, all of one device, f32
   * @param gradients one of the same length for each parameter, all f32, bf16 or f16
   * @return to be built
   */
  public static OptimizerBuilder builder(
      Kind kind, List<DeviceBuffer> parameters, List<DeviceBuffer> gradients) {
    return new OptimizerBuilder(kind, parameters, gradients);
  }

  /**
   * The update rule.
   *
   * @return the kind
   */
  public Kind kind() {
    return kind;
  }

  /**
   * Parameters (list 0), gradients (list 1), state (lists 2 and 3, as many as there are) and the
   * 16-bit copies of the parameters, where there are some; clip list 1.
   *
   * @return owned by this optimiser
   */
  public TensorList tensors() {
    return tensors;
  }

  /**
   * Sets the learning rate, before the schedule. The next {@link #step} writes it to the device; to
   * change it between replays of a captured step, use {@link #learningRate(double, Stream)}.
   *
   * @param rate at least 0
   * @return this
   */
  public Optimizer learningRate(double rate) {
    atLeastZero("learningRate", rate);
    learningRateWritten &= rate == learningRate;
    learningRate = rate;
    return this;
  }

  /**
   * Writes the learning rate, before the schedule, to the device in the order of a stream.
   *
   * @param rate at least 0
   * @param stream where to enqueue; not one that captures, or every replay writes it again
   */
  public void learningRate(double rate, Stream stream) {
    atLeastZero("learningRate", rate);
    learningRate = rate;
    long word = state.address() + 8L * Fields.OptimizerState.LEARNING_RATE.ordinal();
    write(word, Double.doubleToRawLongBits(rate), stream);
    learningRateWritten = true;
  }

  private void write(long address, long word, Stream stream) {
    Device device = tensors.device();
    device.check(device.engine().writeWord(address, word, stream.handleFor(device)), "Optimizer");
  }

  /**
   * Sets how the learning rate changes with the step.
   *
   * @param schedule constant by default
   * @return this
   */
  public Optimizer schedule(LearningRateSchedule schedule) {
    struct.set(Fields.Optimizer.SCHEDULE, schedule.shape().ordinal());
    struct.set(Fields.Optimizer.WARMUP, schedule.warmup());
    struct.set(Fields.Optimizer.PERIOD, schedule.period());
    struct.setDouble(Fields.Optimizer.DECAY, schedule.decay());
    return this;
  }

  /**
   * Sets the momentum of SGD or RMSProp.
   *
   * @param momentum at least 0; 0 by default
   * @return this
   */
  public Optimizer momentum(double momentum) {
    return number(Fields.Optimizer.BETA1, "momentum", momentum);
  }

  /**
   * Sets Adam's decay rates.
   *
   * @param beta1 of the first moment
   * @param beta2 of the second moment
   * @return this
   */
  public Optimizer betas(double beta1, double beta2) {
    number(Fields.Optimizer.BETA1, "beta1", beta1);
    return number(Fields.Optimizer.BETA2, "beta2", beta2);
  }

  /**
   * Sets the decay rate of RMSProp's mean square.
   *
   * @param beta2 0.9 by default
   * @return this
   */
  public Optimizer squareDecay(double beta2) {
    return number(Fields.Optimizer.BETA2, "squareDecay", beta2);
  }

  /**
   * Sets epsilon.
   *
   * @param epsilon at least 0
   * @return this
   */
  public Optimizer epsilon(double epsilon) {
    return number(Fields.Optimizer.EPSILON, "epsilon", epsilon);
  }

  /**
   * Sets weight decay. {@link Kind#ADAMW}: decoupled, p -= lr decay p. Others: L2, g += decay p,
   * after clipping.
   *
   * @param decay at least 0; 0 by default, 0.01 for {@link Kind#ADAMW}
   * @return this
   */
  public Optimizer weightDecay(double decay) {
    return number(Fields.Optimizer.WEIGHT_DECAY, "weightDecay", decay);
  }

  private static void atLeastZero(String name, double value) {
    if (!(value >= 0)) {
      throw new IllegalArgumentException(name + ": expected at least 0, got " + value);
    }
  }

  private Optimizer number(Fields.Optimizer field, String name, double value) {
    atLeastZero(name, value);
    struct.setDouble(field, value);
    return this;
  }

  /**
   * Multiplies each gradient, as it is read, by the coefficient that a clip of list 1 measured on
   * the same stream before, over its loss scale, which a step then moves. A step is skipped where
   * the clip says so ({@link GlobalNormClip#nonFinite}).
   *
   * @param measured a clip of the gradients, or null for none
   * @return this
   */
  public Optimizer clip(@Nullable GlobalNormClip measured) {
    this.clip = measured;
    return this;
  }

  private void bindClip() {
    LossScale scale = clip == null ? null : clip.lossScaleOrNull();
    struct.set(Fields.Optimizer.CLIP, clip == null ? 0 : clip.result().address());
    struct.set(Fields.Optimizer.PER_TENSOR, clip != null && clip.isPerTensor() ? 1 : 0);
    struct.set(Fields.Optimizer.LOSS_SCALE, scale == null ? 0 : scale.buffer().address());
    if (scale != null) {
      struct.setDouble(Fields.Optimizer.GROWTH_FACTOR, scale.growthFactor());
      struct.setDouble(Fields.Optimizer.BACKOFF_FACTOR, scale.backoffFactor());
      struct.set(Fields.Optimizer.GROWTH_INTERVAL, scale.growthInterval());
    }
  }

  /**
   * Steps made so far; waits for the device.
   *
   * @return from 0
   */
  public long stepCount() {
    return readState().step();
  }

  /**
   * Continues a count, after loading state; waits for the device.
   *
   * @param count at least 0
   * @return this
   */
  public Optimizer stepCount(long count) {
    Device device = tensors.device();
    long word = state.address() + 8L * Fields.OptimizerState.STEP.ordinal();
    write(word, Failures.atLeast(0, "stepCount", count), device.defaultStream());
    device.synchronize();
    return this;
  }

  /**
   * Waits for the device and reads what it counts.
   *
   * @return steps and rates
   */
  public OptimizerState readState() {
    ByteBuffer words = ByteBuffer.allocateDirect(8 * WORDS).order(ByteOrder.nativeOrder());
    state.readInto(words);
    if (words.getLong(8 * Fields.OptimizerState.FAILED.ordinal()) != 0) {
      throw new IllegalStateException(
          "Optimizer: the description of its tensors in device memory was overwritten");
    }
    return new OptimizerState(
        words.getLong(8 * Fields.OptimizerState.STEP.ordinal()),
        words.getLong(8 * Fields.OptimizerState.SKIPPED.ordinal()),
        learningRateWritten
            ? words.getDouble(8 * Fields.OptimizerState.LEARNING_RATE.ordinal())
            : learningRate,
        words.getDouble(8 * Fields.OptimizerState.RATE.ordinal()));
  }

  /**
   * All device memory that the next step's result depends on, beside parameters and gradients: the
   * counts and the rate ({@code frnn_optimizer_state}), the state of each parameter, and the loss
   * scale. What a checkpoint holds.
   *
   * @return buffers by name, in a fixed order
   */
  public Map<String, DeviceBuffer> buffers() {
    Map<String, DeviceBuffer> buffers = new LinkedHashMap<>();
    buffers.put("optimizer.state", state);
    int count = tensors.tensors(0).size();
    for (int k = 0; k < owned.size(); k++) {
      buffers.put("optimizer.state" + k / count + "." + k % count, owned.get(k));
    }
    LossScale scale = clip == null ? null : clip.lossScaleOrNull();
    if (scale != null) {
      buffers.put("optimizer.loss_scale", scale.buffer());
    }
    return buffers;
  }

  /**
   * Updates the parameters; enqueued.
   *
   * @param stream where to enqueue
   */
  public void step(Stream stream) {
    Device device = tensors.device();
    tensors.checkOpen();
    writeSettings(stream);
    bindClip();
    struct.set(Fields.Optimizer.STREAM, stream.handleFor(device));
    int status = device.engine().optimizerStep(struct);
    if (status != 0) {
      throw Failures.of(
          status,
          device,
          "Optimizer.step of " + kind + " over " + tensors.tensors(0).size() + " tensors");
    }
  }

  /**
   * Writes what the host set since the last step to the device; enqueued. A captured step does not
   * hold it, so it stands before each launch.
   */
  void writeSettings(Stream stream) {
    if (!learningRateWritten) {
      learningRate(learningRate, stream);
    }
  }

  /** Frees the state; idempotent. */
  @Override
  public void close() {
    tensors.close();
    state.close();
    owned.forEach(DeviceBuffer::close);
  }
}
