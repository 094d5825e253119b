package dev.fusedrnn;

import dev.fusedrnn.internal.Variants;
import java.util.ArrayList;
import java.util.List;

/**
 * A recurrent network: cell and its variants, sizes, stacked layers, directions, regularisation.
 * Immutable. What makes no sense together is refused by {@link RnnConfigBuilder#build()}.
 */
public final class RnnConfig {
  private final RnnConfigBuilder values;
  private final long variant;

  RnnConfig(RnnConfigBuilder builder) {
    this.values = builder.copy();
    this.variant = builder.variant();
    Failures.atLeast(1, "inputSize", values.inputSize);
    Failures.atLeast(1, "hiddenSize", values.hiddenSize);
    Failures.atLeast(1, "layers", values.layers);
    if (values.dtype == DType.I32) {
      throw new IllegalArgumentException("dtype: expected f64, f32, bf16 or f16, got i32");
    }
    checkVariant();
    checkRegularisation();
    checkNorm();
    for (Parameter parameter : parameters()) {
      Failures.elements(parameter.torchName(0, 0), shape(parameter, 0));
    }
  }

  private void checkVariant() {
    boolean lstm = values.cell == Cell.LSTM;
    lstmOnly("projectionSize", values.projectionSize != 0, lstm);
    lstmOnly("peephole", values.peephole, lstm);
    lstmOnly("coupledForget", values.coupledForget, lstm);
    lstmOnly("without", !values.without.isEmpty(), lstm);
    lstmOnly("cellClip", values.cellClip != 0, lstm);
    lstmOnly("zoneoutCell", values.zoneoutCell != 0, lstm);
    if (values.projectionSize != 0
        && (values.projectionSize < 1 || values.projectionSize >= values.hiddenSize)) {
      throw new IllegalArgumentException(
          "projectionSize: expected 1 to "
              + (values.hiddenSize - 1)
              + ", or 0 for none, got "
              + values.projectionSize);
    }
    if (values.coupledForget
        && (values.without.contains(Gate.INPUT) || values.without.contains(Gate.FORGET))) {
      throw new IllegalArgumentException(
          "coupledForget: sets the input gate from the forget gate, so neither can be left out; got"
              + " without "
              + values.without);
    }
    if (!(values.cellClip >= 0)) {
      throw new IllegalArgumentException(
          "cellClip: expected above 0, or 0 for none, got " + values.cellClip);
    }
  }

  private void lstmOnly(String name, boolean used, boolean lstm) {
    if (used && !lstm) {
      throw new IllegalArgumentException(
          name + ": expected none for " + values.cell.label() + "; only lstm has it");
    }
  }

  private void checkRegularisation() {
    probability("dropout", values.dropout);
    probability("recurrentDropout", values.recurrentDropout);
    probability("zoneoutHidden", values.zoneoutHidden);
    probability("zoneoutCell", values.zoneoutCell);
  }

  private void checkNorm() {
    if (values.norm == Norm.LAYER
        && (values.cell != Cell.LSTM || variant != 0 || values.projectionSize != 0)) {
      throw new IllegalArgumentException(
          "norm: layer normalisation expects a plain lstm, got " + this);
    }
    if (!(values.normEpsilon > 0)) {
      throw new IllegalArgumentException(
          "normEpsilon: expected above 0, got " + values.normEpsilon);
    }
    if (!(values.normMomentum >= 0 && values.normMomentum <= 1)) {
      throw new IllegalArgumentException(
          "normMomentum: expected 0 to 1, got " + values.normMomentum);
    }
  }

  private static void probability(String name, double value) {
    if (!(value >= 0 && value < 1)) {
      throw new IllegalArgumentException(name + ": expected 0 to below 1, got " + value);
    }
  }

  /**
   * Starts a configuration.
   *
   * @param cell the cell
   * @return a builder; input and hidden size have to be set
   */
  public static RnnConfigBuilder builder(Cell cell) {
    return new RnnConfigBuilder(cell);
  }

  /**
   * The cell.
   *
   * @return the cell
   */
  public Cell cell() {
    return values.cell;
  }

  /**
   * Input features I.
   *
   * @return at least 1
   */
  public long inputSize() {
    return values.inputSize;
  }

  /**
   * Hidden units H.
   *
   * @return at least 1
   */
  public long hiddenSize() {
    return values.hiddenSize;
  }

  /**
   * Whether there are two bias vectors a layer.
   *
   * @return true by default
   */
  public boolean bias() {
    return values.bias;
  }

  /**
   * Element type of every tensor.
   *
   * @return F32 by default
   */
  public DType dtype() {
    return values.dtype;
  }

  /**
   * Stacked layers L.
   *
   * @return at least 1
   */
  public int layers() {
    return values.layers;
  }

  /**
   * Whether a second direction runs from each row's last step to its first.
   *
   * @return false by default
   */
  public boolean bidirectional() {
    return values.bidirectional;
  }

  /**
   * Width P that h is projected to (Sak et al. 2014).
   *
   * @return 0 for none
   */
  public long projectionSize() {
    return values.projectionSize;
  }

  /**
   * Whether gates see c (Gers et al. 2002).
   *
   * @return false by default
   */
  public boolean peephole() {
    return values.peephole;
  }

  /**
   * Whether i = 1 - f (Greff et al. 2017).
   *
   * @return false by default
   */
  public boolean coupledForget() {
    return values.coupledForget;
  }

  /**
   * The limit that c is clamped to.
   *
   * @return 0 for none
   */
  public double cellClip() {
    return values.cellClip;
  }

  /**
   * Dropout on the output of each layer but the last, in training.
   *
   * @return in [0, 1)
   */
  public double dropout() {
    return values.dropout;
  }

  /**
   * Dropout of h where it enters the recurrent product, one mask a sequence (Gal and Ghahramani
   * 2016).
   *
   * @return in [0, 1)
   */
  public double recurrentDropout() {
    return values.recurrentDropout;
  }

  /**
   * Probability that a unit keeps its h (Krueger et al. 2017).
   *
   * @return in [0, 1)
   */
  public double zoneoutHidden() {
    return values.zoneoutHidden;
  }

  /**
   * Probability that a unit keeps its c (Krueger et al. 2017).
   *
   * @return in [0, 1)
   */
  public double zoneoutCell() {
    return values.zoneoutCell;
  }

  /**
   * Whether each layer after the first adds its input to its output.
   *
   * @return false by default
   */
  public boolean residual() {
    return values.residual;
  }

  /**
   * Whether sequences are [B, T, .] instead of [T, B, .].
   *
   * @return false by default
   */
  public boolean batchFirst() {
    return values.batchFirst;
  }

  /**
   * Normalisation of every layer.
   *
   * @return NONE by default
   */
  public Norm norm() {
    return values.norm;
  }

  /**
   * What a norm adds to the variance.
   *
   * @return above 0
   */
  public double normEpsilon() {
    return values.normEpsilon;
  }

  /**
   * How much of a batch's statistics goes into the running ones.
   *
   * @return 0 to 1
   */
  public double normMomentum() {
    return values.normMomentum;
  }

  /**
   * Element type of the cell state and of running statistics.
   *
   * @return F32 where {@link #dtype()} is of 16 bits, else the same
   */
  public DType stateDtype() {
    return values.dtype == DType.F64 ? DType.F64 : DType.F32;
  }

  /**
   * Directions D.
   *
   * @return 1, or 2 where bidirectional
   */
  public int directions() {
    return values.bidirectional ? 2 : 1;
  }

  /**
   * Whether an LSTM computes a gate from parameters of its own: not where it is left out, and not
   * the input gate where it is coupled to the forget gate.
   *
   * @param gate which
   * @return true where the parameters have a block for it
   */
  public boolean hasGate(Gate gate) {
    return switch (gate) {
      case INPUT -> Variants.hasInputGate(variant);
      case FORGET -> Variants.hasForgetGate(variant);
      case OUTPUT -> Variants.hasOutputGate(variant);
    };
  }

  /** Bits of {@code frnn_variant}. */
  long variant() {
    return variant;
  }

  /**
   * Gate blocks G of the parameters: those of the cell less those that a variant computes
   * otherwise.
   *
   * @return 4 for a plain LSTM, 3 for GRU, 1 for RNN
   */
  public int gates() {
    return values.cell == Cell.LSTM ? Variants.gates(variant) : values.cell.gates();
  }

  /**
   * Width of h, W.
   *
   * @return P with a projection, else H
   */
  public long stateSize() {
    return values.projectionSize > 0 ? values.projectionSize : values.hiddenSize;
  }

  /**
   * Features of the output.
   *
   * @return D * W
   */
  public long outputSize() {
    return directions() * stateSize();
  }

  /**
   * Input features of a layer.
   *
   * @param layer from 0
   * @return I for layer 0, else D * W
   */
  public long inputSize(int layer) {
    return layer == 0 ? values.inputSize : outputSize();
  }

  /**
   * Rows of the input weights; the recurrent weights have as many, but of MUT1 two thirds.
   *
   * @return G * H
   */
  public long gateRows() {
    return Math.multiplyExact(gates(), values.hiddenSize);
  }

  /** Rows of the recurrent weights: as the input's, but for MUT1. */
  private long recurrentRows() {
    return values.cell == Cell.LSTM
        ? gateRows()
        : Math.multiplyExact(values.cell.recurrentGates(), values.hiddenSize);
  }

  /**
   * The parameters that each layer and direction has.
   *
   * @return in the order of torch.nn
   */
  public List<Parameter> parameters() {
    List<Parameter> present = new ArrayList<>(List.of(Parameter.WEIGHT_IH, Parameter.WEIGHT_HH));
    if (values.bias) {
      present.add(Parameter.BIAS_IH);
      present.add(Parameter.BIAS_HH);
    }
    if (values.projectionSize > 0) {
      present.add(Parameter.WEIGHT_HR);
    }
    if (values.peephole) {
      present.add(Parameter.WEIGHT_PEEPHOLE);
    }
    if (values.norm != Norm.NONE) {
      present.add(Parameter.NORM_IH);
    }
    if (values.norm == Norm.LAYER) {
      present.addAll(List.of(Parameter.NORM_HH, Parameter.NORM_C, Parameter.NORM_C_BIAS));
    }
    return present;
  }

  /**
   * What each layer and direction has beside its parameters.
   *
   * @return the running statistics with batch norm, else nothing
   */
  public List<Parameter> statistics() {
    return values.norm == Norm.BATCH
        ? List.of(Parameter.RUNNING_MEAN, Parameter.RUNNING_VAR)
        : List.of();
  }

  /**
   * Shape of a parameter.
   *
   * @param parameter which, whether the network has it or not
   * @param layer from 0
   * @return sizes as {@link Parameter} gives them
   */
  public long[] shape(Parameter parameter, int layer) {
    return switch (parameter) {
      case WEIGHT_IH -> new long[] {gateRows(), inputSize(layer)};
      case WEIGHT_HH -> new long[] {recurrentRows(), stateSize()};
      case BIAS_IH, NORM_IH, NORM_HH, RUNNING_MEAN, RUNNING_VAR -> new long[] {gateRows()};
      case NORM_C, NORM_C_BIAS -> new long[] {values.hiddenSize};
      case BIAS_HH -> new long[] {recurrentRows()};
      case WEIGHT_HR -> new long[] {values.projectionSize, values.hiddenSize};
      case WEIGHT_PEEPHOLE -> new long[] {Variants.peepholes(variant), values.hiddenSize};
    };
  }

  /**
   * Number of parameters, without padding.
   *
   * @return elements over all layers and directions
   */
  public long parameterCount() {
    long count = 0;
    for (int layer = 0; layer < values.layers; layer++) {
      for (Parameter parameter : parameters()) {
        count += directions() * Failures.elements("parameters", shape(parameter, layer));
      }
    }
    return count;
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(values.cell.label());
    text.append("(I=").append(values.inputSize).append(", H=").append(values.hiddenSize);
    if (values.projectionSize > 0) {
      text.append(", P=").append(values.projectionSize);
    }
    if (values.layers > 1) {
      text.append(", L=").append(values.layers);
    }
    text.append(values.bidirectional ? ", bidirectional" : "");
    text.append(values.peephole ? ", peephole" : "");
    text.append(values.coupledForget ? ", coupled" : "");
    text.append(values.without.isEmpty() ? "" : ", without " + values.without);
    text.append(values.norm == Norm.NONE ? "" : ", " + values.norm + " norm");
    text.append(values.residual ? ", residual" : "").append(values.bias ? "" : ", no bias");
    return text.append(", ").append(values.dtype.label()).append(")").toString();
  }
}
