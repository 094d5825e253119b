package dev.fusedrnn;

/**
 * What a {@link GlobalNormClip} measured, carried to the host in the order of a stream: nobody
 * waits until somebody asks, and then for that point of the stream alone. Made once, used again and
 * again. Threads: one at a time.
 */
public final class ClipReading implements AutoCloseable {
  private final GlobalNormClip clip;
  private final HostBuffer host;
  private final Event done;
  private boolean enqueued;

  ClipReading(Device device, GlobalNormClip clip) {
    this.clip = clip;
    this.host = device.newHostBuffer((int) clip.result().bytes());
    this.done = device.newEvent();
  }

  /**
   * Takes what the clip measured last; enqueued, and may be part of a captured step.
   *
   * @param stream the stream that the clip ran on
   */
  public void enqueue(Stream stream) {
    clip.result().copyTo(host, 0, stream);
    enqueued = true;
  }

  /**
   * Marks the point behind {@link #enqueue}; after every launch where that was captured.
   *
   * @param stream the same stream
   */
  public void mark(Stream stream) {
    done.record(stream);
  }

  /**
   * Whether {@link #get} would not wait.
   *
   * @return true when the marked point is reached
   */
  public boolean isDone() {
    return enqueued && done.isDone();
  }

  /**
   * The result over all tensors; waits for the marked point.
   *
   * @return norm, coefficient and whether all elements were finite
   * @throws NonFiniteGradientException under {@link NonFinite#ERROR}, where they were not
   */
  public ClipResult get() {
    if (!enqueued) {
      throw new IllegalStateException("ClipReading: nothing was enqueued");
    }
    done.synchronize();
    return GlobalNormClip.decode(host.bytes(), 0);
  }

  /** Frees the memory and the event; idempotent. */
  @Override
  public void close() {
    done.close();
    host.close();
  }
}
