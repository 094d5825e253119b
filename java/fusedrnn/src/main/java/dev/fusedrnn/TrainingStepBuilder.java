package dev.fusedrnn;

import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** What a {@link TrainingStep} is made of; see {@link TrainingStep#builder}. */
public final class TrainingStepBuilder {
  final RnnSequence layers;
  @Nullable DeviceBuffer table;
  @Nullable DeviceBuffer tableGradient;
  @Nullable DeviceBuffer weight;
  @Nullable DeviceBuffer bias;
  @Nullable DeviceBuffer weightGradient;
  @Nullable DeviceBuffer biasGradient;
  boolean crossEntropy = true;
  int ignoreIndex = -100;
  double labelSmoothing;
  @Nullable GlobalNormClip clip;
  @Nullable Optimizer optimizer;
  @Nullable Consumer<Stream> afterBackward;
  boolean carryState = true;
  boolean capture = true;
  int ring = 4;
  long seed;

  TrainingStepBuilder(RnnSequence layers) {
    this.layers = Objects.requireNonNull(layers, "layers");
  }

  /**
   * Lets the net read ids through an embedding; without it batches hold x itself.
   *
   * @param table [V, E], E the layers' input size
   * @param gradient [V, E], written, or null where the table is not learnt
   * @return this
   */
  public TrainingStepBuilder embedding(DeviceBuffer table, @Nullable DeviceBuffer gradient) {
    this.table = Objects.requireNonNull(table, "table");
    this.tableGradient = gradient;
    return this;
  }

  /**
   * The linear layer from the output of the recurrent layers to scores or values; required.
   *
   * @param weight [O, D W]
   * @param bias [O], or null
   * @param weightGradient [O, D W], written
   * @param biasGradient [O], written, or null
   * @return this
   */
  public TrainingStepBuilder output(
      DeviceBuffer weight,
      @Nullable DeviceBuffer bias,
      DeviceBuffer weightGradient,
      @Nullable DeviceBuffer biasGradient) {
    this.weight = Objects.requireNonNull(weight, "weight");
    this.bias = bias;
    this.weightGradient = Objects.requireNonNull(weightGradient, "weightGradient");
    this.biasGradient = biasGradient;
    return this;
  }

  /**
   * Learns classes by softmax and cross-entropy; the default, with -100.
   *
   * @param ignore the target of rows that do not count
   * @return this
   */
  public TrainingStepBuilder crossEntropy(int ignore) {
    this.crossEntropy = true;
    this.ignoreIndex = ignore;
    return this;
  }

  /**
   * Softens the classes of a cross-entropy (Szegedy et al. 2016).
   *
   * @param share of the mass that goes to all classes alike, in [0, 1); 0 by default
   * @return this
   */
  public TrainingStepBuilder labelSmoothing(double share) {
    this.labelSmoothing = share;
    return this;
  }

  /**
   * Learns values by the mean squared error instead of classes.
   *
   * @return this
   */
  public TrainingStepBuilder meanSquaredError() {
    this.crossEntropy = false;
    return this;
  }

  /**
   * Updates the parameters; without it a step ends with the gradients.
   *
   * @param rule over the parameters and gradients that the step was given; stays the caller's
   * @param measured measures the gradients before, or null; stays the caller's, who also tells the
   *     optimiser of it. Where it has a {@link LossScale}, the loss's gradient is scaled by it
   * @return this
   */
  public TrainingStepBuilder optimizer(Optimizer rule, @Nullable GlobalNormClip measured) {
    this.optimizer = Objects.requireNonNull(rule, "rule");
    this.clip = measured;
    return this;
  }

  /**
   * Calls something between the backward pass and the clip, at each step: where data-parallel
   * training sums the gradients of all ranks. It is never captured, so it may also wait; what
   * stands before it and what comes after are a graph each.
   *
   * @param hook enqueues on the stream that it is given
   * @return this
   */
  public TrainingStepBuilder afterBackward(Consumer<Stream> hook) {
    this.afterBackward = Objects.requireNonNull(hook, "hook");
    return this;
  }

  /**
   * Whether the state after a step is the one before the next (truncated backpropagation through
   * time); else each step begins with an empty past.
   *
   * @param carry true by default
   * @return this
   */
  public TrainingStepBuilder carryState(boolean carry) {
    this.carryState = carry;
    return this;
  }

  /**
   * How many steps may be on their way to the device, and for how many the loss is kept.
   *
   * @param steps at least 1; 4 by default
   * @return this
   */
  public TrainingStepBuilder ring(int steps) {
    this.ring = (int) Failures.atLeast(1, "ring", steps);
    return this;
  }

  /**
   * Whether the second step is captured and those after it launch the graph. Where the device
   * serves no graphs, all steps run plainly.
   *
   * @param graph true by default
   * @return this
   */
  public TrainingStepBuilder capture(boolean graph) {
    this.capture = graph;
    return this;
  }

  /**
   * Seeds the masks of dropout and zoneout; their offset is the number of the step.
   *
   * @param number 0 by default
   * @return this
   */
  public TrainingStepBuilder seed(long number) {
    this.seed = number;
    return this;
  }

  /**
   * Allocates what the step needs.
   *
   * @return to be closed, before the layers, the optimiser and the parameters
   * @throws IllegalArgumentException for tensors whose shapes do not fit one another
   * @throws IllegalStateException without an output layer
   */
  public TrainingStep build() {
    if (weight == null || weightGradient == null) {
      throw new IllegalStateException("output: not set, but a training step needs it");
    }
    return new TrainingStep(this);
  }
}
