package dev.fusedrnn.bench;

import dev.fusedrnn.DType;

/** What a case is computed in. */
public enum Precision {
  /** fp32, products too. */
  F32(DType.F32),
  /** fp32, products of factors that are rounded to TF32. */
  TF32(DType.F32),
  /** bfloat16, sums in fp32. */
  BF16(DType.BF16),
  /** IEEE half, sums in fp32. */
  F16(DType.F16);

  private final DType dtype;

  Precision(DType dtype) {
    this.dtype = dtype;
  }

  /**
   * The element type of tensors.
   *
   * @return the type
   */
  public DType dtype() {
    return dtype;
  }

  /**
   * Whether products may be rounded to TF32.
   *
   * @return true for {@link #TF32}
   */
  public boolean tf32() {
    return this == TF32;
  }
}
