package dev.fusedrnn.examples;

import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Stream;

/** One rank's end of what makes the gradients of all ranks their mean. */
public interface AllReduce extends AutoCloseable {
  /**
   * Replaces a buffer by the mean over the same buffer of all ranks, bit by bit the same on each.
   * Every rank calls it as often, in the same order.
   *
   * @param flat the gradients' arena, of one length and type on all ranks
   * @param stream after which work; what is enqueued on it afterwards sees the mean
   */
  void average(DeviceBuffer flat, Stream stream);

  @Override
  void close();
}
