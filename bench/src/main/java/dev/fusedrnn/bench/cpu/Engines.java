package dev.fusedrnn.bench.cpu;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The engines by name, and the thread settings that each is tried in. */
final class Engines {
  static final String FUSEDRNN = "fusedrnn";
  static final String LIBTORCH = "libtorch";
  static final String ONNX_RUNTIME = "onnxruntime";
  static final String DJL = "djl";

  /** All, in the order of columns. */
  static final List<String> NAMES = List.of(FUSEDRNN, LIBTORCH, ONNX_RUNTIME, DJL);

  private static final String OPENMP = "OMP_NUM_THREADS";
  private static final String OPENBLAS = "OPENBLAS_NUM_THREADS";

  /** LibTorch takes this for OpenMP's threads as well, whether it was built with MKL or not. */
  private static final String MKL = "MKL_NUM_THREADS";

  /**
   * PyTorch allocates and frees its tensors in every run, and glibc gives large ones back to the
   * kernel each time, whose pages then fault in anew: three times the time of an LSTM's training.
   * So the memory is kept, as PyTorch's own guide to tuning has it by other allocators.
   */
  private static final Map<String, String> KEEP_MEMORY =
      Map.of(
          "MALLOC_ARENA_MAX", "1",
          "MALLOC_MMAP_MAX_", "0",
          "MALLOC_TRIM_THRESHOLD_", "16000000000",
          "MALLOC_TOP_PAD_", "67108864");

  /**
   * An engine and how it is told its threads.
   *
   * @param engine its name
   * @param label what tells it from the engine's other settings; empty where it has one alone
   * @param threads of the engine itself
   * @param environment variables of its process
   */
  record Setting(String engine, String label, int threads, Map<String, String> environment) {
    /** For messages and progress. */
    String title() {
      return label.isEmpty() ? engine : engine + " (" + label + ")";
    }
  }

  private Engines() {}

  /** What a report calls an engine. */
  static String title(String engine) {
    return switch (engine) {
      case LIBTORCH -> "LibTorch";
      case ONNX_RUNTIME -> "ONNX Runtime";
      case DJL -> "DJL";
      default -> "ours";
    };
  }

  /**
   * The settings that use at most so many threads. A peer may have more than one, and the best of
   * them counts in each case: LibTorch's two pools of threads, OpenMP's and OpenBLAS's, fight in
   * some cases and help each other in others.
   */
  static List<Setting> settings(String engine, int threads) {
    boolean several = threads > 1;
    List<Setting> settings = new ArrayList<>();
    switch (engine) {
      case LIBTORCH:
        int[][] pools =
            several
                ? new int[][] {{threads, 1}, {1, threads}, {threads, threads}, {1, 1}}
                : new int[][] {{1, 1}};
        for (int[] pool : pools) {
          String label = several ? "OpenMP " + pool[0] + " OpenBLAS " + pool[1] : "";
          settings.add(setting(engine, label, pool[0], OPENBLAS, pool[1]));
        }
        break;
      case ONNX_RUNTIME, DJL:
        for (int count : several ? new int[] {threads, 1} : new int[] {1}) {
          settings.add(setting(engine, several ? "threads " + count : "", count, MKL, count));
        }
        break;
      default:
        settings.add(setting(engine, "", threads, OPENBLAS, 1));
    }
    return settings;
  }

  private static Setting setting(
      String engine, String label, int threads, String blas, int blasThreads) {
    Map<String, String> environment = new LinkedHashMap<>();
    environment.put(OPENMP, String.valueOf(threads));
    environment.put(blas, String.valueOf(blasThreads));
    if (engine.equals(LIBTORCH) || engine.equals(DJL)) {
      environment.putAll(KEEP_MEMORY);
    }
    return new Setting(engine, label, threads, environment);
  }

  /**
   * Whether a variable of the user's environment would change how fast an engine is. It is taken
   * out of every child's: {@code OPENBLAS_CORETYPE} alone can halve a peer.
   */
  static boolean isCleared(String variable) {
    return variable.matches("(?:OMP|KMP|GOMP|MKL|OPENBLAS|GOTO|DNNL|ONEDNN|ATEN|ORT|MALLOC)_.*");
  }
}
