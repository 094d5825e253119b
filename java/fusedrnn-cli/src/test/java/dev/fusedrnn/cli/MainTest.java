package dev.fusedrnn.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.fusedrnn.Backend;
import dev.fusedrnn.BackendStatus;
import dev.fusedrnn.Device;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Goal: the command line helps and refuses in words. Method: run it and read its output. */
class MainTest {
  @ParameterizedTest
  @ValueSource(strings = {"", "train", "train char-lm", "sample", "replay", "check", "doctor"})
  void everyCommandHasHelp(String command) {
    Object[] words = (command + " --help").strip().split(" ");
    CliRun run = CliRun.of(words).ok();
    assertTrue(run.out().startsWith("Usage: fusedrnn"), run.out());
    assertFalse(run.out().contains("null"), run.out());
  }

  @Test
  void theVersionIsPrinted() {
    assertTrue(CliRun.of("--version").ok().out().startsWith("fusedrnn "));
  }

  @Test
  void anUnknownOptionSuggestsTheNearOne() {
    CliRun.of("train", "char-lm", "--hiden", "3").refused("Unknown option", "--hidden");
    CliRun.of("check", "--quik").refused("Unknown option", "--quick");
  }

  @Test
  void anUnknownCommandSuggestsTheNearOne() {
    CliRun.of("chek").refused("Did you mean: fusedrnn check?");
  }

  @Test
  void aMissingCommandOrModelIsNamed() {
    CliRun.of()
        .refused(
            "Missing command",
            "fusedrnn takes train, sample, replay, convert, check, explain, doctor");
    CliRun.of("train").refused("Say what to train: train char-lm", "fusedrnn train takes char-lm");
  }

  @Test
  void anUnknownBackendIsRefused() {
    CliRun.of("check", "--quick", "--backend", "gpu")
        .refused("--backend: backend: expected one of auto, cuda, cpu, emulated, reference");
  }

  @Test
  void cudaWhereThereIsNoneNamesTheCure() {
    assumeFalse(
        Device.probe().stream()
            .filter(status -> status.backend() == Backend.CUDA)
            .anyMatch(BackendStatus::available),
        "this machine has cuda");
    for (String command : new String[] {"check", "doctor", "train char-lm"}) {
      CliRun run = CliRun.of((Object[]) (command + " --backend cuda").split(" "));
      assertEquals(ExitCode.USAGE, run.exit(), run.err());
      assertTrue(
          run.err().contains("Install the NVIDIA driver") || run.err().contains("nvcc"), run.err());
    }
  }
}
