package dev.fusedrnn.examples;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Runs the ranks of one process, each in a thread of its own. */
public final class Ranks {
  private Ranks() {}

  /**
   * What a rank does.
   *
   * @param <R> what it gives
   */
  @FunctionalInterface
  public interface Body<R> {
    /**
     * Runs a rank.
     *
     * @param rank from 0
     * @return its result
     * @throws Exception that ends the other ranks too
     */
    R run(int rank) throws Exception;
  }

  /**
   * Runs all ranks and waits for them; where one fails, interrupts the others.
   *
   * @param <R> what a rank gives
   * @param ranks how many
   * @param body what each does
   * @return the results in the order of the ranks
   * @throws IllegalStateException with the failure of the rank that failed first
   */
  public static <R> List<R> run(int ranks, Body<R> body) {
    ExecutorService threads = Executors.newFixedThreadPool(ranks);
    try {
      CompletionService<R> done = new ExecutorCompletionService<>(threads);
      List<Future<R>> futures = new ArrayList<>();
      for (int rank = 0; rank < ranks; rank++) {
        int mine = rank;
        futures.add(done.submit(() -> body.run(mine)));
      }
      for (int k = 0; k < ranks; k++) {
        done.take().get();
      }
      List<R> results = new ArrayList<>();
      for (Future<R> future : futures) {
        results.add(future.get());
      }
      return results;
    } catch (ExecutionException e) {
      throw new IllegalStateException("a rank failed: " + e.getCause(), e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while the ranks ran", e);
    } finally {
      threads.shutdownNow();
    }
  }
}
