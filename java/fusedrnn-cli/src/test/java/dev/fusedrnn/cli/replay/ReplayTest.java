package dev.fusedrnn.cli.replay;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.cli.CliRun;
import dev.fusedrnn.io.SafeTensor;
import dev.fusedrnn.io.Safetensors;
import dev.fusedrnn.io.SafetensorsReader;
import dev.fusedrnn.io.SafetensorsWriter;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Goal: the bridge carries the same numbers both ways. Method: networks computed with NumPy,
 * outside this project's code, are replayed; then one wrong key or tensor at a time is refused.
 */
class ReplayTest {
  @TempDir private Path folder;

  private final ObjectMapper mapper = new ObjectMapper();
  private List<JsonNode> cases = List.of();

  @BeforeEach
  void readPlainCases() throws IOException {
    cases = read("numpy.json");
  }

  private List<JsonNode> read(String resource) throws IOException {
    List<JsonNode> read = new ArrayList<>();
    try (InputStream in = ReplayTest.class.getResourceAsStream(resource)) {
      mapper.readTree(in).path("cases").forEach(read::add);
    }
    assertEquals(5, read.size());
    return read;
  }

  private static Map<String, SafeTensor> tensors(JsonNode node) {
    Map<String, SafeTensor> tensors = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> e : node.properties()) {
      double[] values = new double[e.getValue().path("values").size()];
      for (int k = 0; k < values.length; k++) {
        values[k] = e.getValue().path("values").get(k).doubleValue();
      }
      long[] shape = new long[e.getValue().path("shape").size()];
      for (int k = 0; k < shape.length; k++) {
        shape[k] = e.getValue().path("shape").get(k).longValue();
      }
      boolean whole = e.getKey().equals("lengths");
      tensors.put(
          e.getKey(),
          whole
              ? SafeTensor.ofLongs(Arrays.stream(values).mapToLong(v -> (long) v).toArray(), shape)
              : SafeTensor.ofDoubles(values, shape));
    }
    return tensors;
  }

  private CliRun replay(JsonNode spec, Map<String, SafeTensor> in, String backend)
      throws IOException {
    Path specFile = Files.writeString(folder.resolve("spec.json"), spec.toString());
    Path inFile = folder.resolve("in.safetensors");
    SafetensorsWriter.write(inFile, new Safetensors(in, Map.of()));
    return CliRun.of(
        "replay",
        "--spec",
        specFile,
        "--tensors",
        inFile,
        "--out",
        outFile(),
        "--backend",
        backend);
  }

  private Path outFile() {
    return folder.resolve("out.safetensors");
  }

  private ObjectNode spec(int k) {
    return cases.get(k).path("spec").deepCopy();
  }

  @ParameterizedTest
  @CsvSource({
    "reference, f64, 1e-12",
    "reference, f32, 2e-6",
    "cpu, f32, 5e-6",
    "emulated, f32, 5e-6"
  })
  void everyOutputAndGradientIsNumPys(String backend, String dtype, double relative)
      throws IOException {
    for (JsonNode one : cases) {
      requireSame(one, backend, dtype, relative);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "reference, f64, 1e-12",
    "reference, f32, 2e-6",
    "cpu, f32, 5e-6",
    "emulated, f32, 5e-6"
  })
  void layersDirectionsVariantsAndLengthsAreNumPys(String backend, String dtype, double relative)
      throws IOException {
    for (JsonNode one : read("numpy-family.json")) {
      requireSame(one, backend, dtype, relative);
    }
  }

  private void requireSame(JsonNode one, String backend, String dtype, double relative)
      throws IOException {
    ObjectNode spec = one.path("spec").deepCopy();
    replay(spec.put("dtype", dtype), tensors(one.path("in")), backend).ok();
    Map<String, SafeTensor> got = SafetensorsReader.read(outFile()).tensors();
    Map<String, SafeTensor> expected = tensors(one.path("out"));
    assertEquals(expected.keySet(), got.keySet());
    for (Map.Entry<String, SafeTensor> e : expected.entrySet()) {
      String what = spec + " " + e.getKey();
      SafeTensor tensor = got.get(e.getKey());
      assertEquals(dtype.equals("f64") ? "F64" : "F32", tensor.type().name());
      assertArrayEquals(e.getValue().shape(), tensor.shape(), what);
      double[] exact = e.getValue().toDoubles();
      double scale = Math.max(1, Arrays.stream(exact).map(Math::abs).max().orElse(0));
      assertArrayEquals(exact, tensor.toDoubles(), relative * scale, what);
    }
  }

  /** [A, B, C] to [B, A, C]. */
  private static SafeTensor swap(SafeTensor tensor) {
    int a = (int) tensor.shape()[0];
    int b = (int) tensor.shape()[1];
    int c = (int) tensor.shape()[2];
    double[] values = tensor.toDoubles();
    double[] swapped = new double[values.length];
    for (int i = 0; i < a; i++) {
      for (int j = 0; j < b; j++) {
        System.arraycopy(values, (i * b + j) * c, swapped, (j * a + i) * c, c);
      }
    }
    return SafeTensor.ofDoubles(swapped, b, a, c);
  }

  @Test
  void batchFirstIsTheSameNumbersInAnotherOrder() throws IOException {
    Map<String, SafeTensor> in = tensors(cases.get(0).path("in"));
    replay(spec(0).put("dtype", "f64"), in, "reference").ok();
    Map<String, SafeTensor> timeMajor = SafetensorsReader.read(outFile()).tensors();
    for (String name : List.of("input", "grad_output")) {
      in.put(name, swap(in.get(name)));
    }
    replay(spec(0).put("dtype", "f64").put("batch_first", true), in, "reference").ok();
    Map<String, SafeTensor> batchFirst = SafetensorsReader.read(outFile()).tensors();
    timeMajor.forEach(
        (name, tensor) -> {
          boolean sequence = name.equals("output") || name.equals("grad_input");
          assertArrayEquals(
              (sequence ? swap(tensor) : tensor).toDoubles(),
              batchFirst.get(name).toDoubles(),
              1e-15,
              name);
        });
  }

  @Test
  void withoutUpstreamGradientsThereIsNoBackwardPass() throws IOException {
    Map<String, SafeTensor> in = tensors(cases.get(1).path("in"));
    List.of("grad_output", "grad_hn", "h0").forEach(in::remove);
    replay(spec(1), in, "reference").ok();
    assertEquals(
        List.of("output", "hn"), List.copyOf(SafetensorsReader.read(outFile()).tensors().keySet()));
  }

  @Test
  void anUnknownKeyIsNamedWithTheKnownOnes() throws IOException {
    replay(spec(0).put("hidden", 3), tensors(cases.get(0).path("in")), "reference")
        .refused("spec.json: unknown key \"hidden\"; known are cell, input_size, hidden_size, ");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{'num_layers':0} num_layers: expected a whole number from 1 up, got 0",
        "{'cell':'gru','proj_size':2} proj_size: is for cell lstm, and cell is gru",
        "{'proj_size':3} proj_size: expected below hidden_size, got 3 and 3",
        "{'cell':'gru','peephole':true} peephole: is for cell lstm, and cell is gru",
        "{'cell':'rnn_tanh','coupled_forget':true} coupled_forget: is for cell lstm, and cell is",
        "{'cell':'gru','cell_clip':1} cell_clip: is for cell lstm, and cell is gru",
        "{'bidirectional':'yes'} bidirectional: expected true or false, got \"yes\"",
        "{'dtype':'f8'} dtype: expected one of f64, f32, bf16, f16, got \"f8\"",
        "{'cell':'transformer'} cell: expected one of lstm, gru, rnn_tanh, rnn_relu, got",
        "{'input_size':0} input_size: expected a whole number from 1 up, got 0",
        "{'hidden_size':'3'} hidden_size: expected a whole number from 1 up, got \"3\"",
        "{'hidden_size':2.5} hidden_size: expected a whole number from 1 up, got 2.5",
        "{'bias':1} bias: expected true or false, got 1",
        "{'gru_reset':'before'} gru_reset before: is for cell gru, and cell is lstm",
        "{'cell_clip':-1} cell_clip: expected a number above 0, got -1"
      })
  void aSpecificationThatCannotBeReplayedIsRefused(String change) throws IOException {
    int end = change.indexOf('}') + 1;
    ObjectNode spec = spec(0);
    spec.setAll((ObjectNode) mapper.readTree(change.substring(0, end).replace('\'', '"')));
    replay(spec, tensors(cases.get(0).path("in")), "reference")
        .refused("spec.json: " + change.substring(end + 1));
  }

  @Test
  void tensorsThatDoNotFitAreRefused() throws IOException {
    Map<String, SafeTensor> in = tensors(cases.get(0).path("in"));
    in.put("h0", SafeTensor.ofDoubles(new double[6], 2, 3));
    replay(spec(0), in, "reference").refused("h0: expected [1, 2, 3], got [2, 3]");
    in = tensors(cases.get(0).path("in"));
    in.remove("weight_hh_l0");
    replay(spec(0), in, "reference").refused("weight_hh_l0: expected [12, 3], got no such tensor");
    in = tensors(cases.get(0).path("in"));
    in.put("weight_ih_l1", SafeTensor.ofDoubles(new double[1], 1));
    replay(spec(0), in, "reference").refused("weight_ih_l1 does not belong to this network; known");
    in = tensors(cases.get(1).path("in"));
    in.put("c0", SafeTensor.ofDoubles(new double[6], 1, 2, 3));
    replay(spec(1), in, "reference").refused("c0 does not belong to this network");
    in = tensors(cases.get(0).path("in"));
    in.put("input", SafeTensor.ofDoubles(new double[6], 3, 2));
    replay(spec(0), in, "reference")
        .refused("input: expected [T, B, I] with input_size 2, got [3, 2]");
    in = tensors(cases.get(0).path("in"));
    in.put("lengths", SafeTensor.ofDoubles(new double[2], 2));
    replay(spec(0), in, "reference").refused("lengths: expected I64 [2], got F64 [2]");
    in.put("lengths", SafeTensor.ofLongs(new long[] {3, 4}, 2));
    replay(spec(0), in, "reference").refused("lengths[1]: expected 0 to 3, got 4");
    assertFalse(Files.exists(outFile()));
  }

  @Test
  void eachPrecisionHasItsBackends() throws IOException {
    replay(spec(0).put("dtype", "f64"), tensors(cases.get(0).path("in")), "cpu")
        .refused("dtype f64 is computed by the reference only: add --backend reference");
    replay(spec(0).put("dtype", "bf16"), tensors(cases.get(0).path("in")), "cpu")
        .refused("dtype bf16 is computed by cuda and emulated, not by cpu: add --backend cuda");
  }

  @Test
  void filesThatAreNotThereAreNamed() {
    Path none = folder.resolve("none");
    CliRun.of("replay", "--spec", none, "--tensors", none, "--out", outFile())
        .refused(none + ": there is no such file");
    CliRun.of("replay", "--spec", none, "--tensors", none, "--out", none.resolve("o"))
        .refused("--out " + none.resolve("o") + ": the folder ");
    assertTrue(CliRun.of("replay", "--spec", none).err().contains("--tensors"));
  }
}
