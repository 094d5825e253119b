package dev.fusedrnn.testkit;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.SequenceKernel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A recurrent network, forward and backward: every output and every gradient.
 *
 * @param sizes what to run
 * @param dtype F32, BF16 or F16
 * @param tf32 whether products may be rounded to TF32; F32 alone
 */
public record NetCheck(NetCase sizes, DType dtype, boolean tf32) implements CheckCase {
  @Override
  public String name() {
    return sizes.name() + (dtype == DType.F32 ? "" : " " + dtype.label()) + (tf32 ? " tf32" : "");
  }

  @Override
  public boolean servedBy(Backend backend) {
    return dtype == DType.F32 && !tf32 || backend == Backend.CUDA || backend == Backend.EMULATED;
  }

  @Override
  public CheckResult run(Device device, Device oracle) {
    Map<String, float[]> data = data();
    Map<String, double[]> got = run(device, data, SequenceKernel.AUTO);
    Findings findings = new Findings(name(), sizes.seed());
    compare(oracle, data, got).forEach(findings::add);
    return findings.result();
  }

  /** Inputs that the type can hold. */
  Map<String, float[]> data() {
    return sizes.data(Storage.of(dtype));
  }

  /** Every output and gradient, by name. */
  Map<String, double[]> run(Device device, Map<String, float[]> data, SequenceKernel kernel) {
    return NetRun.of(device, dtype, tf32, kernel, sizes, data);
  }

  /**
   * Compares results that the caller computed with the oracle.
   *
   * @param oracle a device of the reference backend
   * @param sizes what was run
   * @param dtype what it was run in: F32, BF16 or F16
   * @param data inputs as {@link NetCase#data()} has them; for 16-bit types, numbers of that type
   * @param got results by name: outputs and gradients, as many as there are
   * @return one comparison for each of them
   */
  public static List<Comparison> compare(
      Device oracle,
      NetCase sizes,
      DType dtype,
      Map<String, float[]> data,
      Map<String, double[]> got) {
    return new NetCheck(sizes, dtype, false).compare(oracle, data, got);
  }

  /**
   * Compares results that the caller computed with the oracle.
   *
   * @param oracle a device of the reference backend
   * @param data inputs as {@link NetCase#data(DType)} has them
   * @param got results by name: outputs and gradients, as many as there are
   * @return one comparison for each of them
   */
  public List<Comparison> compare(
      Device oracle, Map<String, float[]> data, Map<String, double[]> got) {
    Storage storage = Storage.of(dtype);
    Map<String, double[]> expected = NetRun.of(oracle, DType.F64, false, sizes, data);
    Map<String, float[]> up =
        plain(data, tf32 ? SummationOrder.ASCENDING_TF32 : SummationOrder.ASCENDING);
    Map<String, float[]> down =
        plain(data, tf32 ? SummationOrder.DESCENDING_TF32 : SummationOrder.DESCENDING);
    List<Comparison> comparisons = new ArrayList<>();
    got.forEach(
        (tensor, values) -> {
          double[] exact = expected.get(tensor);
          double allowed = Tolerance.allowed(storage, exact, up.get(tensor), down.get(tensor));
          comparisons.add(Comparison.of(tensor, sizes.shape(tensor), exact, values, allowed));
        });
    return comparisons;
  }

  private Map<String, float[]> plain(Map<String, float[]> data, SummationOrder order) {
    return PlainNet.run(sizes, data, order, Storage.of(dtype));
  }
}
