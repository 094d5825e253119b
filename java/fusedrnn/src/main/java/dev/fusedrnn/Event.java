package dev.fusedrnn;

/** A point in a stream's work. Threads: one at a time. */
public final class Event implements AutoCloseable {
  private final Device device;
  private final long handle;
  private final LeakWatch.Ticket leak;
  private final long[] done = new long[1]; // so that asking allocates nothing
  private boolean closed;

  Event(Device device, long handle) {
    this.device = device;
    this.handle = handle;
    this.leak = LeakWatch.watch(this, "Event of " + device);
  }

  /** The handle for a call on a device; refuses another device's event. */
  long handleFor(Device wanted) {
    if (closed) {
      throw new IllegalStateException("Event of " + device + " is closed");
    }
    if (wanted != device) {
      throw new IllegalArgumentException(
          "event: expected one of device " + wanted + ", got one of another device " + device);
    }
    return handle;
  }

  /**
   * Marks this point of a stream.
   *
   * @param stream a stream of the same device
   */
  public void record(Stream stream) {
    device.check(
        device.engine().eventRecord(handleFor(device), stream.handleFor(device)), "Event.record");
  }

  /** Waits until the recorded point is reached. */
  public void synchronize() {
    device.check(device.engine().eventSynchronize(handleFor(device)), "Event.synchronize");
  }

  /**
   * Whether the recorded point is reached; does not wait.
   *
   * @return true when it is
   */
  public boolean isDone() {
    device.check(device.engine().eventDone(handleFor(device), done), "Event.isDone");
    return done[0] != 0;
  }

  /**
   * Time between two events that are both done.
   *
   * @param start the earlier event
   * @param end the later event
   * @return microseconds
   * @throws FusedRnnException where one of them is not done
   */
  public static double elapsedMicros(Event start, Event end) {
    double[] micros = new double[1];
    Device device = start.device;
    device.check(
        device.engine().eventElapsed(start.handleFor(device), end.handleFor(device), micros),
        "Event.elapsedMicros");
    return micros[0];
  }

  /** Destroys the event; idempotent. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    leak.closed();
    device.check(device.engine().eventDestroy(handle), "Event.close");
  }
}
