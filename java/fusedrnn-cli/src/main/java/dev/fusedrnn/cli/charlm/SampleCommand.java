package dev.fusedrnn.cli.charlm;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.Device;
import dev.fusedrnn.cli.BackendOption;
import dev.fusedrnn.cli.JsonOption;
import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.cli.io.JsonFiles;
import dev.fusedrnn.cli.text.Vocabulary;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code fusedrnn sample}. */
@Command(
    name = "sample",
    description = "Writes text with a character model that train char-lm --save made.",
    mixinStandardHelpOptions = true)
public final class SampleCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Option(names = "--load", required = true, paramLabel = "FILE", description = "The model")
  private Path load;

  @Option(
      names = "--length",
      paramLabel = "N",
      defaultValue = "500",
      description = "Characters to write. Default: 500")
  private int length;

  @Option(
      names = "--temperature",
      paramLabel = "X",
      defaultValue = "0.8",
      description = "Scores are divided by it; 0 always takes the likeliest. Default: 0.8")
  private double temperature;

  @Option(
      names = "--top-k",
      paramLabel = "N",
      defaultValue = "0",
      description = "Draws from the N likeliest characters only; 0 from all. Default: 0")
  private int topK;

  @Option(
      names = "--top-p",
      paramLabel = "X",
      defaultValue = "1",
      description =
          "Draws from the likeliest characters that together have a probability of X. Default: 1")
  private double topP;

  @Option(
      names = "--prime",
      paramLabel = "TEXT",
      description =
          "The beginning, which is printed too. Default: a line end or the model's first"
              + " character")
  private @Nullable String prime;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "The same seed writes the same text. Default: 1")
  private long seed;

  @Mixin private BackendOption backend;
  @Mixin private JsonOption json;

  @Override
  public Integer call() throws IOException {
    if (length < 0 || !(temperature >= 0) || topK < 0) {
      throw new ParameterException(
          spec.commandLine(), "--length, --temperature and --top-k: expected 0 or more");
    }
    if (Double.isInfinite(temperature) || !(topP > 0 && topP <= 1)) {
      throw new ParameterException(
          spec.commandLine(), "--temperature: expected a finite number; --top-p: above 0, up to 1");
    }
    if (prime != null && prime.isEmpty()) {
      throw new UserException("--prime: expected at least one character");
    }
    json.requireWritable();
    try (Device device = backend.open();
        CharParameters parameters = ModelFile.load(load, device);
        TextWriter writer = new TextWriter(device, parameters)) {
      Vocabulary vocabulary = parameters.shape().vocabulary();
      int[] beginning =
          prime == null ? TextWriter.beginning(vocabulary) : vocabulary.encode(prime, "--prime");
      String text =
          writer.write(beginning, length, new TextWriter.Draw(temperature, topK, topP, seed));
      PrintWriter out = spec.commandLine().getOut();
      if (!json.toTerminal()) {
        out.println((prime == null ? "" : prime) + text);
        out.flush();
      }
      ObjectNode results = JsonFiles.object();
      results.put("backend", device.backend().label()).put("model", load.toString());
      results.put("prime", prime).put("text", text).put("length", length);
      results.put("temperature", temperature).put("top_k", topK).put("top_p", topP);
      json.write(results.put("seed", seed), out);
    }
    return 0;
  }
}
