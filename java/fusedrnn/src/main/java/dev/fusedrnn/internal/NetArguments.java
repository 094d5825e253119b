package dev.fusedrnn.internal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * {@code frnn_net} with its two lists of {@code frnn_weights}, one entry for each layer and
 * direction: layer 0 forward, layer 0 reverse, layer 1 forward and so on.
 */
public final class NetArguments {
  private static final int WORDS = Fields.Weights.values().length;

  private final Struct<Fields.Net> struct;
  private final ByteBuffer weights;
  private final ByteBuffer gradients;

  /**
   * Makes zeroed arguments.
   *
   * @param struct the struct to complete
   * @param entries layers times directions
   */
  public NetArguments(Struct<Fields.Net> struct, int entries) {
    this.struct = struct;
    this.weights = ByteBuffer.allocateDirect(8 * WORDS * entries).order(ByteOrder.nativeOrder());
    this.gradients = ByteBuffer.allocateDirect(8 * WORDS * entries).order(ByteOrder.nativeOrder());
  }

  /** The struct. */
  public Struct<Fields.Net> struct() {
    return struct;
  }

  /** Sets the address of a parameter. */
  public void setWeight(int entry, int parameter, long address) {
    weights.putLong(8 * (entry * WORDS + parameter), address);
  }

  /** Sets the address of a parameter's gradient, 0 where it is not wanted. */
  public void setGradient(int entry, int parameter, long address) {
    gradients.putLong(8 * (entry * WORDS + parameter), address);
  }

  /** The address of a parameter. */
  long weight(int entry, Fields.Weights parameter) {
    return weights.getLong(8 * (entry * WORDS + parameter.ordinal()));
  }

  /** The address of a gradient. */
  long gradient(int entry, Fields.Weights parameter) {
    return gradients.getLong(8 * (entry * WORDS + parameter.ordinal()));
  }

  /** The struct as the C door reads it. */
  long address() {
    if (struct.get(Fields.Net.WEIGHTS) == 0) {
      struct.set(Fields.Net.WEIGHTS, Natives.addressOf(weights));
      struct.set(Fields.Net.GRADIENTS, Natives.addressOf(gradients));
    }
    return struct.address();
  }
}
