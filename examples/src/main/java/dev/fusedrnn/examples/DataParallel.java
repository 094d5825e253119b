package dev.fusedrnn.examples;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * Trains one model on several devices at once. The task: to remember for a whole sequence which
 * feature was the largest in its first step. Arguments: how many ranks, and the backend: {@code
 * cuda} takes a GPU for each rank and NCCL; any other one device for each rank and host memory.
 */
public final class DataParallel {
  private static final int T = 9;
  private static final int BATCH = 24; // of all ranks together
  private static final int STEPS = 200;
  private static final long SEED = 61;

  private DataParallel() {}

  /**
   * What a rank ends with.
   *
   * @param losses of every step, of its own part
   * @param parameters the arena
   */
  public record Result(double[] losses, float[] parameters) {}

  /**
   * Trains.
   *
   * @param backend of every rank's device
   * @param ranks how many; their number divides 24
   * @param steps updates
   * @return of each rank
   */
  public static List<Result> train(Backend backend, int ranks, int steps) {
    if (ranks < 1 || BATCH % ranks != 0) {
      throw new IllegalArgumentException("ranks: expected a divisor of 24, got " + ranks);
    }
    boolean gpu = backend == Backend.CUDA;
    byte[] identifier = gpu ? NcclAllReduce.newIdentifier() : new byte[0];
    List<HostAllReduce> ends = HostAllReduce.join(ranks);
    return Ranks.run(
        ranks,
        rank -> {
          try (Device device = Device.open(backend, gpu ? rank : 0);
              AllReduce reduce =
                  gpu ? new NcclAllReduce(device, identifier, rank, ranks) : ends.get(rank);
              Replica replica = new Replica(device, T, BATCH / ranks, SEED, reduce)) {
            double[] losses = new double[steps];
            for (int step = 0; step < steps; step++) {
              float[] x = inputs(step, rank, BATCH / ranks);
              losses[step] = replica.step(x, classes(x));
            }
            return new Result(losses, replica.parameters().flat().readFloats());
          }
        });
  }

  /** This rank's rows of a step's batch, [T, B, FEATURES]: together those of a single rank. */
  private static float[] inputs(int step, int rank, int batch) {
    SplittableRandom random = new SplittableRandom(SEED + step);
    float[] x = new float[T * batch * Replica.FEATURES];
    for (int t = 0; t < T; t++) {
      for (int row = 0; row < BATCH; row++) {
        for (int k = 0; k < Replica.FEATURES; k++) {
          float value = (float) random.nextDouble(-1, 1);
          if (row / batch == rank) {
            x[(t * batch + row % batch) * Replica.FEATURES + k] = value;
          }
        }
      }
    }
    return x;
  }

  /** The largest feature of each row's first step, at every step, [T, B]. */
  private static int[] classes(float[] x) {
    int batch = x.length / T / Replica.FEATURES;
    int[] classes = new int[T * batch];
    for (int k = 0; k < classes.length; k++) {
      int first = k % batch * Replica.FEATURES;
      for (int feature = 1; feature < Replica.FEATURES; feature++) {
        if (x[first + feature] > x[first + classes[k]]) {
          classes[k] = feature;
        }
      }
    }
    return classes;
  }

  /**
   * Trains and prints the mean loss of all ranks now and then.
   *
   * @param arguments ranks (default 2) and backend (default cpu)
   */
  public static void main(String... arguments) {
    int ranks = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 2;
    Backend backend = Backend.fromName(arguments.length > 1 ? arguments[1] : "cpu");
    List<double[]> losses = new ArrayList<>();
    train(backend, ranks, STEPS).forEach(result -> losses.add(result.losses()));
    for (int step = 0; step < STEPS; step += STEPS / 10) {
      int at = step;
      double mean = losses.stream().mapToDouble(all -> all[at]).average().orElse(Double.NaN);
      System.out.printf(Locale.ROOT, "step %3d: loss %.3f%n", step + 1, mean);
    }
    double chance = Math.log(Replica.FEATURES);
    System.out.printf(
        Locale.ROOT,
        "step %3d: loss %.3f; guessing has %.3f%n",
        STEPS,
        losses.stream().mapToDouble(all -> all[STEPS - 1]).average().orElse(Double.NaN),
        chance);
  }
}
