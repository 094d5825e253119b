package dev.fusedrnn.examples;

import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Stream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * An all-reduce among the threads of one process through host memory: for the backends that NCCL
 * does not know, and for tests. It waits for the device, which NCCL does not. Sums are made in the
 * order of the ranks, in double, so that every rank gets the same bits.
 */
public final class HostAllReduce implements AllReduce {
  private static final long PATIENCE_SECONDS = 120;

  private final Meeting meeting;
  private final int rank;

  /** Where the ranks meet. */
  private static final class Meeting {
    private final CyclicBarrier barrier;
    private final float[][] parts;

    Meeting(int ranks) {
      barrier = new CyclicBarrier(ranks);
      parts = new float[ranks][];
    }

    void await() {
      try {
        barrier.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("all-reduce: this rank was interrupted", e);
      } catch (BrokenBarrierException | TimeoutException e) {
        throw new IllegalStateException("all-reduce: another rank failed or did not come", e);
      }
    }
  }

  private HostAllReduce(Meeting meeting, int rank) {
    this.meeting = meeting;
    this.rank = rank;
  }

  /**
   * Joins ranks.
   *
   * @param ranks how many threads will take part
   * @return one end for each
   */
  public static List<HostAllReduce> join(int ranks) {
    Meeting meeting = new Meeting(ranks);
    List<HostAllReduce> ends = new ArrayList<>();
    for (int rank = 0; rank < ranks; rank++) {
      ends.add(new HostAllReduce(meeting, rank));
    }
    return ends;
  }

  @Override
  public void average(DeviceBuffer flat, Stream stream) {
    stream.synchronize();
    meeting.parts[rank] = flat.readFloats();
    meeting.await();
    float[] mean = new float[meeting.parts[rank].length];
    for (int k = 0; k < mean.length; k++) {
      double sum = 0;
      for (float[] part : meeting.parts) {
        sum += part[k];
      }
      mean[k] = (float) (sum / meeting.parts.length);
    }
    flat.write(mean);
    meeting.await(); // no rank may bring its next part while another still reads these
  }

  /** Does nothing: the ranks share only host memory. */
  @Override
  public void close() {}
}
