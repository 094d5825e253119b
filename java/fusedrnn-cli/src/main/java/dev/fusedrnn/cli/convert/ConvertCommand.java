package dev.fusedrnn.cli.convert;

import dev.fusedrnn.DType;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.cli.io.JsonFiles;
import dev.fusedrnn.cli.io.OutputFile;
import dev.fusedrnn.cli.replay.ReplaySpec;
import dev.fusedrnn.io.FormatException;
import dev.fusedrnn.io.HostTensor;
import dev.fusedrnn.io.OnnxRnn;
import dev.fusedrnn.io.RnnWeights;
import dev.fusedrnn.io.SafeTensor;
import dev.fusedrnn.io.Safetensors;
import dev.fusedrnn.io.SafetensorsReader;
import dev.fusedrnn.io.SafetensorsWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code fusedrnn convert}: weights from ONNX to the files of a replay, and back. */
@Command(
    name = "convert",
    description = {
      "Converts the recurrent nodes of an ONNX model into the two files of a replay, or back.",
      "--from-onnx writes --spec (the network, JSON) and --tensors (torch.nn's names, safetensors;"
          + " add `input` to replay it). --to-onnx reads those two; tensors of a replay that are no"
          + " parameters are passed over."
    },
    mixinStandardHelpOptions = true)
public final class ConvertCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  @ArgGroup(multiplicity = "1")
  private Onnx onnx = new Onnx();

  /** One of the two directions. */
  private static final class Onnx {
    @Option(names = "--from-onnx", paramLabel = "FILE", description = "The model to read")
    private @Nullable Path source;

    @Option(names = "--to-onnx", paramLabel = "FILE", description = "The model to write")
    private @Nullable Path target;
  }

  @Option(names = "--spec", required = true, paramLabel = "FILE", description = "The network, JSON")
  private Path specFile = Path.of("");

  @Option(
      names = "--tensors",
      required = true,
      paramLabel = "FILE",
      description = "Its parameters, safetensors")
  private Path tensorFile = Path.of("");

  @Override
  public Integer call() throws IOException {
    try {
      Path source = onnx.source;
      Path target = onnx.target;
      if (source != null) {
        fromOnnx(source);
      } else if (target != null) {
        toOnnx(target);
      }
      return 0;
    } catch (FormatException e) {
      throw new UserException(String.valueOf(e.getMessage()), e);
    }
  }

  private void fromOnnx(Path source) throws IOException {
    OutputFile.requireWritable("--spec", specFile);
    OutputFile.requireWritable("--tensors", tensorFile);
    RnnWeights weights = OnnxRnn.read(source);
    RnnConfig config = weights.config();
    Map<String, SafeTensor> tensors = new LinkedHashMap<>();
    weights
        .tensors()
        .forEach(
            (name, tensor) ->
                tensors.put(
                    name,
                    config.dtype() == DType.F64
                        ? SafeTensor.ofDoubles(tensor.values(), tensor.shape())
                        : SafeTensor.ofRoundedDoubles(tensor.values(), tensor.shape())));
    SafetensorsWriter.write(tensorFile, new Safetensors(tensors, Map.of()));
    JsonFiles.write(specFile, ReplaySpec.json(config), out());
    report(source + " holds ", config, " -> " + specFile + ", " + tensorFile);
  }

  private void toOnnx(Path target) throws IOException {
    OutputFile.requireWritable("--to-onnx", target);
    RnnConfig config = ReplaySpec.read(specFile).network();
    Map<String, HostTensor> parameters = new LinkedHashMap<>();
    SafetensorsReader.read(tensorFile)
        .tensors()
        .forEach(
            (name, tensor) -> {
              if (isParameter(name)) {
                parameters.put(name, new HostTensor(tensor.toDoubles(), tensor.shape()));
              }
            });
    OnnxRnn.write(target, new RnnWeights(config, parameters));
    report("", config, " -> " + target);
  }

  /** Whether a name begins as one of torch.nn's; of a replay's tensors only parameters do. */
  private static boolean isParameter(String name) {
    for (Parameter parameter : Parameter.values()) {
      String first = parameter.torchName(0, 0);
      if (name.startsWith(first.substring(0, first.length() - 1))) {
        return true;
      }
    }
    return false;
  }

  private void report(String before, RnnConfig config, String after) {
    out().printf("%s%s, %,d parameters%s%n", before, config, config.parameterCount(), after);
    out().flush();
  }

  private PrintWriter out() {
    return spec.commandLine().getOut();
  }
}
