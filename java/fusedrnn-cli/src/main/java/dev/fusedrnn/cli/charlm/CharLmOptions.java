package dev.fusedrnn.cli.charlm;

import dev.fusedrnn.Cell;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.cli.text.Vocabulary;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The options that say what is trained and how. */
final class CharLmOptions {
  private static final int WARMUP_PARTS = 40;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  @Option(
      names = "--cell",
      paramLabel = "NAME",
      defaultValue = "lstm",
      description = "lstm, gru, gru_reset_before, rnn, rnn_relu, mut1, mut2 or mut3. Default: lstm")
  private String cell;

  @Option(
      names = "--hidden",
      paramLabel = "N",
      defaultValue = "256",
      description = "Hidden units of a layer. Default: 256")
  private int hidden;

  @Option(
      names = "--layers",
      paramLabel = "N",
      defaultValue = "1",
      description = "Recurrent layers, one on another. Default: 1")
  private int layers;

  @Option(
      names = "--dropout",
      paramLabel = "X",
      defaultValue = "0",
      description = "Dropout between layers, in training. Default: 0")
  private double dropout;

  @Option(
      names = "--embedding",
      paramLabel = "N|one-hot",
      defaultValue = "64",
      description = "Features of a character, learnt, or one-hot. Default: 64")
  private String embedding;

  @Option(
      names = "--batch",
      paramLabel = "N",
      defaultValue = "32",
      description = "Lanes of text read side by side. Default: 32")
  private int batch;

  @Option(
      names = "--seq-len",
      paramLabel = "N",
      defaultValue = "64",
      description = "Characters through which gradients flow back. Default: 64")
  private int seqLen;

  @Option(
      names = "--steps",
      paramLabel = "N",
      defaultValue = "2000",
      description = "Updates of the parameters. Default: 2000")
  private int steps;

  @Option(
      names = "--clip",
      paramLabel = "X",
      defaultValue = "1",
      description = "Limit of the gradient's global norm; 0 for none. Default: 1")
  private double clip;

  @Option(
      names = "--optimizer",
      paramLabel = "NAME",
      defaultValue = "adam",
      description = "adam, adamw, rmsprop, adagrad or sgd. Default: adam")
  private String optimizer;

  @Option(
      names = "--learning-rate",
      paramLabel = "X",
      description = "Highest learning rate. Default: adam 0.004, adagrad 0.05, sgd 0.5")
  private @Nullable Double learningRate;

  @Option(
      names = "--decay",
      paramLabel = "X",
      defaultValue = "0.05",
      description = "The rate falls along a cosine to this part of it; 1: stays. Default: 0.05")
  private double decay;

  @Option(
      names = "--valid-fraction",
      paramLabel = "X",
      defaultValue = "0.1",
      description = "Part of the text, its end, that is kept for validation. Default: 0.1")
  private double validFraction;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "Seed of everything drawn. Default: 1")
  private long seed;

  /** Refuses numbers that make no sense. */
  void check() {
    require(hidden >= 1, "--hidden", "at least 1", hidden);
    require(layers >= 1, "--layers", "at least 1", layers);
    require(dropout >= 0 && dropout < 1, "--dropout", "0 to below 1", dropout);
    require(batch >= 1, "--batch", "at least 1", batch);
    require(seqLen >= 1, "--seq-len", "at least 1", seqLen);
    require(steps >= 0, "--steps", "at least 0", steps);
    require(clip >= 0, "--clip", "at least 0", clip);
    require(decay >= 0 && decay <= 1, "--decay", "0 to 1", decay);
    require(
        validFraction >= 0 && validFraction < 1, "--valid-fraction", "0 to below 1", validFraction);
    require((long) batch * seqLen <= 1 << 24, "--batch", "at most 2^24 / --seq-len", batch);
    features();
    kind();
    cell();
    if (learningRate != null) {
      require(learningRate > 0 && learningRate < 1e6, "--learning-rate", "above 0", learningRate);
    }
  }

  private void require(boolean holds, String option, String expected, Object got) {
    if (!holds) {
      throw bad(option, expected, got);
    }
  }

  private ParameterException bad(String option, String expected, Object got) {
    return new ParameterException(
        spec.commandLine(), option + ": expected " + expected + ", got " + got);
  }

  private Cell cell() {
    try {
      return Cell.fromName(cell);
    } catch (IllegalArgumentException e) {
      throw bad("--cell", "lstm, gru, gru_reset_before, rnn, rnn_relu, mut1, mut2 or mut3", cell);
    }
  }

  private Optimizer.Kind kind() {
    try {
      return Optimizer.Kind.valueOf(optimizer.toUpperCase(Locale.ROOT));
    } catch (IllegalArgumentException e) {
      throw bad("--optimizer", "adam, adamw, rmsprop, adagrad or sgd", optimizer);
    }
  }

  private int features() {
    if (embedding.equals("one-hot")) {
      return 0;
    }
    try {
      int features = Integer.parseInt(embedding);
      require(features >= 1, "--embedding", "a number from 1 up or one-hot", embedding);
      return features;
    } catch (NumberFormatException e) {
      throw bad("--embedding", "a number from 1 up or one-hot", embedding);
    }
  }

  double validFraction() {
    return validFraction;
  }

  int seqLen() {
    return seqLen;
  }

  CharShape shape(Vocabulary vocabulary) {
    return new CharShape(cell(), hidden, layers, dropout, features(), vocabulary);
  }

  TrainSettings settings() {
    Optimizer.Kind kind = kind();
    double published =
        switch (kind) {
          case ADAM, ADAMW -> 0.004;
          case RMSPROP -> 0.002;
          case ADAGRAD -> 0.05;
          case SGD -> 0.5;
        };
    double peak = learningRate == null ? published : learningRate;
    Schedule schedule = new Schedule(peak, decay, steps / WARMUP_PARTS, steps);
    return new TrainSettings(batch, seqLen, steps, clip, kind, schedule, seed);
  }
}
