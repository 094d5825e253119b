package dev.fusedrnn.cli.charlm;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.Device;
import dev.fusedrnn.cli.BackendOption;
import dev.fusedrnn.cli.ExitCode;
import dev.fusedrnn.cli.JsonOption;
import dev.fusedrnn.cli.io.OutputFile;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code fusedrnn train char-lm}. */
@Command(
    name = "char-lm",
    description = {
      "Learns to predict the next character of a text, by truncated backpropagation through time"
          + " with carried state, then writes some text of its own.",
      "Characters are Unicode code points: any language will do. Without --text it learns this"
          + " project's own sources. Ctrl-C stops after the present step and saves where --save or"
          + " --checkpoint was given."
    },
    mixinStandardHelpOptions = true)
public final class TrainCharLmCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(
      names = "--text",
      paramLabel = "FILE",
      description = "UTF-8 text to learn. Default: this project's own sources")
  private @Nullable Path text;

  @Mixin private CharLmOptions options;
  @Mixin private BackendOption backend;

  @Option(
      names = "--save",
      paramLabel = "FILE",
      description = "Where the model goes (safetensors), for the command sample")
  private @Nullable Path save;

  @Mixin private CheckpointOptions checkpoint;

  @Mixin private JsonOption json;

  @Option(
      names = "--sample-length",
      paramLabel = "N",
      defaultValue = "400",
      description = "Characters to write at the end. Default: 400")
  private int sampleLength;

  @Option(
      names = "--temperature",
      paramLabel = "X",
      defaultValue = "0.8",
      description = "Of that text: 0 always takes the likeliest character. Default: 0.8")
  private double temperature;

  @Option(names = "--quiet", description = "No progress and no text; errors only")
  private boolean quiet;

  @Override
  public Integer call() throws IOException {
    options.check();
    checkpoint.check(save);
    if (sampleLength < 0 || !(temperature >= 0)) {
      throw new ParameterException(
          spec.commandLine(), "--sample-length and --temperature: expected 0 or more");
    }
    OutputFile.requireWritable("--save", save);
    json.requireWritable();
    TextSource source = TextSource.of(text);
    Corpus corpus =
        Corpus.of(source.text(), source.name(), options.validFraction(), options.seqLen());
    TrainSettings settings = options.settings();
    CharShape shape = options.shape(corpus.vocabulary());
    try (Device device = backend.open();
        CharParameters parameters = new CharParameters(device, shape)) {
      parameters.initialize(settings.seed());
      TrainRun run = new TrainRun(device, parameters, corpus, settings);
      say(run.introduction(source.name()));
      return train(run);
    }
  }

  private int train(TrainRun run) throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    try (StopRequest stop = new StopRequest()) {
      try (Progress progress = run.progress(quiet || json.toTerminal(), out)) {
        run.train(stop, progress, checkpoint.keeper(run.identity(), this::say));
      }
      if (save != null) {
        ModelFile.save(save, run.parameters(), run.notes());
        say("saved " + save);
      }
      if (!stop.requested()) {
        run.finish(sampleLength, temperature);
      }
      ObjectNode results = run.results();
      results.put("saved", save == null ? null : save.toString());
      json.write(results, out);
      report(run, results);
      return run.diverged() || stop.requested() ? ExitCode.FAILURE : ExitCode.OK;
    }
  }

  private void report(TrainRun run, ObjectNode results) {
    if (run.diverged()) {
      spec.commandLine()
          .getErr()
          .printf(
              "fusedrnn: the loss was not finite at step %d: lower --learning-rate or --clip%n",
              run.step());
      spec.commandLine().getErr().flush();
      return;
    }
    if (run.interrupted()) {
      say("stopped at step " + run.step() + (save == null ? "; no model saved (no --save)" : ""));
      return;
    }
    say(
        String.format(
            Locale.ROOT,
            "train %.3f, valid %s nats a character, perplexity %s; %,.0f characters a second",
            results.path("train_loss").doubleValue(),
            number(results, "valid_loss"),
            number(results, "perplexity"),
            results.path("chars_per_second").doubleValue()));
    if (json.file() != null) {
      say("wrote " + json.file());
    }
    if (sampleLength > 0) {
      say("\n" + run.sample());
    }
  }

  private static String number(ObjectNode results, String key) {
    return results.path(key).isNumber()
        ? String.format(Locale.ROOT, "%.3f", results.path(key).doubleValue())
        : "-";
  }

  private void say(String line) {
    if (!quiet && !json.toTerminal()) {
      spec.commandLine().getOut().println(line);
      spec.commandLine().getOut().flush();
    }
  }
}
