package dev.fusedrnn.cli.replay;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.cli.BackendOption;
import dev.fusedrnn.cli.JsonOption;
import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.cli.io.JsonFiles;
import dev.fusedrnn.cli.io.OutputFile;
import dev.fusedrnn.io.Safetensors;
import dev.fusedrnn.io.SafetensorsReader;
import dev.fusedrnn.io.SafetensorsWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code fusedrnn replay}. */
@Command(
    name = "replay",
    description = {
      "Runs one recurrent network from files, forward and, where upstream gradients are given,"
          + " backward: whoever can write a safetensors file can check this library.",
      "spec.json: cell lstm|gru|rnn_tanh|rnn_relu, input_size, hidden_size, num_layers,"
          + " bidirectional, bias, batch_first, proj_size, gru_reset after|before, peephole,"
          + " coupled_forget, cell_clip, dtype f64 (reference only)|f32|bf16|f16 (cuda and"
          + " emulated only).",
      "Tensors as in torch.nn: input, lengths, h0, c0, weight_ih_l0, weight_hh_l0, bias_ih_l0,"
          + " bias_hh_l0, weight_hr_l0, weight_peephole_l0 and so on by layer and _reverse;"
          + " grad_output, grad_hn, grad_cn."
    },
    mixinStandardHelpOptions = true)
public final class ReplayCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private BackendOption backend;

  @Option(names = "--spec", required = true, paramLabel = "FILE", description = "The network, JSON")
  private Path specFile;

  @Option(
      names = "--tensors",
      required = true,
      paramLabel = "FILE",
      description = "Input, states, parameters and gradients, safetensors")
  private Path tensorFile;

  @Option(
      names = "--out",
      required = true,
      paramLabel = "FILE",
      description = "Where results go, safetensors")
  private Path outFile;

  @Mixin private JsonOption json;

  @Override
  public Integer call() throws IOException {
    json.requireWritable();
    OutputFile.requireWritable("--out", outFile);
    ReplaySpec network = ReplaySpec.read(specFile);
    ReplayInput input = ReplayInput.of(network, SafetensorsReader.read(tensorFile), tensorFile);
    try (Device device = backend.open()) {
      requireServed(network.network().dtype(), device.backend());
      Safetensors results = ReplayRun.run(device, network, input);
      SafetensorsWriter.write(outFile, results);
      report(device, results);
    }
    return 0;
  }

  private void requireServed(DType dtype, Backend backend) {
    boolean gpu = backend == Backend.CUDA || backend == Backend.EMULATED;
    if (dtype == DType.F64 && backend != Backend.REFERENCE) {
      throw new UserException(
          specFile + ": dtype f64 is computed by the reference only: add --backend reference");
    }
    if ((dtype == DType.BF16 || dtype == DType.F16) && !gpu) {
      throw new UserException(
          String.format(
              "%s: dtype %s is computed by cuda and emulated, not by %s: add --backend cuda",
              specFile, dtype.label(), backend.label()));
    }
  }

  private void report(Device device, Safetensors results) throws IOException {
    PrintWriter out = spec.commandLine().getOut();
    if (!json.toTerminal()) {
      out.printf(
          "%s: wrote %s to %s%n", device, String.join(", ", results.tensors().keySet()), outFile);
      out.flush();
    }
    ObjectNode root = JsonFiles.object();
    root.put("backend", device.backend().label()).put("out", outFile.toString());
    ObjectNode shapes = root.putObject("tensors");
    results
        .tensors()
        .forEach((name, t) -> Arrays.stream(t.shape()).forEach(shapes.withArray(name)::add));
    json.write(root, out);
  }
}
