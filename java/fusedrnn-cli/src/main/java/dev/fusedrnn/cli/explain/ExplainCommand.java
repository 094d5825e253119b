package dev.fusedrnn.cli.explain;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.Backend;
import dev.fusedrnn.BackendUnavailableException;
import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.FusedRnnException;
import dev.fusedrnn.PlanQuestion;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnConfigBuilder;
import dev.fusedrnn.SequenceKernel;
import dev.fusedrnn.cli.ExitCode;
import dev.fusedrnn.cli.JsonOption;
import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.cli.io.JsonFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code fusedrnn explain}. */
@Command(
    name = "explain",
    description = {
      "Says which GPU kernel would run a network's loop over time, where the recurrent weights would"
          + " lie, what a step is expected to cost and which part of it sets the limit, and why every"
          + " other kernel was passed over. Needs no GPU."
    },
    mixinStandardHelpOptions = true)
public final class ExplainCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private JsonOption json = new JsonOption();

  @Option(
      names = "--cell",
      paramLabel = "NAME",
      defaultValue = "lstm",
      description = "lstm, gru, gru_reset_before, rnn_tanh, rnn_relu, .. Default: lstm")
  private String cell = "lstm";

  @Option(names = "--hidden", required = true, paramLabel = "H", description = "Hidden units")
  private long hidden;

  @Option(
      names = "--input",
      paramLabel = "I",
      description = "Input features. Default: as many as hidden units")
  private long input;

  @Option(
      names = "--batch",
      paramLabel = "B",
      defaultValue = "1",
      description = "Rows of the batch. Default: 1")
  private long batch;

  @Option(
      names = "--steps",
      paramLabel = "T",
      defaultValue = "1024",
      description = "Steps of the sequence. Default: 1024")
  private long steps;

  @Option(
      names = "--dtype",
      paramLabel = "NAME",
      defaultValue = "f32",
      description = "f32, bf16 or f16. Default: f32")
  private String dtype = "f32";

  @Option(names = "--tf32", description = "Products may be rounded to TF32")
  private boolean tf32;

  @Option(
      names = "--layers",
      paramLabel = "L",
      defaultValue = "1",
      description = "Stacked layers. Default: 1")
  private int layers;

  @Option(names = "--bidirectional", description = "Both directions")
  private boolean bidirectional;

  @Option(names = "--training", description = "The backward pass too")
  private boolean training;

  @Option(
      names = "--variant",
      paramLabel = "NAME",
      split = ",",
      description = "Of an LSTM: peephole, coupled, or both with a comma")
  private List<String> variants = List.of();

  @Option(
      names = "--projection",
      paramLabel = "P",
      description = "Width that h is projected to. Default: none")
  private long projection;

  @Option(
      names = "--device",
      paramLabel = "NAME",
      defaultValue = "h200",
      description =
          "h200, a100, l4, rtx4090 or tiny (made up); or cuda or emulated, for the one that is"
              + " here. Default: h200")
  private String device = "h200";

  @Option(
      names = "--kernel",
      paramLabel = "NAME",
      defaultValue = "auto",
      description = "Forces K0, K1 or K2. Default: auto")
  private String kernel = "auto";

  @Override
  public Integer call() throws IOException {
    json.requireWritable();
    ObjectNode answer = ask(question());
    json.write(answer, out());
    if (!json.toTerminal()) {
      new PlanText(out()).print(answer);
    }
    return ExitCode.OK;
  }

  private PrintWriter out() {
    return spec.commandLine().getOut();
  }

  private PlanQuestion question() {
    try {
      RnnConfigBuilder builder =
          RnnConfig.builder(Cell.fromName(cell))
              .inputSize(input == 0 ? hidden : input)
              .hiddenSize(hidden)
              .layers(layers)
              .bidirectional(bidirectional)
              .projectionSize(projection)
              .dtype(DType.fromName(dtype));
      for (String variant : variants) {
        switch (variant) {
          case "peephole" -> builder.peephole(true);
          case "coupled" -> builder.coupledForget(true);
          default ->
              throw new UserException("--variant: expected peephole or coupled, got " + variant);
        }
      }
      return new PlanQuestion(
          builder.build(), steps, batch, training, tf32, SequenceKernel.fromName(kernel));
    } catch (IllegalArgumentException e) {
      throw new UserException(String.valueOf(e.getMessage()), e);
    }
  }

  private ObjectNode ask(PlanQuestion question) {
    try {
      ObjectNode answer = JsonFiles.object();
      answer.put("question", question.toString());
      answer.setAll((ObjectNode) JsonFiles.parseOrText(answerTo(question)));
      return answer;
    } catch (BackendUnavailableException e) {
      throw e;
    } catch (FusedRnnException | IllegalArgumentException e) {
      throw new UserException(String.valueOf(e.getMessage()), e);
    }
  }

  private String answerTo(PlanQuestion question) {
    for (Backend backend : Backend.values()) {
      if (device.equals(backend.label())) {
        try (Device open = Device.open(backend)) {
          return question.explainOn(open);
        }
      }
    }
    return question.explainFor(device);
  }
}
