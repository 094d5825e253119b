package dev.fusedrnn.bench.peers;

import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import dev.fusedrnn.Cell;
import dev.fusedrnn.bench.CheckedSequence;
import dev.fusedrnn.bench.cpu.Engine;
import dev.fusedrnn.bench.cpu.EngineProvider;
import dev.fusedrnn.testkit.NetCase;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** ONNX Runtime's provider for CPUs. It infers; its training is no longer published. */
final class OnnxRuntimeEngine implements Engine {
  private static final Set<Cell> CELLS =
      Set.of(Cell.LSTM, Cell.GRU, Cell.GRU_RESET_BEFORE, Cell.RNN_TANH);

  private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
  private final int threads;

  /** What {@link java.util.ServiceLoader} finds. */
  public static final class Provider implements EngineProvider {
    @Override
    public String name() {
      return "onnxruntime";
    }

    @Override
    public Engine open(int threads) {
      return new OnnxRuntimeEngine(threads);
    }
  }

  private OnnxRuntimeEngine(int threads) {
    this.threads = threads;
  }

  @Override
  public Map<String, String> about() {
    return Map.of("onnxruntime", environment.getVersion());
  }

  @Override
  public CheckedSequence open(NetCase sizes, boolean training) {
    if (training) {
      throw new UnsupportedOperationException("ONNX Runtime does not train");
    }
    if (!CELLS.contains(sizes.cell())) {
      throw new UnsupportedOperationException("ONNX has no " + sizes.cell());
    }
    try {
      return new OnnxRuntimeSequence(environment, sizes, threads);
    } catch (OrtException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public Optional<Runnable> gemm(int size) {
    return Optional.empty();
  }

  @Override
  public void close() {
    // Its memory goes with its process.
  }
}
