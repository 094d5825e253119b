package dev.fusedrnn.bench.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * Whether the machine does something else. A block beside a compiler or a neighbour of a virtual
 * machine says nothing, and on two cores one such block in a few can move a median.
 */
final class Quiet {
  /** More of a core than this for somebody else is a disturbance. */
  private static final double ALLOWED = 0.15;

  /** What {@code /proc} counts in: hundredths of a second, whatever the kernel's clock. */
  private static final double JIFFIES = 100;

  /**
   * Milliseconds that others are looked at before a block. OpenBLAS's and OpenMP's threads spin for
   * some 25 ms after their work, and nobody else is to be measured beside that.
   */
  private static final int PAUSE = 60;

  /** Nanoseconds that one block may wait at the most, so that patience is left for the others. */
  private static final long PATIENCE_OF_A_BLOCK = 5_000_000_000L;

  private long patience;
  private int blocks;
  private int disturbed;

  /**
   * Starts with some patience.
   *
   * @param seconds that all blocks together may wait, or be measured again
   */
  Quiet(int seconds) {
    patience = seconds * 1_000_000_000L;
  }

  /**
   * What a block said.
   *
   * @param nanos of each run
   * @param bytes that a run left on the Java heap
   * @param quiet whether nobody else worked meanwhile
   */
  record Block(long[] nanos, double bytes, boolean quiet) {}

  /**
   * Runs a block when the machine is quiet, and again where it was not; as it comes when patience
   * is at its end.
   *
   * @param child that computes
   * @param millis for about how long
   */
  Block run(ChildProcess child, int millis) {
    blocks++;
    long left = Math.min(patience, PATIENCE_OF_A_BLOCK);
    patience -= left;
    while (true) {
      Reading start = read(child);
      pause();
      Reading before = read(child);
      if (others(start, before) > ALLOWED && left > 0) {
        left -= before.nanos() - start.nanos();
        continue;
      }
      Reply reply = child.ask(Request.run(millis));
      Reading after = read(child);
      boolean quiet = others(before, after) <= ALLOWED;
      if (!quiet && left > 0) {
        left -= after.nanos() - start.nanos();
        continue;
      }
      patience += Math.max(0, left);
      disturbed += quiet ? 0 : 1;
      long[] nanos = Objects.requireNonNull(reply.nanos(), "nanos");
      long bytes = Objects.requireNonNullElse(reply.bytes(), 0L);
      return new Block(nanos, bytes / (double) nanos.length, quiet);
    }
  }

  /** For the report: how many blocks were measured beside somebody else's work. */
  String verdict() {
    return disturbed + " of " + blocks + " blocks beside other work on the machine";
  }

  private static void pause() {
    try {
      Thread.sleep(PAUSE);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * What processors did up to now.
   *
   * @param nanos when
   * @param all jiffies of all processes, and those that a hypervisor took away
   * @param own of this process and the child
   */
  private record Reading(long nanos, long all, long own) {}

  private static Reading read(ChildProcess child) {
    long own = ofProcess(ProcessHandle.current().pid()) + ofProcess(child.pid());
    return new Reading(System.nanoTime(), ofAll(), own);
  }

  /** user, nice, system, irq, softirq, steal; idle and the wait for disks are nobody's work. */
  private static long ofAll() {
    List<Long> fields = numbers(Path.of("/proc/stat"), 1, 8);
    long sum = 0;
    for (int k = 0; k < fields.size(); k++) {
      sum += k == 3 || k == 4 ? 0 : fields.get(k);
    }
    return sum;
  }

  private static long ofProcess(long pid) {
    // After the name in parentheses, which may hold anything: state is the 3rd, utime the 14th.
    List<Long> fields = numbers(Path.of("/proc", String.valueOf(pid), "stat"), 11, 2);
    return fields.size() > 1 ? fields.get(0) + fields.get(1) : 0;
  }

  /** Words of a file's first line, after a name in parentheses; none where it cannot be read. */
  private static List<Long> numbers(Path file, int skipped, int count) {
    try {
      String line = Files.readString(file).lines().findFirst().orElse("");
      String[] words = line.substring(line.lastIndexOf(')') + 1).strip().split("\\s+");
      return Arrays.stream(words).skip(skipped).limit(count).map(Quiet::number).toList();
    } catch (IOException e) {
      return List.of();
    }
  }

  private static long number(String word) {
    return word.matches("-?\\d+") ? Long.parseLong(word) : 0;
  }

  private static double others(Reading before, Reading after) {
    double seconds = (after.nanos() - before.nanos()) * 1e-9;
    double jiffies = (after.all() - before.all()) - (double) (after.own() - before.own());
    return jiffies / JIFFIES / seconds;
  }
}
