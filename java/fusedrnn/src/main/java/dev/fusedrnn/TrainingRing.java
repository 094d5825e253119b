package dev.fusedrnn;

import java.nio.ByteBuffer;

/**
 * The batches of a {@link TrainingStep} and the results of its last steps, in page-locked memory. A
 * step's place is used again a ring of steps later, when the event behind it has happened.
 */
final class TrainingRing implements AutoCloseable {
  private static final int RESULT_BYTES = 64; // LossResult.BYTES, apart from its neighbours
  // Asking costs about a microsecond: below a millisecond, sleeping in the driver gains nothing.
  private static final int POLLS = 1000;

  private final TrainingBatch[] batches;
  private final Event[] done;
  private final HostBuffer host;
  private final int batchBytes;
  private long firstStep = Long.MAX_VALUE; // the oldest step that was made in this ring

  TrainingRing(TrainingFeed feed, long rows, int size) {
    Device device = feed.buffer().device();
    long all = (feed.buffer().bytes() + RESULT_BYTES) * size;
    if (all > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "ring: expected data of less than 2 GiB in all, got " + all + " bytes");
    }
    batchBytes = (int) feed.buffer().bytes();
    batches = new TrainingBatch[size];
    done = new Event[size];
    host = device.newHostBuffer((int) all);
    try {
      for (int k = 0; k < size; k++) {
        done[k] = device.newEvent();
        ByteBuffer memory = host.bytes().slice(k * batchBytes, batchBytes);
        memory.order(host.bytes().order());
        batches[k] = new TrainingBatch(feed, memory, Math.toIntExact(rows));
      }
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  int size() {
    return batches.length;
  }

  private int place(long step) {
    return (int) (step % batches.length);
  }

  private int resultAt(long step) {
    return batches.length * batchBytes + place(step) * RESULT_BYTES;
  }

  /** The batch of a step, once the device has done with it. */
  TrainingBatch next(long step) {
    await(step);
    batches[place(step)].begin();
    return batches[place(step)];
  }

  /** Waits for the step that last had the place of this one. */
  private void await(long step) {
    Event event = done[place(step)];
    for (int poll = 0; poll < POLLS; poll++) {
      if (event.isDone()) {
        return;
      }
      Thread.onSpinWait();
    }
    event.synchronize();
  }

  void enqueueData(TrainingBatch batch, long step, Stream stream) {
    if (batch != batches[place(step)]) {
      throw new IllegalArgumentException(
          "batch: expected the one that nextBatch gave last, got another");
    }
    batch.enqueue(host, (long) place(step) * batchBytes, step, stream);
  }

  void enqueueResult(DeviceBuffer result, long step, Stream stream) {
    result.copyTo(host, resultAt(step), stream);
    done[place(step)].record(stream);
    firstStep = Math.min(firstStep, step);
  }

  private void checkKept(long step, long next) {
    if (step < Math.max(firstStep, next - batches.length) || step >= next) {
      throw new IllegalArgumentException(
          "step: expected one of the last " + batches.length + " before " + next + ", got " + step);
    }
  }

  boolean isDone(long step, long next) {
    checkKept(step, next);
    return done[place(step)].isDone();
  }

  LossResult loss(long step, long next) {
    checkKept(step, next);
    await(step);
    ByteBuffer words = host.bytes();
    int at = resultAt(step);
    return new LossResult(words.getDouble(at), words.getLong(at + 8), words.getLong(at + 16))
        .requireKnownTargets();
  }

  /** The count of steps was set: results so far belong to no step. */
  void forget() {
    firstStep = Long.MAX_VALUE;
  }

  @Override
  public void close() {
    for (Event event : done) {
      if (event != null) {
        event.close();
      }
    }
    host.close();
  }
}
