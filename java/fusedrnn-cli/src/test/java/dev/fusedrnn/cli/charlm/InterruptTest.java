package dev.fusedrnn.cli.charlm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.cli.CliRun;
import dev.fusedrnn.cli.Main;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Goal: a run that is stopped keeps what it learnt. Method: a process of its own, asked to end in
 * the middle as Ctrl-C does.
 */
class InterruptTest {
  @TempDir private Path folder;

  @Test
  @Timeout(value = 120, unit = TimeUnit.SECONDS)
  void aStoppedRunSavesItsModelAndItsReport() throws IOException, InterruptedException {
    Path model = folder.resolve("m.safetensors");
    Path json = folder.resolve("o.json");
    Path text = Texts.write(folder, Texts.ENGLISH);
    Process process =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElse("java"),
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "train",
                "char-lm",
                "--text",
                text.toString(),
                "--backend",
                "reference",
                "--hidden",
                "8",
                "--batch",
                "2",
                "--seq-len",
                "8",
                "--steps",
                "10000000",
                "--save",
                model.toString(),
                "--json",
                json.toString())
            .redirectErrorStream(true)
            .start();
    try (BufferedReader out = process.inputReader()) {
      assertTrue(out.readLine().startsWith("text: "));
      assertTrue(out.readLine().startsWith("model: "));
      Thread.sleep(1000);
      // Not process.destroy(), which closes the stream that is read below.
      process.toHandle().destroy();
      String rest = String.join("\n", out.lines().toList());
      assertTrue(rest.contains("saved " + model), rest);
    }
    process.waitFor();
    assertTrue(CliRun.json(json).path("interrupted").booleanValue());
    assertTrue(CliRun.json(json).path("steps").intValue() > 0);
    assertEquals(
        0, CliRun.of("sample", "--load", model, "--backend", "reference").ok().err().length());
  }
}
