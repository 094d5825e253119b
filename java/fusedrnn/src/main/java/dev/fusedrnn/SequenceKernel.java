package dev.fusedrnn;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * Which kernels run the loop over time on a GPU. Ordinals are those of {@code frnn_kernel}; the
 * other backends have one way and serve {@link #AUTO} alone.
 */
public enum SequenceKernel {
  /** What the planner expects to be fastest. */
  AUTO("auto"),
  /** K0: a matrix product and a fused kernel for each step; serves everything. */
  STEP("K0"),
  /** K1: the recurrent weights stay in one multiprocessor for the whole sequence. */
  SM("K1"),
  /** K2: the recurrent weights stay in a thread-block cluster for the whole sequence. */
  CLUSTER("K2");

  private final String label;

  SequenceKernel(String label) {
    this.label = label;
  }

  /**
   * The name used on the command line and in files.
   *
   * @return for example {@code K2}
   */
  public String label() {
    return label;
  }

  /**
   * Finds a kernel by its label.
   *
   * @param name {@code auto}, {@code K0}, {@code K1} or {@code K2}, in any case
   * @return the kernel
   * @throws IllegalArgumentException naming the known labels
   */
  public static SequenceKernel fromName(String name) {
    for (SequenceKernel kernel : values()) {
      if (kernel.label.toLowerCase(Locale.ROOT).equals(name.toLowerCase(Locale.ROOT))) {
        return kernel;
      }
    }
    throw new IllegalArgumentException(
        "kernel: expected one of "
            + Arrays.stream(values()).map(SequenceKernel::label).collect(Collectors.joining(", "))
            + ", got "
            + name);
  }
}
