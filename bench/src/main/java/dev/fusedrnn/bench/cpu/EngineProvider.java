package dev.fusedrnn.bench.cpu;

/** Opens an engine by its name; found by {@link java.util.ServiceLoader}. */
public interface EngineProvider {
  /**
   * The name in {@code --engines}.
   *
   * @return in lower case
   */
  String name();

  /**
   * Loads and starts the engine; the environment of the process is already its setting's.
   *
   * @param threads that it may use
   * @return to be closed
   */
  Engine open(int threads);
}
