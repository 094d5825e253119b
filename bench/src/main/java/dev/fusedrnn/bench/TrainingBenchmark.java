package dev.fusedrnn.bench;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.GlobalNormClip;
import dev.fusedrnn.NonFinite;
import dev.fusedrnn.Optimizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
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
 * A clip by the global norm and a step of Adam over 10 million parameters, fp32, beside a copy that
 * moves as many bytes: 4 for the norm, 16 read and 12 written by the step make 32 a parameter, so
 * 16 are copied. Far larger than any cache but a GPU's.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime) // a call is long beside the timer
@OutputTimeUnit(TimeUnit.MICROSECONDS) // the unit of the other suites
@Fork(1) // the work is native; what the JIT decides matters little
@Warmup(iterations = 3, time = 1) // caches, threads, the clock of the core
@Measurement(iterations = 7, time = 1) // the report takes the median of seven
public class TrainingBenchmark {
  private static final long[] LENGTHS = {4_000_000, 3_000_001, 2_000_003, 999_996};
  private static final long BYTES_COPIED = 16;
  private static final long SEED = 20261121;

  /** Who computes. */
  @Param("auto")
  public String backend = "auto";

  /** Threads of the cpu backend; 0 leaves it to the backend. */
  @Param("0")
  public int threads;

  private @Nullable Model model;
  private @Nullable DeviceBuffer from;
  private @Nullable DeviceBuffer to;

  /** Parameters and gradients of given lengths, clipped and stepped. */
  private static final class Model implements AutoCloseable {
    final Device device;
    final List<DeviceBuffer> parameters = new ArrayList<>();
    final List<DeviceBuffer> gradients = new ArrayList<>();
    final Optimizer optimizer;
    final GlobalNormClip clip;

    Model(Device device, long... lengths) {
      this.device = device;
      Random random = new Random(SEED);
      for (long length : lengths) {
        parameters.add(normal(random, length));
        gradients.add(normal(random, length));
      }
      optimizer = Optimizer.create(Optimizer.Kind.ADAM, parameters, gradients);
      clip = GlobalNormClip.create(optimizer.tensors(), 1, 1).nonFinite(NonFinite.SKIP);
      optimizer.clip(clip);
    }

    private DeviceBuffer normal(Random random, long length) {
      float[] values = new float[Math.toIntExact(length)];
      for (int k = 0; k < values.length; k++) {
        values[k] = (float) random.nextGaussian();
      }
      return device.allocate(DType.F32, length).write(values);
    }

    void step() {
      clip.measure(device.defaultStream());
      optimizer.step(device.defaultStream());
    }

    @Override
    public void close() {
      clip.close();
      optimizer.close();
      parameters.forEach(DeviceBuffer::close);
      gradients.forEach(DeviceBuffer::close);
      device.close();
    }
  }

  /** Compares with the oracle, then makes the large model. */
  @Setup(Level.Trial)
  public void prepare() {
    Devices.requireTimeable(backend);
    check();
    Model large = new Model(Devices.open(backend, threads), LENGTHS);
    model = large;
    long copied = BYTES_COPIED / DType.F32.bytes() * 10_000_000;
    from = large.device.allocate(DType.F32, copied);
    from.zero(large.device.defaultStream());
    to = large.device.allocate(DType.F32, copied);
  }

  /** Three steps over odd lengths against the oracle's. */
  void check() {
    try (Model mine = new Model(Devices.open(backend, threads), 1, 4099, 70_001);
        Model oracle = new Model(Device.open(Backend.REFERENCE), 1, 4099, 70_001)) {
      for (int step = 0; step < 3; step++) {
        mine.step();
        oracle.step();
      }
      for (int k = 0; k < mine.parameters.size(); k++) {
        float[] got = mine.parameters.get(k).readFloats();
        float[] expected = oracle.parameters.get(k).readFloats();
        for (int e = 0; e < got.length; e++) {
          if (!(Math.abs(got[e] - expected[e]) <= 1e-6 * Math.max(1, Math.abs(expected[e])))) {
            throw new IllegalStateException(
                "parameter " + k + "[" + e + "]: expected " + expected[e] + ", got " + got[e]);
          }
        }
      }
    }
  }

  /** Frees the device's memory. */
  @TearDown(Level.Trial)
  public void close() {
    if (from != null) {
      from.close();
    }
    if (to != null) {
      to.close();
    }
    if (model != null) {
      model.close();
    }
  }

  private Model model() {
    if (model == null) {
      throw new IllegalStateException("the set-up has not run");
    }
    return model;
  }

  /** The yardstick: a copy that moves as many bytes. */
  @Benchmark
  public void copy() {
    if (to != null && from != null) {
      to.copyFrom(from, model().device.defaultStream());
    }
    model().device.synchronize();
  }

  /** The norm of all gradients and a step of Adam that applies its coefficient. */
  @Benchmark
  public void clipAdam() {
    model().step();
    model().device.synchronize();
  }
}
