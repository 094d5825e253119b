package dev.fusedrnn.bench.peers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.bench.CheckedRows;
import dev.fusedrnn.bench.CheckedSequence;
import dev.fusedrnn.bench.cpu.CpuCase;
import dev.fusedrnn.bench.cpu.Engine;
import dev.fusedrnn.bench.cpu.EngineProvider;
import dev.fusedrnn.testkit.Comparison;
import dev.fusedrnn.testkit.NetCase;
import dev.fusedrnn.testkit.NetCheck;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;

/** What every engine has to do: the oracle's numbers, again and again, from the same data. */
final class EngineChecks {
  private EngineChecks() {}

  /** Opens an engine as a child process does. */
  static Engine open(String name) {
    for (EngineProvider provider : ServiceLoader.load(EngineProvider.class)) {
      if (provider.name().equals(name)) {
        return provider.open(Integer.parseInt(System.getenv("OMP_NUM_THREADS")));
      }
    }
    throw new IllegalArgumentException("no engine " + name);
  }

  /** Runs all cells on odd sizes, and says which the engine has. */
  static List<String> agreed(Engine engine) {
    List<String> agreed = new ArrayList<>();
    for (Cell cell : List.of(Cell.LSTM, Cell.GRU, Cell.GRU_RESET_BEFORE, Cell.RNN_TANH)) {
      for (boolean training : new boolean[] {false, true}) {
        NetCase sizes = new CpuCase(cell, 5, 3, 7, 9, training).sizes();
        try (CheckedSequence sequence = engine.open(sizes, training)) {
          // What is timed is a later run over the same memory.
          sequence.run();
          sequence.run();
          requireRight(sizes, sequence.checkedResults(), training);
          requireRight(sizes, sequence.checkedResults(), training);
          agreed.add(cell + (training ? " train" : " infer"));
        } catch (UnsupportedOperationException e) {
          assertFalse(String.valueOf(e.getMessage()).isEmpty());
        }
      }
    }
    return agreed;
  }

  private static void requireRight(NetCase sizes, Map<String, double[]> got, boolean training) {
    boolean lstm = sizes.cell() == Cell.LSTM;
    assertEquals(training ? (lstm ? 10 : 8) : (lstm ? 3 : 2), got.size(), got.keySet().toString());
    CheckedRows rows = new CheckedRows(sizes, sizes.data(DType.F32));
    try (Device oracle = Device.open(Backend.REFERENCE)) {
      NetCheck check = new NetCheck(rows.few(), DType.F32, false);
      for (Comparison tensor : check.compare(oracle, rows.fewData(), got)) {
        assertTrue(tensor.pass(), sizes.name() + ": " + tensor);
      }
    }
  }
}
