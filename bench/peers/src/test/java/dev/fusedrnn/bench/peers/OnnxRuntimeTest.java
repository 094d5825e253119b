package dev.fusedrnn.bench.peers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.bench.cpu.Engine;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Goal: ONNX Runtime does the same work. Method: its numbers beside the oracle's. */
class OnnxRuntimeTest {
  @Test
  void agreesWithTheOracle() {
    try (Engine engine = EngineChecks.open("onnxruntime")) {
      assertEquals(
          List.of("LSTM infer", "GRU infer", "GRU_RESET_BEFORE infer", "RNN_TANH infer"),
          EngineChecks.agreed(engine));
      assertTrue(engine.gemm(8).isEmpty());
      assertTrue(engine.about().get("onnxruntime").startsWith("1."), engine.about().toString());
    }
  }
}
