package dev.fusedrnn;

import java.util.Objects;

/** One recurrent layer in one direction: cell, sizes, bias and element type. Immutable. */
public final class RnnConfig {
  private final Cell cell;
  private final long inputSize;
  private final long hiddenSize;
  private final boolean bias;
  private final DType dtype;

  private RnnConfig(Builder builder) {
    this.cell = builder.cell;
    this.inputSize = Failures.atLeast(1, "inputSize", builder.inputSize);
    this.hiddenSize = Failures.atLeast(1, "hiddenSize", builder.hiddenSize);
    this.bias = builder.bias;
    this.dtype = builder.dtype;
    if (dtype == DType.I32) {
      throw new IllegalArgumentException("dtype: expected f64, f32, bf16 or f16, got i32");
    }
    Failures.elements("weight_ih", weightIhShape());
    Failures.elements("weight_hh", weightHhShape());
  }

  /**
   * Starts a configuration.
   *
   * @param cell the cell
   * @return a builder; input and hidden size have to be set
   */
  public static Builder builder(Cell cell) {
    return new Builder(cell);
  }

  /**
   * The cell.
   *
   * @return the cell
   */
  public Cell cell() {
    return cell;
  }

  /**
   * Input features I.
   *
   * @return at least 1
   */
  public long inputSize() {
    return inputSize;
  }

  /**
   * Hidden units H.
   *
   * @return at least 1
   */
  public long hiddenSize() {
    return hiddenSize;
  }

  /**
   * Whether the layer has the two bias vectors.
   *
   * @return true by default
   */
  public boolean bias() {
    return bias;
  }

  /**
   * Element type of every tensor.
   *
   * @return F32 by default
   */
  public DType dtype() {
    return dtype;
  }

  /**
   * Rows of the weight matrices.
   *
   * @return G*H
   */
  public long gateRows() {
    return Math.multiplyExact(cell.gates(), hiddenSize);
  }

  /**
   * Shape of {@code weight_ih}.
   *
   * @return [G*H, I]
   */
  public long[] weightIhShape() {
    return new long[] {gateRows(), inputSize};
  }

  /**
   * Shape of {@code weight_hh}.
   *
   * @return [G*H, H]
   */
  public long[] weightHhShape() {
    return new long[] {gateRows(), hiddenSize};
  }

  /**
   * Shape of each bias.
   *
   * @return [G*H]
   */
  public long[] biasShape() {
    return new long[] {gateRows()};
  }

  /**
   * Number of parameters, without padding.
   *
   * @return elements of both weights and, where present, both biases
   */
  public long parameterCount() {
    return gateRows() * (inputSize + hiddenSize + (bias ? 2 : 0));
  }

  @Override
  public String toString() {
    return cell.label()
        + "(I="
        + inputSize
        + ", H="
        + hiddenSize
        + (bias ? "" : ", no bias")
        + ", "
        + dtype.label()
        + ")";
  }

  /** Collects a configuration. */
  public static final class Builder {
    private final Cell cell;
    private long inputSize;
    private long hiddenSize;
    private boolean bias = true;
    private DType dtype = DType.F32;

    private Builder(Cell cell) {
      this.cell = Objects.requireNonNull(cell, "cell");
    }

    /**
     * Sets input features I.
     *
     * @param size at least 1
     * @return this
     */
    public Builder inputSize(long size) {
      inputSize = size;
      return this;
    }

    /**
     * Sets hidden units H.
     *
     * @param size at least 1
     * @return this
     */
    public Builder hiddenSize(long size) {
      hiddenSize = size;
      return this;
    }

    /**
     * Sets whether the layer has biases.
     *
     * @param present true by default
     * @return this
     */
    public Builder bias(boolean present) {
      bias = present;
      return this;
    }

    /**
     * Sets the element type.
     *
     * @param type F32 by default
     * @return this
     */
    public Builder dtype(DType type) {
      dtype = Objects.requireNonNull(type, "dtype");
      return this;
    }

    /**
     * Checks and builds.
     *
     * @return the configuration
     * @throws IllegalArgumentException naming a size that is missing or wrong
     */
    public RnnConfig build() {
      return new RnnConfig(this);
    }
  }
}
