package dev.fusedrnn.internal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * An argument struct of {@code fusedrnn.h}: 64-bit words in a direct buffer, one for each constant
 * of {@code F}, in order. Written once and reused, so that a call allocates nothing.
 *
 * @param <F> the fields, as in {@link Fields}
 */
public final class Struct<F extends Enum<F>> {
  private final Class<F> fields;
  private final ByteBuffer words;
  private long address;

  /**
   * Makes a zeroed struct; a first field named {@code STRUCT_BYTES} is filled in.
   *
   * @param fields the enum of the fields
   */
  public Struct(Class<F> fields) {
    this.fields = fields;
    F[] constants = fields.getEnumConstants();
    this.words = ByteBuffer.allocateDirect(8 * constants.length).order(ByteOrder.nativeOrder());
    if (constants[0].name().equals("STRUCT_BYTES")) {
      words.putLong(0, 8L * constants.length);
    }
  }

  /** Sets an integer field. */
  public void set(F field, long value) {
    words.putLong(8 * field.ordinal(), value);
  }

  /** Sets a floating-point field. */
  public void setDouble(F field, double value) {
    words.putDouble(8 * field.ordinal(), value);
  }

  /** Reads an integer field. */
  public long get(F field) {
    return words.getLong(8 * field.ordinal());
  }

  /** Reads a floating-point field. */
  public double getDouble(F field) {
    return words.getDouble(8 * field.ordinal());
  }

  /** The words themselves. */
  ByteBuffer words() {
    return words;
  }

  /** Where the words lie; asks the native library once. */
  long address() {
    if (address == 0) {
      address = Natives.addressOf(words);
    }
    return address;
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(fields.getSimpleName()).append('{');
    for (F field : fields.getEnumConstants()) {
      text.append(field).append('=').append(get(field)).append(' ');
    }
    text.setCharAt(text.length() - 1, '}');
    return text.toString();
  }
}
