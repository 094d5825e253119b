package dev.fusedrnn.cli.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.cli.CliRun;
import dev.fusedrnn.io.OnnxRnn;
import dev.fusedrnn.io.RnnWeights;
import dev.fusedrnn.io.SafeTensor;
import dev.fusedrnn.io.Safetensors;
import dev.fusedrnn.io.SafetensorsReader;
import dev.fusedrnn.io.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Goal: a model goes from ONNX into the files of a replay, is replayed, and comes back the same.
 * Method: a network drawn from a seed, through files and the command line.
 */
class ConvertTest {
  @TempDir private Path folder = Path.of("");

  private Path onnx(RnnConfig config) throws IOException {
    Path file = folder.resolve("model.onnx");
    try (Device device = Device.open("reference");
        RnnParameters parameters = Rnn.create(device, config).newParameters()) {
      OnnxRnn.write(file, RnnWeights.of(parameters.initializeUniform(5)));
    }
    return file;
  }

  private CliRun convert(String direction, Path model) {
    return CliRun.of(
        "convert",
        direction,
        model,
        "--spec",
        spec(),
        "--tensors",
        folder.resolve("w.safetensors"));
  }

  private Path spec() {
    return folder.resolve("spec.json");
  }

  @ParameterizedTest
  @ValueSource(strings = {"lstm", "gru", "gru_reset_before", "rnn_relu"})
  void aModelGoesThroughAReplayAndBack(String cell) throws IOException {
    RnnConfig config =
        RnnConfig.builder(Cell.fromName(cell))
            .inputSize(3)
            .hiddenSize(5)
            .layers(2)
            .bidirectional(true)
            .peephole(cell.equals("lstm"))
            .dtype(DType.F64)
            .build();
    Path model = onnx(config);
    assertTrue(convert("--from-onnx", model).ok().out().contains(config.toString()));

    Path tensors = folder.resolve("w.safetensors");
    Map<String, SafeTensor> withInput =
        new LinkedHashMap<>(SafetensorsReader.read(tensors).tensors());
    withInput.put("input", SafeTensor.ofDoubles(new double[4 * 2 * 3], 4, 2, 3));
    SafetensorsWriter.write(tensors, new Safetensors(withInput, Map.of()));
    Path out = folder.resolve("out.safetensors");
    CliRun.of(
            "replay",
            "--spec",
            spec(),
            "--tensors",
            tensors,
            "--out",
            out,
            "--backend",
            "reference")
        .ok();
    assertArrayEquals(new long[] {4, 2, 10}, SafetensorsReader.read(out).get("output").shape());

    Path again = folder.resolve("again.onnx");
    convert("--to-onnx", again).ok();
    assertArrayEquals(Files.readAllBytes(model), Files.readAllBytes(again));
  }

  @Test
  void whatIsWrongIsNamed() throws IOException {
    convert("--from-onnx", folder.resolve("none.onnx"))
        .refused("none.onnx: not a usable ONNX model");
    RnnConfig config = RnnConfig.builder(Cell.GRU).inputSize(3).hiddenSize(5).build();
    Path model = onnx(config);
    CliRun.of("convert", "--spec", spec(), "--tensors", spec()).refused("--from-onnx", "--to-onnx");
    CliRun.of(
            "convert",
            "--from-onnx",
            model,
            "--to-onnx",
            model,
            "--spec",
            spec(),
            "--tensors",
            spec())
        .refused("mutually exclusive");
    convert("--from-onnx", model).ok();
    Files.writeString(spec(), Files.readString(spec()).replace("\"gru\"", "\"rnn_tanh\""));
    convert("--to-onnx", folder.resolve("no.onnx"))
        .refused("weight_ih_l0: expected [5, 3], got [15, 3]");
    assertTrue(Files.notExists(folder.resolve("no.onnx")));
  }
}
