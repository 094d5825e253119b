package dev.fusedrnn.cli.charlm;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.Device;
import dev.fusedrnn.cli.Version;
import dev.fusedrnn.cli.io.JsonFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** One training run from first step to sample, and what there is to say about it. */
final class TrainRun {
  private final Device device;
  private final CharParameters parameters;
  private final Corpus corpus;
  private final TrainSettings settings;
  private final History history;
  private int step;
  private int resumedAt;
  private boolean captured;
  private boolean interrupted;
  private boolean diverged;
  private double seconds;
  private double validLoss = Double.NaN;
  private String sample = "";

  TrainRun(Device device, CharParameters parameters, Corpus corpus, TrainSettings settings) {
    this.device = device;
    this.parameters = parameters;
    this.corpus = corpus;
    this.settings = settings;
    this.history = new History(settings.steps());
  }

  /** What will be done, in two lines. */
  String introduction(String textName) {
    CharShape shape = parameters.shape();
    return String.format(
        Locale.ROOT,
        "text: %s, %,d characters (%,d to learn, %,d to validate), %d different%n"
            + "model: %s, hidden %d, layers %d, %,d parameters; backend %s%s",
        textName,
        corpus.train().length + corpus.valid().length,
        corpus.train().length,
        corpus.valid().length,
        corpus.vocabulary().size(),
        shape.cell().label(),
        shape.hidden(),
        shape.layers(),
        shape.parameterCount(),
        device,
        device.servesGraphs() ? "" : ", which captures no steps: each call runs by itself");
  }

  Progress progress(boolean quiet, PrintWriter out) {
    return Progress.of(settings.steps(), settings.batch() * settings.seqLen(), quiet, out);
  }

  /** Tells the settings and the text of a run from those of others. */
  Map<String, String> identity() {
    Map<String, String> identity = new TreeMap<>();
    ObjectNode all = settingsNode();
    all.remove("warmup"); // follows from the steps
    all.properties()
        .forEach(e -> identity.put("--" + e.getKey().replace('_', '-'), e.getValue().asText()));
    identity.put("text", corpus.sha256());
    return identity;
  }

  /**
   * Trains until the steps are made, a stop is asked for, or the loss is no number; validates.
   *
   * @param keeper where the training is kept, or null for nowhere
   */
  void train(StopRequest stop, Progress progress, @Nullable Keeper keeper) throws IOException {
    try (Trainer trainer = new Trainer(device, parameters, corpus, settings)) {
      if (keeper != null) {
        keeper.resume(trainer, history);
        resumedAt = trainer.step();
        step = resumedAt;
        progress.begin(step);
      }
      long start = System.nanoTime();
      while (step < settings.steps() && !stop.requested() && !diverged) {
        int limit = keeper == null ? settings.steps() : keeper.stepsUntilSave(step);
        for (double loss : trainer.advance(limit)) {
          if (!diverged) {
            step++;
            history.add(loss);
            progress.step(step, loss);
            diverged = !Double.isFinite(loss);
          }
        }
        if (keeper != null && !diverged && keeper.due(step)) {
          keeper.save(trainer, history);
        }
      }
      if (keeper != null && !diverged && step > resumedAt && !keeper.due(step)) {
        keeper.save(trainer, history);
      }
      seconds = (System.nanoTime() - start) * 1e-9;
      captured = trainer.captured();
      interrupted = stop.requested();
      if (!interrupted && !diverged) {
        validLoss = trainer.validate();
      }
    }
  }

  /** Writes a sample, as the command sample does without a beginning of its own. */
  void finish(int length, double temperature) {
    if (length > 0 && !diverged) {
      try (TextWriter writer = new TextWriter(device, parameters)) {
        int[] beginning = TextWriter.beginning(corpus.vocabulary());
        TextWriter.Draw draw = new TextWriter.Draw(temperature, settings.seed());
        sample = writer.write(beginning, length, draw);
      }
    }
  }

  CharParameters parameters() {
    return parameters;
  }

  int step() {
    return step;
  }

  boolean interrupted() {
    return interrupted;
  }

  boolean diverged() {
    return diverged;
  }

  String sample() {
    return sample;
  }

  /** What a model file remembers of its training. */
  ObjectNode notes() {
    ObjectNode notes = JsonFiles.object();
    notes.put("program", "fusedrnn " + Version.text()).put("steps", step);
    JsonFiles.putNumber(notes, "train_loss", history.recent());
    JsonFiles.putNumber(notes, "valid_loss", validLoss);
    notes.set("settings", settingsNode());
    return notes;
  }

  /** Everything measured, for machines. */
  ObjectNode results() {
    ObjectNode root = JsonFiles.object();
    root.put("backend", device.backend().label()).put("device", device.toString());
    root.put("steps", step).put("resumed_at", resumedAt).put("seed", settings.seed());
    JsonFiles.putNumber(root, "train_loss", history.recent());
    JsonFiles.putNumber(root, "valid_loss", validLoss);
    double loss = Double.isNaN(validLoss) ? history.recent() : validLoss;
    JsonFiles.putNumber(root, "perplexity", Math.exp(loss));
    double characters = (double) (step - resumedAt) * settings.batch() * settings.seqLen();
    JsonFiles.putNumber(root, "chars_per_second", characters == 0 ? 0 : characters / seconds);
    JsonFiles.putNumber(root, "seconds", seconds);
    root.put("captured", captured);
    root.put("interrupted", interrupted).put("diverged", diverged);
    root.put("train_characters", corpus.train().length);
    root.put("valid_characters", corpus.valid().length);
    root.put("vocabulary", corpus.vocabulary().size());
    root.put("parameters", parameters.shape().parameterCount());
    root.set("settings", settingsNode());
    history.writeTo(root.putArray("history"));
    root.put("sample", sample);
    return root;
  }

  private ObjectNode settingsNode() {
    CharShape shape = parameters.shape();
    ObjectNode node = JsonFiles.object();
    node.put("cell", shape.cell().label()).put("hidden", shape.hidden());
    node.put("layers", shape.layers()).put("dropout", shape.dropout());
    if (shape.embedding() == 0) {
      node.put("embedding", "one-hot");
    } else {
      node.put("embedding", shape.embedding());
    }
    node.put("batch", settings.batch()).put("seq_len", settings.seqLen());
    node.put("steps", settings.steps()).put("clip", settings.clip());
    node.put("optimizer", settings.optimizer().name().toLowerCase(Locale.ROOT));
    node.put("learning_rate", settings.schedule().peak());
    node.put("decay", settings.schedule().floor()).put("warmup", settings.schedule().warmup());
    return node.put("seed", settings.seed());
  }
}
