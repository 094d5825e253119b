package dev.fusedrnn.cli.check;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.fusedrnn.cli.CliRun;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Goal: the table and its JSON. Method: the whole quick suite on the oracle itself. */
class CheckCommandTest {
  @TempDir private Path folder;

  @Test
  void theQuickSuitePassesOnTheReference() throws IOException {
    Path json = folder.resolve("c.json");
    CliRun run = CliRun.of("check", "--quick", "--backend", "reference", "--json", json).ok();
    JsonNode root = CliRun.json(json);
    assertEquals("reference", root.path("backend").textValue());
    assertEquals(0, root.path("failed").intValue());
    int passed = root.path("passed").intValue();
    assertTrue(passed >= 40, "only " + passed);
    assertEquals(passed, root.path("cases").size());
    JsonNode first = root.path("cases").get(0);
    assertTrue(first.path("name").isTextual() && first.path("pass").booleanValue());
    assertTrue(first.path("error").doubleValue() <= first.path("allowed").doubleValue());
    assertTrue(run.out().endsWith(passed + " passed, 0 failed on reference:0\n"), run.out());
  }

  @Test
  void aFilterChoosesCases() {
    CliRun run = CliRun.of("check", "--filter", "LSTM t1 ", "--backend", "reference").ok();
    assertTrue(run.out().contains("lstm T1 B1 I1 H1"), run.out());
    assertTrue(!run.out().contains("gru"), run.out());
    CliRun.of("check", "--filter", "transformer", "--backend", "reference")
        .refused("--filter transformer: no case has that in its name");
  }

  @Test
  void kernelsAreForced() {
    CliRun run =
        CliRun.of(
                "check",
                "--kernels",
                "K1,k2",
                "--quick",
                "--filter",
                "gru T5 B9 I7 H33 bf16",
                "--backend",
                "emulated")
            .ok();
    assertTrue(run.out().contains("gru T5 B9 I7 H33 bf16 K1 "), run.out());
    assertTrue(run.out().contains("gru T5 B9 I7 H33 bf16 K2 of "), run.out());
    assertTrue(run.out().contains("2 passed, 0 failed"), run.out());
    CliRun.of("check", "--kernels", "K1", "--backend", "reference")
        .refused("--kernels: the reference backend has none");
    CliRun.of("check", "--kernels", "K9").refused("--kernels: kernel: expected one of", "K9");
  }

  @Test
  void theTerminalCanGetTheJsonAlone() throws IOException {
    CliRun run =
        CliRun.of("check", "--filter", "linear N1 ", "--backend", "reference", "--json").ok();
    assertTrue(run.out().startsWith("{"), run.out());
  }
}
