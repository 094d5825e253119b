package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.io.Checkpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/** Keeps a training in a checkpoint, and goes on from one. */
final class Keeper {
  private static final String LOSSES = "losses";

  private final Path file;
  private final int every;
  private final boolean resume;
  private final Map<String, String> identity;
  private final Consumer<String> say;

  Keeper(Path file, int every, boolean resume, Map<String, String> identity, Consumer<String> say) {
    this.file = file;
    this.every = every;
    this.resume = resume;
    this.identity = identity;
    this.say = say;
  }

  /** Whether a checkpoint is to be saved after a step. */
  boolean due(int step) {
    return step % every == 0;
  }

  /** How many steps may be made after a step until the next checkpoint. */
  int stepsUntilSave(int step) {
    return every - step % every;
  }

  /**
   * Puts a new trainer where the checkpoint was saved, if there is one to go on from.
   *
   * @param history gets the losses of the steps made
   */
  void resume(Trainer trainer, History history) {
    if (!resume) {
      return;
    }
    if (Files.notExists(file)) {
      say.accept("there is no checkpoint " + file + " yet: beginning at the first step");
      return;
    }
    Checkpoint.HostState host = Checkpoint.of(identity).bind("", trainer.state()).restore(file);
    trainer.resume(host);
    for (double loss : host.series(LOSSES)) {
      history.add(loss);
    }
    say.accept("going on from " + file + " after step " + trainer.step());
  }

  /** Saves a checkpoint in the place of the one before. */
  void save(Trainer trainer, History history) throws IOException {
    Map<String, double[]> series = new LinkedHashMap<>();
    series.put(LOSSES, history.losses());
    Checkpoint.of(identity)
        .bind("", trainer.state())
        .save(file, new Checkpoint.HostState(trainer.position(), series));
  }
}
