package dev.fusedrnn.internal;

import dev.fusedrnn.DType;
import dev.fusedrnn.Status;

/** Recurrent nets in simple loops over doubles. Formulas: {@code fusedrnn.h}. */
final class ReferenceOps {
  private final ReferenceMemory memory;

  ReferenceOps(ReferenceMemory memory) {
    this.memory = memory;
  }

  static DType real(long dtype) {
    DType type = DType.values()[(int) dtype];
    if (type != DType.F64 && type != DType.F32) {
      throw new Refusal(
          Status.UNSUPPORTED, "dtype: the reference backend has f64 and f32, not " + type.label());
    }
    return type;
  }

  // ---- Recurrent ----

  void netForward(NetArguments arguments) {
    long flags = arguments.struct().get(Fields.Net.FLAGS);
    ReferenceNet net = new ReferenceNet(memory, arguments, (flags & Flags.TRAINING) != 0);
    net.forward();
    net.storeForward();
  }

  /** Goes forward again, in double, rather than through what forward rounded. */
  void netBackward(NetArguments arguments) {
    ReferenceNet net = new ReferenceNet(memory, arguments, true);
    net.forward();
    net.backward();
  }
}
