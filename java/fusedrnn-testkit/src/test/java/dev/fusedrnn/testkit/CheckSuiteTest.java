package dev.fusedrnn.testkit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.SequenceKernel;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Goal: the suite is what it says, and a wrong result does not pass. */
@OnBackend(value = Backend.REFERENCE, required = true)
class CheckSuiteTest {
  @Test
  void namesAreUniqueAndThereAreEnough() {
    List<String> names = CheckSuite.full(5).stream().map(CheckCase::name).toList();
    assertEquals(names.size(), names.stream().distinct().count());
    assertTrue(CheckSuite.quick(5).size() >= 40);
    List<SequenceKernel> kernels = List.of(SequenceKernel.SM, SequenceKernel.CLUSTER);
    List<String> forced =
        CheckSuite.kernels(kernels, true, 5).stream().map(CheckCase::name).toList();
    assertEquals(forced.size(), forced.stream().distinct().count());
    assertTrue(CheckSuite.kernels(kernels, false, 5).size() >= 40);
  }

  @Test
  void aSeedReplaysItsCase() {
    RnnCase one = new RnnCase(Cell.GRU, 2, 3, 4, 5, RnnCase.ALL, 9);
    RnnCase other = new RnnCase(Cell.GRU, 2, 3, 4, 5, RnnCase.ALL, 9);
    one.data()
        .forEach(
            (name, values) ->
                assertEquals(0, java.util.Arrays.compare(values, other.data().get(name)), name));
  }

  @Test
  void aSmallErrorInAnyTensorIsFound(Device oracle) {
    RnnCase sizes = new RnnCase(Cell.LSTM, 4, 3, 5, 9, RnnCase.ALL, 7);
    Map<String, float[]> data = sizes.data();
    Map<String, double[]> right = RnnRun.of(oracle, DType.F32, sizes, data);
    for (String tensor : right.keySet()) {
      Map<String, double[]> got = RnnRun.of(oracle, DType.F32, sizes, data);
      got.get(tensor)[1] += 2e-5;
      for (Comparison comparison : RnnCheck.compare(oracle, sizes, data, got)) {
        assertEquals(!comparison.tensor().equals(tensor), comparison.pass(), comparison.worst());
      }
    }
    assertFalse(right.isEmpty());
  }
}
