package dev.fusedrnn.bench.cpu;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.bench.BenchmarkFailedException;
import dev.fusedrnn.bench.CheckedRows;
import dev.fusedrnn.bench.CheckedSequence;
import dev.fusedrnn.testkit.Comparison;
import dev.fusedrnn.testkit.NetCase;
import dev.fusedrnn.testkit.NetCheck;
import dev.fusedrnn.testkit.NetRun;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What is right in one case: computed once, compared with every engine. */
final class Oracle {
  private final NetCase few;
  private final Map<String, double[]> expected;
  private final Map<String, Double> allowed = new HashMap<>();

  /** Computes the checked rows in double precision, and what fp32 may be off by. */
  Oracle(CpuCase shape) {
    NetCase sizes = shape.sizes();
    CheckedRows rows = new CheckedRows(sizes, sizes.data(DType.F32));
    few = rows.few();
    try (Device device = Device.open(Backend.REFERENCE)) {
      expected = NetRun.of(device, DType.F64, false, few, rows.fewData());
      for (Comparison tensor :
          new NetCheck(few, DType.F32, false).compare(device, rows.fewData(), expected)) {
        allowed.put(tensor.tensor(), tensor.allowed());
      }
    }
    if (!shape.training()) {
      expected.keySet().removeIf(name -> !Set.of("y", "hT", "cT").contains(name));
    }
  }

  /**
   * Refuses an engine that is wrong, or that left something out.
   *
   * @throws BenchmarkFailedException naming the tensor
   */
  void require(String who, Map<String, double[]> got) {
    if (!got.keySet().equals(expected.keySet())) {
      throw new BenchmarkFailedException(
          who + " computed " + got.keySet() + ", expected " + expected.keySet());
    }
    List<Comparison> comparisons = new ArrayList<>();
    got.forEach(
        (name, values) ->
            comparisons.add(
                Comparison.of(
                    name,
                    few.shape(name),
                    expected.getOrDefault(name, values),
                    values,
                    allowed.getOrDefault(name, 0.0))));
    try {
      CheckedSequence.requireRight(few.name(), who, comparisons);
    } catch (IllegalStateException e) {
      throw new BenchmarkFailedException(String.valueOf(e.getMessage()));
    }
  }
}
