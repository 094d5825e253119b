package dev.fusedrnn.bench.cpu;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.jspecify.annotations.Nullable;

/**
 * A line to a child process.
 *
 * @param verb what to do
 * @param shape of {@link Verb#PREPARE}
 * @param file of {@link Verb#RESULTS}: what to write
 * @param size of {@link Verb#GEMM}: rows and columns
 * @param millis of {@link Verb#RUN}: for about how long
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
record Request(
    Verb verb,
    @Nullable CpuCase shape,
    @Nullable String file,
    @Nullable Integer size,
    @Nullable Integer millis) {

  /** What a child can do. */
  enum Verb {
    /** Says what the engine is. */
    ABOUT,
    /** Makes a case ready, in place of the one before. */
    PREPARE,
    /** Runs the case once for the checked rows and writes its results to a file. */
    RESULTS,
    /** Makes a product of two square matrices ready, in place of a case. */
    GEMM,
    /** Runs what is ready over and over and times each run. */
    RUN
  }

  static Request about() {
    return new Request(Verb.ABOUT, null, null, null, null);
  }

  static Request prepare(CpuCase shape) {
    return new Request(Verb.PREPARE, shape, null, null, null);
  }

  static Request results(String file) {
    return new Request(Verb.RESULTS, null, file, null, null);
  }

  static Request gemm(int size) {
    return new Request(Verb.GEMM, null, null, size, null);
  }

  static Request run(int millis) {
    return new Request(Verb.RUN, null, null, null, millis);
  }
}
