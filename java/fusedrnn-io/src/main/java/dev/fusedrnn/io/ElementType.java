package dev.fusedrnn.io;

/** The element types that a safetensors file may declare. */
public enum ElementType {
  /** One byte, 0 or 1. */
  BOOL(1),
  /** Unsigned byte. */
  U8(1),
  /** Signed byte. */
  I8(1),
  /** Unsigned 16 bit. */
  U16(2),
  /** Signed 16 bit. */
  I16(2),
  /** IEEE binary16. */
  F16(2),
  /** The upper half of an IEEE binary32. */
  BF16(2),
  /** Unsigned 32 bit. */
  U32(4),
  /** Signed 32 bit. */
  I32(4),
  /** IEEE binary32. */
  F32(4),
  /** Unsigned 64 bit. */
  U64(8),
  /** Signed 64 bit. */
  I64(8),
  /** IEEE binary64. */
  F64(8);

  private final int bytes;

  ElementType(int bytes) {
    this.bytes = bytes;
  }

  /**
   * Size in memory and file.
   *
   * @return bytes of one element
   */
  public int bytes() {
    return bytes;
  }

  /**
   * Whether it holds real numbers.
   *
   * @return whether it is one of F64, F32, F16, BF16
   */
  public boolean isFloating() {
    return this == F64 || this == F32 || this == F16 || this == BF16;
  }
}
