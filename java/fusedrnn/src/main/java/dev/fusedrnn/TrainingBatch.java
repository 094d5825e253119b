package dev.fusedrnn;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The data of one step in page-locked memory, to be filled by the host before {@link
 * TrainingStep#run}. It holds what it held when its turn last came. Threads: one at a time.
 */
public final class TrainingBatch {
  private final TrainingFeed feed;
  private final ByteBuffer memory;
  private final @Nullable IntBuffer ids;
  private final @Nullable ByteBuffer inputs;
  private final @Nullable IntBuffer targets;
  private final @Nullable ByteBuffer targetValues;
  private final boolean[] resetRows;
  private boolean resetAll;

  TrainingBatch(TrainingFeed feed, ByteBuffer memory, int rows) {
    this.feed = feed;
    this.memory = memory;
    ByteBuffer in = part(feed.inputsAt(), feed.inputBytes());
    ByteBuffer out = part(feed.targetsAt(), feed.targetBytes());
    this.ids = feed.hasIds() ? in.asIntBuffer() : null;
    this.inputs = feed.hasIds() ? null : in;
    this.targets = feed.hasClasses() ? out.asIntBuffer() : null;
    this.targetValues = feed.hasClasses() ? null : out;
    this.resetRows = new boolean[rows];
  }

  private ByteBuffer part(long at, long bytes) {
    return memory.slice(Math.toIntExact(at), Math.toIntExact(bytes)).order(ByteOrder.nativeOrder());
  }

  /**
   * The ids that the embedding looks up.
   *
   * @return [T, B], or [B, T] where the network is batch-first
   * @throws IllegalStateException where the step has no embedding
   */
  public IntBuffer ids() {
    return present("ids", ids);
  }

  /**
   * The input of the first layer.
   *
   * @return x of the network's type, in native order
   * @throws IllegalStateException where the step has an embedding
   */
  public ByteBuffer inputs() {
    return present("inputs", inputs);
  }

  /**
   * The classes to be learnt, a row for each of {@link #ids()} or of x.
   *
   * @return N = T B numbers
   * @throws IllegalStateException where the loss is not a cross-entropy
   */
  public IntBuffer targets() {
    return present("targets", targets);
  }

  /**
   * The values to be learnt.
   *
   * @return [N, O] of the network's type, in native order
   * @throws IllegalStateException where the loss is a cross-entropy
   */
  public ByteBuffer targetValues() {
    return present("targetValues", targetValues);
  }

  private static <T> T present(String name, @Nullable T part) {
    if (part == null) {
      throw new IllegalStateException(name + ": not in the batches of this training step");
    }
    return part;
  }

  /**
   * Lets all rows of this batch begin with an empty past instead of the state carried.
   *
   * @return this
   */
  public TrainingBatch resetStates() {
    resetAll = true;
    return this;
  }

  /**
   * Lets one row of this batch begin with an empty past instead of the state carried.
   *
   * @param row from 0 to B - 1
   * @return this
   */
  public TrainingBatch resetState(int row) {
    resetRows[Objects.checkIndex(row, resetRows.length)] = true;
    return this;
  }

  /** Forgets what was asked for the last time. */
  void begin() {
    resetAll = false;
    Arrays.fill(resetRows, false);
  }

  /** Enqueues the copy of all of it to the device, with the number of the step. */
  void enqueue(HostBuffer host, long offset, long step, Stream stream) {
    memory.putLong(0, step);
    feed.buffer().copyFrom(host, offset, stream);
  }

  /** Enqueues what {@link #resetStates} and {@link #resetState} asked for. */
  void enqueueResets(RnnSequence layers, Stream stream) {
    if (resetAll) {
      layers.resetStates(stream);
      return;
    }
    for (int row = 0; row < resetRows.length; row++) {
      if (resetRows[row]) {
        layers.resetRow(row, stream);
      }
    }
  }
}
