package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import java.util.LinkedHashMap;
import java.util.Map;

/** Runs a {@link RnnCase} forward and backward on a device, through the public API. */
public final class RnnRun {
  private RnnRun() {}

  /**
   * Runs a case with the data that its seed gives.
   *
   * @param device where
   * @param dtype F32, or F64 on the reference
   * @param sizes the case
   * @return every output and gradient by the names of {@code fusedrnn.h}
   * @throws AssertionError where memory beside a tensor, or an input, was written
   */
  public static Map<String, double[]> of(Device device, DType dtype, RnnCase sizes) {
    return of(device, dtype, sizes, sizes.data());
  }

  /**
   * Runs a case with data of the caller's.
   *
   * @param device where
   * @param dtype F32, or F64 on the reference
   * @param sizes the case
   * @param data as {@link RnnCase#data()} has it
   * @return every output and gradient by the names of {@code fusedrnn.h}
   * @throws AssertionError where memory beside a tensor, or an input, was written
   */
  public static Map<String, double[]> of(
      Device device, DType dtype, RnnCase sizes, Map<String, float[]> data) {
    Map<String, double[]> results = new LinkedHashMap<>();
    NetRun.of(device, dtype, false, sizes.net(), RnnCase.netNames(data))
        .forEach((name, values) -> results.put(RnnCase.headerName(name), values));
    return results;
  }
}
