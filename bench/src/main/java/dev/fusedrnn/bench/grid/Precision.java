package dev.fusedrnn.bench.grid;

import dev.fusedrnn.DType;

/** In what numbers a cell of the grid is computed. */
enum Precision {
  F32(DType.F32, false, 1e-4),
  TF32(DType.F32, true, 1e-2),
  BF16(DType.BF16, false, 6e-2),
  F16(DType.F16, false, 1e-2);

  private final DType dtype;
  private final boolean tf32;
  private final double distance;

  Precision(DType dtype, boolean tf32, double distance) {
    this.dtype = dtype;
    this.tf32 = tf32;
    this.distance = distance;
  }

  /** The element type of every tensor. */
  DType dtype() {
    return dtype;
  }

  /** Whether products of fp32 numbers may be rounded to TF32. */
  boolean tf32() {
    return tf32;
  }

  /**
   * How far a result may be from the same in fp32, as the norm of the difference over the norm:
   * some twenty roundings of the type in a contracting net. It shows a kernel that is wrong, not
   * one that is inexact: that is the business of {@code check}.
   */
  double distance() {
    return distance;
  }
}
