package dev.fusedrnn.cli.charlm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.fusedrnn.Backend;
import dev.fusedrnn.Cell;
import dev.fusedrnn.Device;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.cli.CliRun;
import dev.fusedrnn.cli.Main;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Goal: training that goes on from a checkpoint gives the bits of training that never stopped, and
 * no checkpoint is used or overwritten that belongs to something else. Method: a trainer that is
 * thrown away in the middle with its device; whole commands that are stopped by a signal or without
 * warning; then the last checkpoints, which hold all state, are compared byte by byte. The text is
 * short, so that passes end, and dropout draws. Seed 51.
 */
class CheckpointResumeTest {
  private static final int STEPS = 13;
  private static final int SEED = 51;

  @TempDir private Path folder;

  @BeforeEach
  void writeText() throws IOException {
    Texts.write(folder, Texts.ENGLISH);
  }

  private Path path(String name) {
    return folder.resolve(name);
  }

  @ParameterizedTest
  @CsvSource({
    "CPU, LSTM, ADAM",
    "CPU, GRU, ADAGRAD",
    "CPU, MUT1, SGD",
    "EMULATED, LSTM, ADAM",
    "EMULATED, GRU, SGD",
    "REFERENCE, LSTM, ADAM"
  })
  void everyStopGivesTheSameBits(Backend backend, Cell cell, Optimizer.Kind kind)
      throws IOException {
    train(backend, cell, kind, path("whole"), STEPS);
    byte[] whole = Files.readAllBytes(path("whole"));
    for (int stop : new int[] {1, 4, STEPS - 1}) {
      Path parts = path("parts" + stop);
      train(backend, cell, kind, parts, stop);
      train(backend, cell, kind, parts, STEPS);
      assertArrayEquals(whole, Files.readAllBytes(parts), "stopped after step " + stop);
    }
  }

  /** Goes on from a file, if it is there, to a step, and saves; device and all are new. */
  private static void train(Backend backend, Cell cell, Optimizer.Kind kind, Path file, int until)
      throws IOException {
    Corpus corpus = Corpus.of(Texts.ENGLISH.substring(0, 120), "text", 0, 7);
    CharShape shape = new CharShape(cell, 9, 2, 0.25, 5, corpus.vocabulary());
    TrainSettings settings =
        new TrainSettings(3, 7, STEPS, 1, kind, new Schedule(0.01, 0.1, 3, STEPS), SEED);
    Keeper keeper = new Keeper(file, 1, true, Map.of("test", "resume"), line -> {});
    History history = new History(STEPS);
    try (Device device = Device.open(backend);
        CharParameters parameters = new CharParameters(device, shape)) {
      if (Files.notExists(file)) {
        parameters.initialize(SEED);
      }
      try (Trainer trainer = new Trainer(device, parameters, corpus, settings)) {
        keeper.resume(trainer, history);
        while (trainer.step() < until) {
          Arrays.stream(trainer.advance(until - trainer.step())).forEach(history::add);
        }
        keeper.save(trainer, history);
      }
    }
  }

  private List<Object> options() {
    List<Object> options = new ArrayList<>();
    options.addAll(List.of("--text", folder.resolve("text.txt"), "--backend", "cpu"));
    options.addAll(List.of("--hidden", 9, "--embedding", 5, "--batch", 3, "--seq-len", 7));
    options.addAll(List.of("--layers", 2, "--dropout", 0.25, "--sample-length", 0));
    options.addAll(List.of("--steps", 3000, "--seed", SEED, "--checkpoint-every", 50));
    return options;
  }

  private CliRun train(Object... more) {
    return CliRun.of(List.of("train", "char-lm"), options(), more);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  @Timeout(value = 180, unit = TimeUnit.SECONDS)
  void aStoppedCommandGoesOnToTheSameModel(boolean warned)
      throws IOException, InterruptedException {
    train("--save", path("whole.m"), "--checkpoint", path("whole.c")).ok();
    stop(path("parts.c"), warned);
    CliRun resumed =
        train(
                "--save",
                path("parts.m"),
                "--checkpoint",
                path("parts.c"),
                "--json",
                path("o.json"),
                "--resume")
            .ok();
    Matcher step =
        Pattern.compile("going on from \\S+parts.c after step (\\d+)").matcher(resumed.out());
    assertTrue(step.find(), resumed.out());
    int at = Integer.parseInt(step.group(1));
    assertTrue(at >= 50 && at < 3000 && (warned || at % 50 == 0), resumed.out());
    JsonNode report = CliRun.json(path("o.json"));
    assertEquals(at, report.path("resumed_at").intValue());
    JsonNode first = report.path("history").get(0);
    assertEquals(15, first.path("step").intValue(), "losses from before the stop are kept");
    assertEquals(-1, Files.mismatch(path("whole.m"), path("parts.m")), "model");
    assertEquals(-1, Files.mismatch(path("whole.c"), path("parts.c")), "checkpoint");
  }

  /** Starts a process and ends it, as Ctrl-C does or by force, once a checkpoint is there. */
  private void stop(Path checkpoint, boolean warned) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElse("java"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    command.addAll(List.of("train", "char-lm", "--checkpoint", checkpoint.toString()));
    options().forEach(word -> command.add(word.toString()));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    try (BufferedReader out = process.inputReader()) {
      while (Files.notExists(checkpoint) && process.isAlive()) {
        Thread.sleep(1);
      }
      // Not process.destroy(), which closes the stream that is read below.
      boolean sent = warned ? process.toHandle().destroy() : process.toHandle().destroyForcibly();
      String said = String.join("\n", out.lines().toList());
      assertTrue(sent, said);
    }
    process.waitFor();
  }

  @Test
  void whatBelongsToSomethingElseIsLeftAlone() throws IOException {
    Path file = path("c");
    CliRun fresh = train("--steps", 4, "--checkpoint", file, "--resume").ok();
    assertTrue(fresh.out().contains("there is no checkpoint " + file + " yet"), fresh.out());
    byte[] good = Files.readAllBytes(file);
    train("--steps", 4, "--checkpoint", file).refused("exists; add --resume to go on from it");
    train("--steps", 4, "--hidden", 10, "--checkpoint", file, "--resume")
        .refused(file + ": is a checkpoint of another training (--hidden: expected 10, got 9); go");
    train("--steps", 5, "--cell", "gru", "--checkpoint", file, "--resume")
        .refused("(--cell: expected gru, got lstm; --steps: expected 5, got 4)");
    Files.writeString(path("text.txt"), Texts.ENGLISH + "!");
    train("--steps", 4, "--checkpoint", file, "--resume").refused("(text: expected ");
    Texts.write(folder, Texts.ENGLISH);
    assertArrayEquals(good, Files.readAllBytes(file));
    byte[] damaged = good.clone();
    damaged[good.length - 3] ^= 1;
    Files.write(file, damaged);
    train("--steps", 4, "--checkpoint", file, "--resume").refused("is damaged: it was saved with");
    Files.write(file, Arrays.copyOf(good, good.length / 2));
    train("--steps", 4, "--checkpoint", file, "--resume").refused("truncated: ");
    assertEquals(good.length / 2, Files.size(file));
    train("--resume").refused("--resume: needs the file to go on from: --checkpoint FILE");
    train("--checkpoint-every", 0).refused("--checkpoint-every: expected at least 1, got 0");
    train("--checkpoint", path("m"), "--save", path("m")).refused("expected two files, got ");
    train("--checkpoint", path("no/c")).refused("--checkpoint " + path("no/c"), "does not exist");
  }

  @Test
  void aFinishedTrainingMakesNoFurtherStep() throws IOException {
    train("--steps", 4, "--checkpoint", path("c"), "--save", path("one")).ok();
    byte[] good = Files.readAllBytes(path("c"));
    train("--steps", 4, "--checkpoint", path("c"), "--save", path("two"), "--resume").ok();
    assertArrayEquals(good, Files.readAllBytes(path("c")));
    assertEquals(-1, Files.mismatch(path("one"), path("two")));
  }

  @Test
  void aLossThatIsNoNumberLeavesTheLastGoodCheckpoint() throws IOException {
    Path file = path("c");
    CliRun run =
        train(
            "--cell",
            "rnn_relu",
            "--optimizer",
            "sgd",
            "--learning-rate",
            "1e5",
            "--clip",
            "0",
            "--checkpoint-every",
            1,
            "--checkpoint",
            file);
    assertTrue(run.err().contains("the loss was not finite at step "), run.err());
    Matcher step = Pattern.compile("at step (\\d+)").matcher(run.err());
    assertTrue(step.find());
    CliRun again =
        train(
            "--cell",
            "rnn_relu",
            "--optimizer",
            "sgd",
            "--learning-rate",
            "1e5",
            "--clip",
            "0",
            "--checkpoint",
            file,
            "--resume");
    int last = Integer.parseInt(step.group(1)) - 1;
    assertTrue(again.out().contains("after step " + last), again.out());
  }
}
