package dev.fusedrnn;

import dev.fusedrnn.internal.Variants;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;

/** Collects the configuration of a recurrent network; starts at {@link RnnConfig#builder}. */
public final class RnnConfigBuilder {
  final Cell cell;
  long inputSize;
  long hiddenSize;
  boolean bias = true;
  DType dtype = DType.F32;
  int layers = 1;
  boolean bidirectional;
  long projectionSize;
  boolean peephole;
  boolean coupledForget;
  double cellClip;
  double dropout;
  double recurrentDropout;
  double zoneoutHidden;
  double zoneoutCell;
  boolean residual;
  boolean batchFirst;
  Norm norm = Norm.NONE;
  double normEpsilon = 1e-5;
  double normMomentum = 0.1;
  EnumSet<Gate> without = EnumSet.noneOf(Gate.class);

  RnnConfigBuilder(Cell cell) {
    this.cell = Objects.requireNonNull(cell, "cell");
  }

  RnnConfigBuilder copy() {
    RnnConfigBuilder copy = new RnnConfigBuilder(cell);
    copy.inputSize = inputSize;
    copy.hiddenSize = hiddenSize;
    copy.bias = bias;
    copy.dtype = dtype;
    copy.layers = layers;
    copy.bidirectional = bidirectional;
    copy.projectionSize = projectionSize;
    copy.peephole = peephole;
    copy.coupledForget = coupledForget;
    copy.cellClip = cellClip;
    copy.dropout = dropout;
    copy.recurrentDropout = recurrentDropout;
    copy.zoneoutHidden = zoneoutHidden;
    copy.zoneoutCell = zoneoutCell;
    copy.residual = residual;
    copy.batchFirst = batchFirst;
    copy.norm = norm;
    copy.normEpsilon = normEpsilon;
    copy.normMomentum = normMomentum;
    copy.without = without.clone();
    return copy;
  }

  long variant() {
    return (peephole ? Variants.PEEPHOLE : 0)
        | (coupledForget ? Variants.COUPLED : 0)
        | (without.contains(Gate.INPUT) ? Variants.NO_INPUT_GATE : 0)
        | (without.contains(Gate.FORGET) ? Variants.NO_FORGET_GATE : 0)
        | (without.contains(Gate.OUTPUT) ? Variants.NO_OUTPUT_GATE : 0);
  }

  /**
   * Sets input features I.
   *
   * @param value at least 1
   * @return this
   */
  public RnnConfigBuilder inputSize(long value) {
    inputSize = value;
    return this;
  }

  /**
   * Sets hidden units H.
   *
   * @param value at least 1
   * @return this
   */
  public RnnConfigBuilder hiddenSize(long value) {
    hiddenSize = value;
    return this;
  }

  /**
   * Sets whether there are two bias vectors a layer.
   *
   * @param value true by default
   * @return this
   */
  public RnnConfigBuilder bias(boolean value) {
    bias = value;
    return this;
  }

  /**
   * Sets the element type of every tensor.
   *
   * @param value F32 by default
   * @return this
   */
  public RnnConfigBuilder dtype(DType value) {
    dtype = Objects.requireNonNull(value, "dtype");
    return this;
  }

  /**
   * Sets how many layers are stacked.
   *
   * @param value at least 1; 1 by default
   * @return this
   */
  public RnnConfigBuilder layers(int value) {
    layers = value;
    return this;
  }

  /**
   * Sets whether there are two directions, side by side in the output, forward first.
   *
   * @param value false by default
   * @return this
   */
  public RnnConfigBuilder bidirectional(boolean value) {
    bidirectional = value;
    return this;
  }

  /**
   * Sets the width P that h is projected to (Sak et al. 2014); LSTM only.
   *
   * @param value 1 to H - 1; 0, the default, for none
   * @return this
   */
  public RnnConfigBuilder projectionSize(long value) {
    projectionSize = value;
    return this;
  }

  /**
   * Sets whether gates see c (Gers et al. 2002); LSTM only.
   *
   * @param value false by default
   * @return this
   */
  public RnnConfigBuilder peephole(boolean value) {
    peephole = value;
    return this;
  }

  /**
   * Sets whether i = 1 - f (Greff et al. 2017); LSTM only.
   *
   * @param value false by default
   * @return this
   */
  public RnnConfigBuilder coupledForget(boolean value) {
    coupledForget = value;
    return this;
  }

  /**
   * Sets the limit that c is clamped to on both sides; it passes no gradient where it was; LSTM
   * only.
   *
   * @param value above 0; 0, the default, for none
   * @return this
   */
  public RnnConfigBuilder cellClip(double value) {
    cellClip = value;
    return this;
  }

  /**
   * Sets dropout on the output of each layer but the last, in training.
   *
   * @param value in [0, 1); 0 by default
   * @return this
   */
  public RnnConfigBuilder dropout(double value) {
    dropout = value;
    return this;
  }

  /**
   * Sets dropout of h where it enters the recurrent product, one mask a sequence, in training (Gal
   * and Ghahramani 2016).
   *
   * @param value in [0, 1); 0 by default
   * @return this
   */
  public RnnConfigBuilder recurrentDropout(double value) {
    recurrentDropout = value;
    return this;
  }

  /**
   * Sets the probability that a unit keeps its h of the step before, at random in training and in
   * expectation otherwise (Krueger et al. 2017).
   *
   * @param value in [0, 1); 0 by default
   * @return this
   */
  public RnnConfigBuilder zoneoutHidden(double value) {
    zoneoutHidden = value;
    return this;
  }

  /**
   * Sets the probability that a unit keeps its c, likewise; LSTM only.
   *
   * @param value in [0, 1); 0 by default
   * @return this
   */
  public RnnConfigBuilder zoneoutCell(double value) {
    zoneoutCell = value;
    return this;
  }

  /**
   * Sets whether each layer after the first adds its input to its output.
   *
   * @param value false by default
   * @return this
   */
  public RnnConfigBuilder residual(boolean value) {
    residual = value;
    return this;
  }

  /**
   * Sets whether sequences are [B, T, .] instead of [T, B, .]; states never are.
   *
   * @param value false by default
   * @return this
   */
  public RnnConfigBuilder batchFirst(boolean value) {
    batchFirst = value;
    return this;
  }

  /**
   * Sets the normalisation of every layer.
   *
   * @param value NONE by default
   * @return this
   */
  public RnnConfigBuilder norm(Norm value) {
    norm = Objects.requireNonNull(value, "norm");
    return this;
  }

  /**
   * Sets what a norm adds to the variance.
   *
   * @param value above 0; 1e-5 by default
   * @return this
   */
  public RnnConfigBuilder normEpsilon(double value) {
    normEpsilon = value;
    return this;
  }

  /**
   * Sets how much of a batch's statistics goes into the running ones.
   *
   * @param value 0 to 1; 0.1 by default
   * @return this
   */
  public RnnConfigBuilder normMomentum(double value) {
    normMomentum = value;
    return this;
  }

  /**
   * Leaves gates out: they are 1 (the ablations of Jozefowicz et al. 2015); LSTM only.
   *
   * @param gates which
   * @return this
   */
  public RnnConfigBuilder without(Gate... gates) {
    without.addAll(List.of(gates));
    return this;
  }

  /**
   * Checks and builds.
   *
   * @return the configuration
   * @throws IllegalArgumentException naming what is missing, wrong or does not go together
   */
  public RnnConfig build() {
    return new RnnConfig(this);
  }
}
