package dev.fusedrnn.bench;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Device;
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

/**
 * Whole sequences: a forward pass, and a forward with a backward pass; by this library, and beside
 * it by the unfused loop that a program would otherwise have.
 */
@BenchmarkMode(Mode.AverageTime) // a call is long beside the timer
@OutputTimeUnit(TimeUnit.MICROSECONDS) // from tens of them to hundreds of thousands
@Fork(1) // the work is native; what the JIT decides matters little
@Warmup(iterations = 3, time = 1) // caches, threads, the clock of the core
@Measurement(iterations = 7, time = 1) // the report takes the median of seven
public class SequenceBenchmark {

  /** A sequence that agrees with the oracle. */
  @State(Scope.Benchmark)
  public abstract static class Prepared {
    /** Who computes. */
    @Param("auto")
    public String backend = "auto";

    /** Threads of the cpu backend; 0 leaves it to the backend. */
    @Param("0")
    public int threads;

    /** The case. */
    @Param public Shape shape = Shape.LSTM_T25_B1_I96_H100;

    /** What it is computed in. */
    @Param("F32")
    public Precision dtype = Precision.F32;

    private Resources resources = Resources.NONE;

    abstract Resources open();

    /** Uploads once, runs once, compares: correct or no time. */
    @Setup(Level.Trial)
    public void prepare() {
      Devices.requireTimeable(backend);
      check();
    }

    /** The same for whoever wants no times. */
    void check() {
      resources = open();
      resources.sequence().check();
    }

    /** Frees the device's memory. */
    @TearDown(Level.Trial)
    public void close() {
      resources.close();
      resources = Resources.NONE;
    }

    CheckedSequence sequence() {
      return resources.sequence();
    }

    final Resources fused(boolean training) {
      Device device = Devices.open(backend, threads);
      return new Resources(device, new FusedSequence(device, shape.sizes(), dtype, training));
    }

    final Resources unfused(boolean training) {
      Backend resolved;
      try (Device device = Device.open(backend)) {
        resolved = device.backend();
      }
      Operators on = Unfused.open(resolved, threads, dtype);
      return new Resources(null, new UnfusedSequence(on, shape.sizes(), dtype, training));
    }
  }

  /** This library, without a reserve. */
  public static class Inference extends Prepared {
    @Override
    Resources open() {
      return fused(false);
    }
  }

  /** This library, with a reserve and every gradient. */
  public static class Training extends Prepared {
    @Override
    Resources open() {
      return fused(true);
    }
  }

  /** The unfused loop forward. */
  public static class UnfusedInference extends Prepared {
    @Override
    Resources open() {
      return unfused(false);
    }
  }

  /** The unfused loop with every gradient. */
  public static class UnfusedTraining extends Prepared {
    @Override
    Resources open() {
      return unfused(true);
    }
  }

  /** The state of an operation, for a check without times. */
  static Prepared prepared(String operation) {
    return switch (operation) {
      case "forward" -> new Inference();
      case "train" -> new Training();
      case "unfusedForward" -> new UnfusedInference();
      default -> new UnfusedTraining();
    };
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

  /**
   * The baseline of {@link #forward}.
   *
   * @param state the loop
   */
  @Benchmark
  public void unfusedForward(UnfusedInference state) {
    state.sequence().forward();
  }

  /**
   * The baseline of {@link #train}.
   *
   * @param state the loop
   */
  @Benchmark
  public void unfusedTrain(UnfusedTraining state) {
    state.sequence().train();
  }
}
