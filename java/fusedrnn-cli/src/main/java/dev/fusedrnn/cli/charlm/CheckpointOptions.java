package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.cli.io.OutputFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that keep a training, so that it can go on after its process has ended. */
final class CheckpointOptions {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  @Option(
      names = "--checkpoint",
      paramLabel = "FILE",
      description = "Where the training is kept while it runs, at its end and when it is stopped")
  private @Nullable Path file;

  @Option(
      names = "--checkpoint-every",
      paramLabel = "N",
      defaultValue = "500",
      description = "Steps from one checkpoint to the next. Default: 500")
  private int every;

  @Option(
      names = "--resume",
      description =
          "Go on from the checkpoint, with the same bits as if nothing had happened; from the"
              + " beginning where there is none yet")
  private boolean resume;

  /**
   * Refuses what makes no sense, and to write over the checkpoint of another run.
   *
   * @param save where the model goes, or null
   */
  void check(@Nullable Path save) {
    if (every < 1) {
      throw new ParameterException(
          spec.commandLine(), "--checkpoint-every: expected at least 1, got " + every);
    }
    if (file == null) {
      if (resume) {
        throw new ParameterException(
            spec.commandLine(), "--resume: needs the file to go on from: --checkpoint FILE");
      }
      return;
    }
    OutputFile.requireWritable("--checkpoint", file);
    if (save != null && save.toAbsolutePath().equals(file.toAbsolutePath())) {
      throw new UserException("--checkpoint and --save: expected two files, got " + file);
    }
    if (!resume && Files.exists(file)) {
      throw new UserException(
          "--checkpoint "
              + file
              + ": exists; add --resume to go on from it, or delete it to begin anew");
    }
  }

  /**
   * What keeps the training.
   *
   * @param identity of the run
   * @param say takes a line for the user
   * @return null where nothing is to be kept
   */
  @Nullable Keeper keeper(Map<String, String> identity, Consumer<String> say) {
    return file == null ? null : new Keeper(file, every, resume, identity, say);
  }
}
