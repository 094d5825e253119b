package dev.fusedrnn.bench;

import dev.fusedrnn.Cell;
import dev.fusedrnn.Device;
import dev.fusedrnn.Stream;
import dev.fusedrnn.testkit.NetCase;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a call costs beside its arithmetic: the crossing into native code, the checks before it, and
 * the bytes that it leaves to the garbage collector.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime) // a call is short: JMH times batches of them
@OutputTimeUnit(TimeUnit.MICROSECONDS) // the unit of the other suite
@Fork(1) // the work is native; what the JIT decides matters little
@Warmup(iterations = 3, time = 1) // until the checks before the crossing are compiled
@Measurement(iterations = 7, time = 1) // the report takes the median of seven
public class OverheadBenchmark {
  private static final int QUEUE = 64;

  /** Who computes. */
  @Param("auto")
  public String backend = "auto";

  /** Threads of the cpu backend; 0 leaves it to the backend. */
  @Param("0")
  public int threads;

  private Resources inference = Resources.NONE;
  private Resources training = Resources.NONE;
  private @Nullable FusedSequence enqueued;

  /** One step of four units: as little arithmetic as a call can have. */
  @Setup(Level.Trial)
  public void prepare() {
    Devices.requireTimeable(backend);
    NetCase tiny = Shape.sizes(Cell.LSTM, 1, 1, 4, 4, 1);
    Device device = Devices.open(backend, threads);
    FusedSequence first = new FusedSequence(device, tiny, Precision.F32, false);
    inference = new Resources(device, first);
    enqueued = first;
    Device second = Devices.open(backend, threads);
    training = new Resources(second, new FusedSequence(second, tiny, Precision.F32, true));
    inference.sequence().check();
    training.sequence().check();
  }

  /** Frees the devices' memory. */
  @TearDown(Level.Trial)
  public void close() {
    inference.close();
    training.close();
  }

  /** The wait for a stream that has nothing to do: one crossing. */
  @Benchmark
  public void crossing() {
    Stream stream = inference.device().defaultStream();
    stream.synchronize();
  }

  /**
   * A forward call of a tiny sequence, one of {@value #QUEUE} before one wait: the dearer of the
   * host's work and the device's.
   */
  @Benchmark
  @OperationsPerInvocation(QUEUE) // so many share the wait
  public void enqueue() {
    FusedSequence sequence = Objects.requireNonNull(enqueued, "the set-up has not run");
    for (int k = 0; k < QUEUE; k++) {
      sequence.enqueue();
    }
    sequence.await();
  }

  /** A forward call of a tiny sequence, and the wait for it: two crossings. */
  @Benchmark
  public void forward() {
    inference.sequence().forward();
  }

  /** A forward and a backward call of a tiny sequence, and the wait for them: three crossings. */
  @Benchmark
  public void train() {
    training.sequence().train();
  }
}
