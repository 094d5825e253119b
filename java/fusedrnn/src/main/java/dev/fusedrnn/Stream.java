package dev.fusedrnn;

import org.jspecify.annotations.Nullable;

/**
 * A queue of work on a device. Calls on one stream run in order; different streams are ordered only
 * by events. Threads: one at a time.
 */
public final class Stream implements AutoCloseable {
  private final Device device;
  private final long handle;
  private final LeakWatch.@Nullable Ticket leak;
  private boolean closed;

  Stream(Device device, long handle) {
    this.device = device;
    this.handle = handle;
    this.leak = handle == 0 ? null : LeakWatch.watch(this, "Stream of " + device);
  }

  private Stream(Device device, long handle, boolean wrapped) {
    this.device = device;
    this.handle = handle;
    this.leak = null;
  }

  static Stream wrap(Device device, long handle) {
    return new Stream(device, handle, true);
  }

  /**
   * The device of this stream.
   *
   * @return the device
   */
  public Device device() {
    return device;
  }

  /**
   * The stream's address, for interoperation.
   *
   * @return 0 for the default stream
   * @throws IllegalStateException once closed
   */
  public long handle() {
    if (closed) {
      throw new IllegalStateException("Stream of " + device + " is closed");
    }
    return handle;
  }

  /** The handle for a call on a device; refuses another device's stream. */
  long handleFor(Device wanted) {
    if (wanted != device) {
      throw new IllegalArgumentException(
          "stream: expected one of device " + wanted + ", got one of another device " + device);
    }
    return handle();
  }

  /**
   * Waits until all work enqueued so far is done.
   *
   * @throws FusedRnnException for what the device found
   */
  public void synchronize() {
    device.check(device.engine().streamSynchronize(handle()), "Stream.synchronize");
  }

  /**
   * Lets work enqueued from now on wait for an event.
   *
   * @param event an event recorded on any stream of the same device
   */
  public void waitFor(Event event) {
    device.check(device.engine().streamWait(handle(), event.handleFor(device)), "Stream.waitFor");
  }

  /**
   * Records what {@code work} enqueues on this stream, instead of running it, and makes a graph of
   * it. Another stream takes part from when it waits for an event that was recorded on this one,
   * and this stream must wait for an event behind its last work before {@code work} returns.
   * Refused in {@code work}, with a message and without harm to the rest: what allocates, frees or
   * waits, and copies between the stream and arrays.
   *
   * @param work enqueues; where it throws, what was recorded is dropped, the stream is as it was
   *     before, and the exception goes on to the caller
   * @return the graph; to be closed
   * @throws FusedRnnException where the backend records nothing ({@link Device#servesGraphs()}), on
   *     the default stream, or where another stream took part and was not waited for
   */
  public Graph capture(Runnable work) {
    long stream = handle();
    device.check(device.engine().captureBegin(stream), "Stream.capture");
    try {
      work.run();
    } catch (Throwable failure) {
      if (device.engine().captureEnd(stream, null) != 0) {
        failure.addSuppressed(
            new IllegalStateException("Stream.capture: " + device.engine().lastError()));
      }
      throw failure;
    }
    long[] graph = new long[1];
    device.check(device.engine().captureEnd(stream, graph), "Stream.capture");
    return new Graph(device, graph[0]);
  }

  /** Destroys the stream; idempotent; does nothing to the default or a wrapped stream. */
  @Override
  public void close() {
    if (closed || leak == null) {
      return;
    }
    closed = true;
    leak.closed();
    device.check(device.engine().streamDestroy(handle), "Stream.close");
  }
}
