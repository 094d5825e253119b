package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.Device;
import dev.fusedrnn.cli.BackendOption;
import dev.fusedrnn.cli.UserException;
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

  @Override
  public Integer call() {
    if (length < 0 || !(temperature >= 0)) {
      throw new ParameterException(
          spec.commandLine(), "--length and --temperature: expected 0 or more");
    }
    if (prime != null && prime.isEmpty()) {
      throw new UserException("--prime: expected at least one character");
    }
    try (Device device = backend.open();
        CharParameters parameters = ModelFile.load(load, device);
        Sampler sampler = new Sampler(device, parameters)) {
      PrintWriter out = spec.commandLine().getOut();
      int[] beginning;
      if (prime == null) {
        beginning = new int[] {Math.max(0, parameters.shape().vocabulary().id('\n'))};
      } else {
        beginning = parameters.shape().vocabulary().encode(prime, "--prime");
        out.print(prime);
      }
      out.println(sampler.sample(beginning, length, temperature, seed));
      out.flush();
    }
    return 0;
  }
}
