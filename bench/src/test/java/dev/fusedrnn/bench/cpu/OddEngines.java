package dev.fusedrnn.bench.cpu;

import dev.fusedrnn.bench.CheckedSequence;
import dev.fusedrnn.bench.Precision;
import dev.fusedrnn.testkit.NetCase;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** Engines that tests put beside this library: this library again, with a fault each. */
final class OddEngines {
  private OddEngines() {}

  /** Takes 20 ms more for each run. */
  public static final class Slow implements EngineProvider {
    @Override
    public String name() {
      return "slow";
    }

    @Override
    public Engine open(int threads) {
      return new Around(new FusedEngine.Provider().open(threads), 20, 0);
    }
  }

  /** Is off by a little in the last number of every result. */
  public static final class Wrong implements EngineProvider {
    @Override
    public String name() {
      return "wrong";
    }

    @Override
    public Engine open(int threads) {
      return new Around(new FusedEngine.Provider().open(threads), 0, 1e-3);
    }
  }

  /** Cannot be opened. */
  public static final class Broken implements EngineProvider {
    @Override
    public String name() {
      return "broken";
    }

    @Override
    public Engine open(int threads) {
      throw new IllegalStateException("its library is not for this machine");
    }
  }

  private record Around(Engine inner, int millis, double error) implements Engine {
    @Override
    public Map<String, String> about() {
      return Map.of("odd", "1.0");
    }

    @Override
    public CheckedSequence open(NetCase sizes, boolean training) {
      return new OddSequence(sizes, training, inner.open(sizes, training), millis, error);
    }

    @Override
    public Optional<Runnable> gemm(int size) {
      return Optional.empty();
    }

    @Override
    public void close() {
      inner.close();
    }
  }

  private static final class OddSequence extends CheckedSequence {
    private final CheckedSequence inner;
    private final int millis;
    private final double error;

    OddSequence(NetCase sizes, boolean training, CheckedSequence inner, int millis, double error) {
      super(sizes, Precision.F32, training);
      this.inner = inner;
      this.millis = millis;
      this.error = error;
    }

    @Override
    public void put(String name, float[] values) {
      inner.put(name, values);
    }

    @Override
    public double[] get(String name) {
      double[] values = inner.get(name);
      values[values.length - 1] += error;
      return values;
    }

    private void rest() {
      long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(millis);
      for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
        LockSupport.parkNanos(left);
      }
    }

    @Override
    public void forward() {
      inner.forward();
      rest();
    }

    @Override
    public void train() {
      inner.train();
      rest();
    }

    @Override
    public String how() {
      return "oddly";
    }

    @Override
    public String who() {
      return "an odd engine";
    }

    @Override
    public void close() {
      inner.close();
    }
  }
}
