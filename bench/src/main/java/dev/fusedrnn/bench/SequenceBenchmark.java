package dev.fusedrnn.bench;

import dev.fusedrnn.Device;
import dev.fusedrnn.testkit.RnnCase;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Whole sequences through one layer: a forward pass, and a forward with a backward pass. */
@BenchmarkMode(Mode.AverageTime) // a call is long beside the timer
@OutputTimeUnit(TimeUnit.MICROSECONDS) // from tens of them to hundreds of thousands
@Fork(1) // the work is native; what the JIT decides matters little
@Warmup(iterations = 3, time = 1) // caches, threads, the clock of the core
@Measurement(iterations = 7, time = 1) // the report takes the median of seven
public class SequenceBenchmark {

  /** A device and a sequence on it that agrees with the oracle. */
  @State(Scope.Benchmark)
  public abstract static class Prepared {
    /** Who computes. */
    @Param("auto")
    public String backend = "auto";

    /** Threads of the cpu backend; 0 leaves it to the backend. */
    @Param("0")
    public int threads;

    /** The case. */
    @Param public Shape shape = Shape.LSTM_25x1x96x100;

    private Resources resources = Resources.NONE;

    abstract boolean training();

    /** Uploads once, runs once, compares: correct or no time. */
    @Setup(Level.Trial)
    public void prepare() {
      Device device = Devices.open(backend, threads);
      RnnCase sizes =
          new RnnCase(
              shape.cell(),
              shape.steps(),
              shape.batch(),
              shape.input(),
              shape.hidden(),
              RnnCase.ALL,
              20261120);
      CheckedSequence sequence = new CheckedSequence(device, sizes, training());
      resources = new Resources(device, sequence);
      sequence.check();
    }

    /** Frees the device's memory. */
    @TearDown(Level.Trial)
    public void close() {
      resources.close();
    }

    CheckedSequence sequence() {
      return resources.sequence();
    }
  }

  /** Without a reserve. */
  public static class Inference extends Prepared {
    @Override
    boolean training() {
      return false;
    }
  }

  /** With a reserve and every gradient. */
  public static class Training extends Prepared {
    @Override
    boolean training() {
      return true;
    }
  }

  /**
   * One forward pass without a reserve.
   *
   * @param state the sequence
   */
  @Benchmark
  public void forward(Inference state) {
    state.sequence().forward();
  }

  /**
   * One forward and one backward pass with every gradient.
   *
   * @param state the sequence
   */
  @Benchmark
  public void train(Training state) {
    state.sequence().train();
  }
}
