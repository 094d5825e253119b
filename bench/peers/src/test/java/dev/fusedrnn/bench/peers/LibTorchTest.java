package dev.fusedrnn.bench.peers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.bench.cpu.Engine;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Goal: LibTorch does the same work. Method: its numbers beside the oracle's, on odd sizes. */
class LibTorchTest {
  @Test
  void agreesWithTheOracle() {
    try (Engine engine = EngineChecks.open("libtorch")) {
      assertEquals(
          List.of(
              "LSTM infer",
              "LSTM train",
              "GRU infer",
              "GRU train",
              "RNN_TANH infer",
              "RNN_TANH train"),
          EngineChecks.agreed(engine));
      engine.gemm(8).orElseThrow().run();
      assertTrue(engine.about().get("libtorch").startsWith("2."), engine.about().toString());
    }
  }
}
