package dev.fusedrnn.bench.peers;

import dev.fusedrnn.Cell;
import dev.fusedrnn.bench.CheckedSequence;
import dev.fusedrnn.bench.cpu.Engine;
import dev.fusedrnn.bench.cpu.EngineProvider;
import dev.fusedrnn.testkit.NetCase;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** LibTorch with OpenBLAS, by bytedeco's presets. */
@SuppressWarnings("try") // scopes and guards act by being there
final class LibTorchEngine implements Engine {
  /** What {@link java.util.ServiceLoader} finds. */
  public static final class Provider implements EngineProvider {
    @Override
    public String name() {
      return "libtorch";
    }

    @Override
    public Engine open(int threads) {
      return new LibTorchEngine(threads);
    }
  }

  private LibTorchEngine(int threads) {
    int pool = torch.get_num_threads(); // OMP_NUM_THREADS of this process
    if (pool != threads) {
      throw new IllegalStateException("LibTorch has " + pool + " threads, expected " + threads);
    }
  }

  @Override
  public Map<String, String> about() {
    Map<String, String> about = new LinkedHashMap<>();
    about.put("libtorch", Versions.of("org.bytedeco", "pytorch"));
    about.put("libtorch blas", "OpenBLAS " + Versions.of("org.bytedeco", "openblas"));
    Matcher oneDnn = Pattern.compile("MKL-DNN v[\\d.]+").matcher(torch.show_config().getString());
    about.put("libtorch onednn", oneDnn.find() ? oneDnn.group() : "none");
    return about;
  }

  @Override
  public CheckedSequence open(NetCase sizes, boolean training) {
    if (!Set.of(Cell.LSTM, Cell.GRU, Cell.RNN_TANH).contains(sizes.cell())) {
      throw new UnsupportedOperationException("LibTorch has no " + sizes.cell());
    }
    return new LibTorchSequence(sizes, training);
  }

  @Override
  public Optional<Runnable> gemm(int size) {
    float[] values = new float[size * size];
    Arrays.fill(values, 0.5f);
    Tensor a = Tensor.create(values, size, size);
    Tensor b = Tensor.create(values, size, size);
    return Optional.of(
        () -> {
          try (PointerScope scope = new PointerScope();
              NoGradGuard inference = new NoGradGuard()) {
            torch.mm(a, b);
          }
        });
  }

  @Override
  public void close() {
    // Its memory goes with its process.
  }
}
