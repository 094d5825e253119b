package dev.fusedrnn.bench.peers;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.fusedrnn.Cell;
import dev.fusedrnn.bench.CheckedSequence;
import dev.fusedrnn.bench.cpu.EngineProvider;
import dev.fusedrnn.testkit.NetCase;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** DJL with its PyTorch engine, whose products are MKL's. */
final class DjlEngine implements dev.fusedrnn.bench.cpu.Engine {
  private static final String NAME = "PyTorch";

  private final Engine engine = Engine.getEngine(NAME);
  private final NDManager manager = NDManager.newBaseManager(NAME);

  /** What {@link java.util.ServiceLoader} finds. */
  public static final class Provider implements EngineProvider {
    @Override
    public String name() {
      return "djl";
    }

    @Override
    public dev.fusedrnn.bench.cpu.Engine open(int threads) {
      return new DjlEngine();
    }
  }

  @Override
  public Map<String, String> about() {
    Map<String, String> about = new LinkedHashMap<>();
    about.put("djl", Engine.getDjlVersion() + ", PyTorch " + engine.getVersion());
    return about;
  }

  @Override
  public CheckedSequence open(NetCase sizes, boolean training) {
    if (!Set.of(Cell.LSTM, Cell.GRU, Cell.RNN_TANH).contains(sizes.cell())) {
      throw new UnsupportedOperationException("DJL has no " + sizes.cell());
    }
    return new DjlSequence(engine, manager, sizes, training);
  }

  @Override
  public Optional<Runnable> gemm(int size) {
    float[] values = new float[size * size];
    Arrays.fill(values, 0.5f);
    NDArray a = manager.create(values, new Shape(size, size));
    NDArray b = manager.create(values, new Shape(size, size));
    return Optional.of(() -> a.matMul(b).close());
  }

  @Override
  public void close() {
    manager.close();
  }
}
