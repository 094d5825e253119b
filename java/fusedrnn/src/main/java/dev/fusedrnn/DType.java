package dev.fusedrnn;

import java.util.Locale;

/** Element types. Ordinals are those of {@code frnn_dtype} in {@code fusedrnn.h}. */
public enum DType {
  /** IEEE double; computed in by the reference backend only. */
  F64(8),
  /** IEEE single. */
  F32(4),
  /** bfloat16. */
  BF16(2),
  /** IEEE half. */
  F16(2),
  /** 32-bit integer: token ids and targets. */
  I32(4);

  private final int bytes;

  DType(int bytes) {
    this.bytes = bytes;
  }

  /**
   * Bytes of one element.
   *
   * @return 2, 4 or 8
   */
  public int bytes() {
    return bytes;
  }

  /**
   * The name used in files and messages.
   *
   * @return for example {@code f32}
   */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Finds a type by its label.
   *
   * @param name {@code f64}, {@code f32}, {@code bf16}, {@code f16} or {@code i32}, in any case
   * @return the type
   * @throws IllegalArgumentException naming the known labels
   */
  public static DType fromName(String name) {
    for (DType dtype : values()) {
      if (dtype.label().equals(name.toLowerCase(Locale.ROOT))) {
        return dtype;
      }
    }
    throw new IllegalArgumentException(
        "dtype: expected one of f64, f32, bf16, f16, i32, got " + name);
  }
}
