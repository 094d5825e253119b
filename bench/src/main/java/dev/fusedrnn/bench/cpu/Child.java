package dev.fusedrnn.bench.cpu;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.fusedrnn.bench.CheckedSequence;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import java.util.ServiceLoader;
import org.jspecify.annotations.Nullable;

/**
 * A process of one engine in one setting. It reads a {@link Request} a line, answers each with a
 * {@link Reply}, and ends with its input; between requests it does nothing.
 */
public final class Child implements AutoCloseable {
  /** Most runs of a block: more say nothing new. */
  private static final int MOST = 20_000;

  /** Fewest runs of a block, unless they take very long. */
  private static final int FEWEST = 3;

  private static final ObjectMapper JSON = new ObjectMapper();

  private final com.sun.management.ThreadMXBean memory =
      (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
  private final long[] nanos = new long[MOST];
  private final Engine engine;
  private @Nullable CheckedSequence sequence;
  private @Nullable Runnable work;

  private Child(Engine engine) {
    this.engine = engine;
  }

  /**
   * Serves one engine.
   *
   * @param arguments the engine's name and its threads
   * @throws IOException where the parent is gone
   */
  public static void main(String... arguments) throws IOException {
    PrintStream out = System.out;
    System.setOut(System.err); // what a library prints is no reply
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Child open = null;
    try (Engine engine = open(arguments[0], Integer.parseInt(arguments[1]));
        Child child = new Child(engine)) {
      open = child;
      for (String line = in.readLine(); line != null; line = in.readLine()) {
        Reply reply;
        try {
          reply = child.answer(JSON.readValue(line, Request.class));
        } catch (RuntimeException | IOException e) {
          e.printStackTrace();
          reply = Reply.error(String.valueOf(e.getMessage()));
        }
        out.println(JSON.writeValueAsString(reply));
        out.flush();
      }
    } catch (RuntimeException | LinkageError e) {
      if (open == null) { // the parent waits for the first reply
        out.println(JSON.writeValueAsString(Reply.error("cannot be opened: " + e)));
        out.flush();
      }
      throw e;
    }
  }

  private static Engine open(String name, int threads) {
    for (EngineProvider provider : ServiceLoader.load(EngineProvider.class)) {
      if (provider.name().equals(name)) {
        return provider.open(threads);
      }
    }
    throw new IllegalArgumentException("no engine " + name + " on the class path");
  }

  private Reply answer(Request request) throws IOException {
    switch (request.verb()) {
      case ABOUT:
        return Reply.about(engine.about());
      case PREPARE:
        close();
        return prepare(Objects.requireNonNull(request.shape(), "shape"));
      case GEMM:
        close();
        Optional<Runnable> gemm = engine.gemm(Objects.requireNonNull(request.size(), "size"));
        work = gemm.orElse(null);
        return gemm.isPresent() ? Reply.DONE : Reply.absent("no product to call");
      case RESULTS:
        CheckedSequence ready = Objects.requireNonNull(sequence, "nothing is prepared");
        Path file = Path.of(Objects.requireNonNull(request.file(), "file"));
        return Reply.tensors(ResultsFile.write(file, ready.checkedResults()));
      default:
        return time(Objects.requireNonNull(request.millis(), "millis"));
    }
  }

  private Reply prepare(CpuCase shape) {
    try {
      CheckedSequence opened = engine.open(shape.sizes(), shape.training());
      sequence = opened;
      work = opened::run;
      return Reply.ready(opened.how());
    } catch (UnsupportedOperationException e) {
      return Reply.absent(String.valueOf(e.getMessage()));
    }
  }

  /** The first fifth of the time is not counted: another process had the caches. */
  private Reply time(int millis) {
    Runnable one = Objects.requireNonNull(work, "nothing is prepared");
    long budget = millis * 1_000_000L;
    long start = System.nanoTime();
    do {
      one.run();
    } while (System.nanoTime() - start < budget / 5);
    int count = 0;
    long bytes = memory.getCurrentThreadAllocatedBytes();
    long before = System.nanoTime();
    long elapsed;
    do {
      one.run();
      long after = System.nanoTime();
      nanos[count++] = after - before;
      before = after;
      elapsed = after - start;
    } while (count < MOST && (elapsed < budget || count < FEWEST && elapsed < 3 * FEWEST * budget));
    bytes = memory.getCurrentThreadAllocatedBytes() - bytes;
    return Reply.times(Arrays.copyOf(nanos, count), bytes);
  }

  @Override
  public void close() {
    work = null;
    if (sequence != null) {
      sequence.close();
      sequence = null;
    }
  }
}
