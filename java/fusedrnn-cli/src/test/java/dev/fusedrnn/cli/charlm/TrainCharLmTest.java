package dev.fusedrnn.cli.charlm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.fusedrnn.cli.CliRun;
import dev.fusedrnn.cli.ExitCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Goal: training learns, repeats itself to the bit, saves what it learnt and says what it did, on
 * each backend through the same code. Method: whole runs of tiny models on small texts.
 */
class TrainCharLmTest {
  @TempDir private Path folder;

  private CliRun train(String backend, Object... more) throws IOException {
    if (!Files.exists(folder.resolve("text.txt"))) {
      Texts.write(folder, Texts.ENGLISH);
    }
    List<Object> options =
        List.of(
            "--text",
            folder.resolve("text.txt"),
            "--hidden",
            12,
            "--batch",
            4,
            "--seq-len",
            8,
            "--embedding",
            6,
            "--backend",
            backend,
            "--sample-length",
            20,
            "--steps",
            30);
    return CliRun.of(List.of("train", "char-lm"), options, more);
  }

  @ParameterizedTest
  @ValueSource(strings = {"reference", "cpu"})
  void theLossFallsAndTheReportIsWhole(String backend) throws IOException {
    Path json = folder.resolve("o.json");
    CliRun run = train(backend, "--steps", 150, "--learning-rate", 0.03, "--json", json).ok();
    JsonNode root = CliRun.json(json);
    assertEquals(backend, root.path("backend").textValue());
    assertEquals(150, root.path("steps").intValue());
    double uniform = Math.log(root.path("vocabulary").intValue());
    assertTrue(root.path("train_loss").doubleValue() < uniform - 1, root.toString());
    assertTrue(root.path("valid_loss").doubleValue() < uniform - 1, root.toString());
    assertEquals(
        Math.exp(root.path("valid_loss").doubleValue()),
        root.path("perplexity").doubleValue(),
        1e-9);
    assertTrue(root.path("chars_per_second").doubleValue() > 0);
    assertTrue(root.path("seconds").doubleValue() > 0);
    assertEquals(150, root.path("history").size());
    assertEquals(
        uniform, root.path("history").get(0).path("loss").doubleValue(), 0.5, "first loss");
    assertEquals(20, root.path("sample").textValue().length());
    assertTrue(run.out().contains("step 150 of 150: loss"), run.out());
    assertTrue(run.out().contains("nats a character, perplexity"), run.out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"reference", "cpu", "emulated"})
  void aRunRepeatsItselfToTheBit(String backend) throws IOException {
    Path one = folder.resolve("one.safetensors");
    Path two = folder.resolve("two.safetensors");
    train(backend, "--steps", 4, "--save", one).ok();
    train(backend, "--steps", 4, "--save", two).ok();
    assertArrayEquals(Files.readAllBytes(one), Files.readAllBytes(two));
    train(backend, "--steps", 4, "--seed", 2, "--save", two).ok();
    assertNotEquals(-1, Files.mismatch(one, two));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--cell gru",
        "--cell gru_reset_before",
        "--cell rnn",
        "--cell rnn_relu",
        "--cell mut1",
        "--layers 2 --dropout 0.2",
        "--optimizer sgd",
        "--optimizer adagrad",
        "--layers 3",
        "--embedding one-hot",
        "--clip 0",
        "--layers 2 --embedding one-hot --cell gru",
        "--batch 1 --seq-len 50",
        "--decay 1 --learning-rate 0.01",
        "--valid-fraction 0"
      })
  void everyOptionTrains(String options) throws IOException {
    Path json = folder.resolve("o.json");
    String[] words = options.split(" ");
    List<Object> more = new ArrayList<>(List.of((Object[]) words));
    more.addAll(List.of("--steps", 60, "--json", json));
    train("cpu", more.toArray()).ok();
    JsonNode root = CliRun.json(json);
    double first = root.path("history").get(0).path("loss").doubleValue();
    assertTrue(root.path("train_loss").doubleValue() < first - 0.1, root.toString());
    assertEquals(options.contains("valid"), root.path("valid_loss").isNull());
  }

  @Test
  void aSavedModelGoesOnAsItWouldHave() throws IOException {
    Path model = folder.resolve("m.safetensors");
    Path json = folder.resolve("o.json");
    Texts.write(folder, Texts.KOREAN);
    train("reference", "--save", model, "--json", json, "--steps", 40).ok();
    String sample = CliRun.json(json).path("sample").textValue();
    CliRun again =
        CliRun.of("sample", "--load", model, "--length", 20, "--backend", "reference").ok();
    assertEquals(sample + "\n", again.out());
    assertTrue(
        sample
            .codePoints()
            .anyMatch(c -> Character.UnicodeScript.of(c) == Character.UnicodeScript.HANGUL),
        sample);
  }

  /** One character to draw from is the likeliest, as with no temperature; on every backend. */
  @Test
  void theBestAloneIsWhatNoTemperatureTakes() throws IOException {
    Path model = folder.resolve("m.safetensors");
    train("reference", "--save", model, "--steps", 40).ok();
    for (String backend : List.of("reference", "cpu", "emulated")) {
      String best = sample(model, backend, "--temperature", 0);
      assertEquals(21, best.codePointCount(0, best.length()), backend);
      assertEquals(best, sample(model, backend, "--top-k", 1), backend);
      assertEquals(best, sample(model, backend, "--top-p", 1e-9), backend);
      assertNotEquals(best, sample(model, backend, "--temperature", 2), backend);
    }
  }

  private static String sample(Path model, String backend, Object... options) {
    List<Object> command = new ArrayList<>(List.of("sample", "--load", model, "--length", 20));
    command.addAll(List.of("--backend", backend));
    command.addAll(List.of(options));
    return CliRun.of(command.toArray()).ok().out();
  }

  @Test
  void quietPrintsNothing() throws IOException {
    assertEquals("", train("reference", "--steps", 2, "--quiet").ok().out());
  }

  @Test
  void noStepsAreARunToo() throws IOException {
    Path json = folder.resolve("o.json");
    train("reference", "--steps", 0, "--json", json).ok();
    assertTrue(CliRun.json(json).path("train_loss").isNull());
  }

  @Test
  void aLossThatIsNoNumberStopsTheRun() throws IOException {
    Path json = folder.resolve("o.json");
    CliRun run =
        train(
            "reference",
            "--cell",
            "rnn_relu",
            "--optimizer",
            "sgd",
            "--learning-rate",
            "1e5",
            "--clip",
            "0",
            "--json",
            json);
    assertEquals(ExitCode.FAILURE, run.exit(), run.err());
    assertTrue(run.err().contains("the loss was not finite at step "), run.err());
    assertTrue(run.err().contains("lower --learning-rate or --clip"), run.err());
    assertTrue(CliRun.json(json).path("diverged").booleanValue());
  }

  @Test
  void withoutATextItLearnsItsOwnSources() throws IOException {
    CliRun run =
        CliRun.of(
                "train",
                "char-lm",
                "--steps",
                2,
                "--hidden",
                8,
                "--batch",
                2,
                "--seq-len",
                8,
                "--valid-fraction",
                "0.001",
                "--sample-length",
                5,
                "--backend",
                "cpu")
            .ok();
    String firstLine = run.out().lines().findFirst().orElse("");
    assertTrue(
        firstLine.matches("text: fusedrnn's own sources, [1-9][0-9,]* characters .*"), run.out());
  }
}
