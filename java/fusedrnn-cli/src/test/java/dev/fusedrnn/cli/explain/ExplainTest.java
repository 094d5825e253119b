package dev.fusedrnn.cli.explain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.fusedrnn.cli.CliRun;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Goal: the planner's answer for five devices, as text and as JSON, and what it refuses. Method:
 * problems whose kernel capacity alone decides; numbers are only compared with each other.
 */
class ExplainTest {
  private static final List<String> MEDIUM =
      List.of("--cell", "lstm", "--hidden", "512", "--batch", "16", "--steps", "1024");

  @TempDir private Path folder;

  private JsonNode json(Object... more) throws IOException {
    Path file = folder.resolve("e.json");
    CliRun.of(List.of("explain", "--json", file), MEDIUM, more).ok();
    return CliRun.json(file);
  }

  @ParameterizedTest
  @CsvSource({"h200, K2, K2", "a100, K0, K1", "l4, K0, K1", "rtx4090, K0, K1", "tiny, K0, K0"})
  void eachDeviceGetsAKernel(String device, String medium, String small) throws IOException {
    JsonNode large = json("--device", device, "--dtype", "bf16").path("layers").get(0);
    assertEquals(medium, large.path("forward").path("kernel").asText());
    assertFalse(large.has("backward"));
    JsonNode little = json("--device", device, "--dtype", "bf16", "--hidden", "64", "--batch", "8");
    assertEquals(small, little.path("layers").get(0).path("forward").path("kernel").asText());
  }

  @Test
  void everyNumberIsThere() throws IOException {
    JsonNode root = json("--dtype", "bf16", "--layers", "3", "--bidirectional", "", "--training");
    assertEquals("NVIDIA H200", root.path("device").path("name").asText());
    assertEquals(2, root.path("directions").asInt());
    assertEquals(2, root.path("layers").size());
    JsonNode above = root.path("layers").get(1);
    assertEquals(2, above.path("count").asInt());
    assertEquals(1024, above.path("input").asInt());
    for (String pass : List.of("forward", "backward")) {
      JsonNode plan = above.path(pass);
      assertTrue(plan.path("cluster").asInt() > 1, plan.toString());
      assertTrue(plan.path("register_bytes").asLong() > 0, plan.toString());
      assertTrue(plan.path("shared_bytes").asLong() <= 232448, plan.toString());
      assertTrue(plan.path("step_us").asDouble() >= plan.path("limit_us").asDouble());
      assertFalse(plan.path("limited_by").asText().isEmpty());
      assertEquals(5, plan.path("passed_over").size());
      for (JsonNode other : plan.path("passed_over")) {
        assertFalse(other.path("reason").asText().isEmpty(), plan.toString());
      }
    }
  }

  @Test
  void theTextSaysTheSame() {
    CliRun run = CliRun.of(List.of("explain"), MEDIUM, "--dtype", "bf16").ok();
    for (String piece :
        List.of(
            "lstm(I=512, H=512, bf16) T=1024 B=16 on NVIDIA H200",
            "layer 0 forward: K2 of ",
            "bytes in registers and",
            "us predicted; at the least",
            "K1         H=512: ")) {
      assertTrue(run.out().contains(piece), () -> "expected \"" + piece + "\" in " + run.out());
    }
    CliRun.of("explain", "--hidden", 64, "--device", "emulated", "--training").ok();
  }

  @Test
  void whatCannotBeIsRefused() {
    CliRun.of(List.of("explain"), MEDIUM, "--device", "l4", "--kernel", "K2")
        .refused("K2 cannot run this forward call", "no thread-block clusters");
    CliRun.of(List.of("explain"), MEDIUM, "--kernel", "k1").refused("H=512");
    CliRun.of(List.of("explain"), MEDIUM, "--projection", "8", "--kernel", "K2")
        .refused("projection");
    CliRun.of(List.of("explain"), MEDIUM, "--device", "h9000").refused("rtx4090", "h9000");
    CliRun.of(List.of("explain"), MEDIUM, "--device", "cpu").refused("one way to run a sequence");
    CliRun.of(List.of("explain"), MEDIUM, "--kernel", "K7").refused("auto, K0, K1, K2, got K7");
    CliRun.of(List.of("explain"), MEDIUM, "--cell", "gru", "--variant", "peephole")
        .refused("peephole");
    CliRun.of(List.of("explain"), MEDIUM, "--variant", "tied").refused("--variant", "tied");
    CliRun.of("explain").refused("--hidden");
    CliRun.of("explain", "--hidden", 0, "--input", 3).refused("hiddenSize: expected at least 1");
  }
}
