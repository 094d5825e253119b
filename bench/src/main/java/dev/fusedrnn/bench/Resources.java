package dev.fusedrnn.bench;

import dev.fusedrnn.Device;
import org.jspecify.annotations.Nullable;

/** A device and the sequence on it, closed together. */
record Resources(@Nullable Device deviceOrNone, @Nullable CheckedSequence sequenceOrNone)
    implements AutoCloseable {
  /** What a state has before its set-up. */
  static final Resources NONE = new Resources(null, null);

  Device device() {
    if (deviceOrNone == null) {
      throw new IllegalStateException("the set-up has not run");
    }
    return deviceOrNone;
  }

  CheckedSequence sequence() {
    if (sequenceOrNone == null) {
      throw new IllegalStateException("the set-up has not run");
    }
    return sequenceOrNone;
  }

  @Override
  public void close() {
    if (sequenceOrNone != null) {
      sequenceOrNone.close();
    }
    if (deviceOrNone != null) {
      deviceOrNone.close();
    }
  }
}
