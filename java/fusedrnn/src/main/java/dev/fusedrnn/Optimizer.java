package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Flags;
import dev.fusedrnn.internal.Struct;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Stochastic gradient descent with momentum, Adagrad or Adam over lists of parameters and
 * gradients. It owns its state, which starts at zero. Threads: one at a time.
 */
public final class Optimizer implements AutoCloseable {
  /** The update rules. Ordinals are those of {@code frnn_optimizer_kind}. */
  public enum Kind {
    /** v = momentum v + g; p -= lr v. */
    SGD(1),
    /** m += g^2; p -= lr g / sqrt(m + epsilon), as min-char-rnn has it. */
    ADAGRAD(1),
    /** Kingma and Ba 2015, algorithm 1, bias-corrected; epsilon outside the root. */
    ADAM(2);

    private final int states;

    Kind(int states) {
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
  }

  private final Kind kind;
  private final List<DeviceBuffer> owned;
  private final TensorList tensors;
  private final Struct<Fields.Optimizer> struct = new Struct<>(Fields.Optimizer.class);
  private @Nullable GlobalNormClip clip;
  private long step;

  private Optimizer(Kind kind, TensorList tensors, List<DeviceBuffer> owned) {
    this.kind = kind;
    this.tensors = tensors;
    this.owned = owned;
    struct.set(Fields.Optimizer.KIND, kind.ordinal());
    struct.set(Fields.Optimizer.DTYPE, tensors.dtype().ordinal());
    struct.set(Fields.Optimizer.TABLE, tensors.table().address());
    struct.set(Fields.Optimizer.CHUNKS, tensors.chunks());
  }

  /**
   * Makes an optimiser with published defaults: SGD lr 0.1 without momentum; Adagrad lr 0.1,
   * epsilon 1e-8 (min-char-rnn); Adam lr 1e-3, beta1 0.9, beta2 0.999, epsilon 1e-8 (Kingma and Ba
   * 2015).
   *
   * @param kind the update rule
   * @param parameters at least one tensor, all of one device and type
   * @param gradients one of the same length for each parameter
   * @return to be closed
   */
  public static Optimizer create(
      Kind kind, List<DeviceBuffer> parameters, List<DeviceBuffer> gradients) {
    if (parameters.isEmpty()) {
      throw new IllegalArgumentException("parameters: expected at least one tensor, got none");
    }
    Device device = parameters.get(0).device();
    DType dtype = parameters.get(0).dtype();
    TensorList.of(device, dtype, List.of(parameters, gradients)).close();
    List<List<DeviceBuffer>> lists = new ArrayList<>(List.of(parameters, gradients));
    List<DeviceBuffer> owned = new ArrayList<>();
    for (int state = 0; state < kind.states(); state++) {
      List<DeviceBuffer> list = new ArrayList<>();
      for (DeviceBuffer parameter : parameters) {
        DeviceBuffer buffer = device.allocate(dtype, parameter.shape());
        buffer.zero(device.defaultStream());
        list.add(buffer);
        owned.add(buffer);
      }
      lists.add(list);
    }
    device.synchronize();
    Optimizer optimizer = new Optimizer(kind, TensorList.of(device, dtype, lists), owned);
    return switch (kind) {
      case SGD -> optimizer.learningRate(0.1);
      case ADAGRAD -> optimizer.learningRate(0.1).epsilon(1e-8);
      case ADAM -> optimizer.learningRate(1e-3).betas(0.9, 0.999).epsilon(1e-8);
    };
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
   * Parameters (list 0), gradients (list 1) and state (lists 2 and, for Adam, 3); clip list 1.
   *
   * @return owned by this optimiser
   */
  public TensorList tensors() {
    return tensors;
  }

  /**
   * Sets the learning rate.
   *
   * @param rate at least 0
   * @return this
   */
  public Optimizer learningRate(double rate) {
    return number(Fields.Optimizer.LEARNING_RATE, "learningRate", rate);
  }

  /**
   * Sets the momentum of SGD.
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
   * Sets epsilon.
   *
   * @param epsilon at least 0
   * @return this
   */
  public Optimizer epsilon(double epsilon) {
    return number(Fields.Optimizer.EPSILON, "epsilon", epsilon);
  }

  /**
   * Sets L2 weight decay: g += decay p, after clipping.
   *
   * @param decay at least 0; 0 by default
   * @return this
   */
  public Optimizer weightDecay(double decay) {
    return number(Fields.Optimizer.WEIGHT_DECAY, "weightDecay", decay);
  }

  private Optimizer number(Fields.Optimizer field, String name, double value) {
    if (!(value >= 0)) {
      throw new IllegalArgumentException(name + ": expected at least 0, got " + value);
    }
    struct.setDouble(field, value);
    return this;
  }

  /**
   * Multiplies each gradient, as it is read, by the coefficient that a clip measured on the same
   * stream before.
   *
   * @param measured a clip of the gradients, or null for none
   * @param skipNonFinite whether a step does nothing where an element was NaN or infinite
   * @return this
   */
  public Optimizer clip(@Nullable GlobalNormClip measured, boolean skipNonFinite) {
    this.clip = measured;
    struct.set(
        Fields.Optimizer.FLAGS, measured != null && skipNonFinite ? Flags.SKIP_NONFINITE : 0);
    return this;
  }

  /**
   * Steps made so far.
   *
   * @return from 0
   */
  public long stepCount() {
    return step;
  }

  /**
   * Continues a count, after loading state.
   *
   * @param count at least 0
   * @return this
   */
  public Optimizer stepCount(long count) {
    step = Failures.atLeast(0, "stepCount", count);
    return this;
  }

  /**
   * Updates the parameters; enqueued.
   *
   * @param stream where to enqueue
   */
  public void step(Stream stream) {
    Device device = tensors.device();
    tensors.checkOpen();
    struct.set(Fields.Optimizer.STEP, step + 1);
    struct.set(Fields.Optimizer.CLIP, clip == null ? 0 : clip.result().address());
    struct.set(Fields.Optimizer.STREAM, stream.handleFor(device));
    int status = device.engine().optimizerStep(struct);
    if (status != 0) {
      throw Failures.of(
          status,
          device,
          "Optimizer.step of " + kind + " over " + tensors.tensors(0).size() + " tensors");
    }
    step++;
  }

  /** Frees the state; idempotent. */
  @Override
  public void close() {
    tensors.close();
    owned.forEach(DeviceBuffer::close);
  }
}
