package dev.fusedrnn.bench.cpu;

import dev.fusedrnn.bench.CheckedSequence;
import dev.fusedrnn.testkit.NetCase;
import java.util.Map;
import java.util.Optional;

/** Something that computes recurrent layers on the CPU, as a child process sees it. */
public interface Engine extends AutoCloseable {
  /**
   * What stands in the report's environment.
   *
   * @return name to text: versions, and how the engine was built where it says so
   */
  Map<String, String> about();

  /**
   * Makes a case ready, with all its data in the engine's own memory.
   *
   * @param sizes the case, fp32
   * @param training forward and backward with every gradient, or forward without a record of it
   * @return ready to run; its results can be read after each run
   */
  CheckedSequence open(NetCase sizes, boolean training);

  /**
   * A product of two square matrices in fp32: what the limit is measured with.
   *
   * @param size rows and columns
   * @return one product, all of it; empty where the engine has none to call
   */
  Optional<Runnable> gemm(int size);

  @Override
  void close();
}
