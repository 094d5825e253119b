package dev.fusedrnn;

/**
 * Work that a stream was given once, to be enqueued as a whole as often as wanted; made by {@link
 * Stream#capture}. What was recorded is addresses and numbers: a launch sees what the memory behind
 * the addresses holds by then. The buffers that the work uses must stay open for as long as the
 * graph is launched. Threads: one at a time.
 */
public final class Graph implements AutoCloseable {
  private final Device device;
  private final long handle;
  private final LeakWatch.Ticket leak;
  private boolean closed;

  Graph(Device device, long handle) {
    this.device = device;
    this.handle = handle;
    this.leak = LeakWatch.watch(this, "Graph of " + device);
  }

  /**
   * Enqueues all that was recorded. Launches of one graph run one after another, also on different
   * streams.
   *
   * @param stream a stream of the same device, which must not capture
   * @throws IllegalStateException once closed
   */
  public void launch(Stream stream) {
    if (closed) {
      throw new IllegalStateException("Graph of " + device + " is closed");
    }
    device.check(device.engine().graphLaunch(handle, stream.handleFor(device)), "Graph.launch");
  }

  /** Ends the graph; what is on its way still runs; idempotent. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    leak.closed();
    device.check(device.engine().graphDestroy(handle), "Graph.close");
  }
}
