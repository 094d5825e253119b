package dev.fusedrnn.jcuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Cell;
import dev.fusedrnn.Device;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Goal: the program on the page docs/jcuda.md can be pasted. Method: it is cut out of the page,
 * started as a source file in a JVM of its own over the stand-ins, and what it prints is compared
 * with the same LSTM on the oracle.
 */
class PageExampleTest {
  private static final int T = 20;
  private static final int B = 8;
  private static final int I = 16;
  private static final int H = 32;

  private static String program() throws IOException {
    Path page = Path.of(System.getProperty("fusedrnn.root"), "docs", "jcuda.md");
    List<String> lines = Files.readAllLines(page);
    int begin = lines.indexOf("```java") + 1;
    int end = begin + lines.subList(begin, lines.size()).indexOf("```");
    return String.join("\n", lines.subList(begin, end)) + "\n";
  }

  private static float[] random(int seed, double scale, int count) {
    float[] values = new float[count];
    Random random = new Random(seed);
    for (int k = 0; k < count; k++) {
      values[k] = (float) (scale * random.nextGaussian());
    }
    return values;
  }

  private static Map<String, Double> oracle() {
    float[] weights = random(3, 0.1, 4 * H * (I + H));
    RnnConfig config = RnnConfig.builder(Cell.LSTM).inputSize(I).hiddenSize(H).bias(false).build();
    try (Device device = Device.open(Backend.REFERENCE)) {
      Rnn layer = Rnn.create(device, config);
      try (RnnParameters parameters = layer.newParameters();
          RnnParameters gradients = layer.newGradients();
          RnnSequence sequence = layer.newSequence(T, B, true)) {
        parameters.weightIh().write(Arrays.copyOf(weights, 4 * H * I));
        parameters.weightHh().write(Arrays.copyOfRange(weights, 4 * H * I, weights.length));
        sequence.call().parameters(parameters).gradients(gradients);
        sequence.x().write(random(1, 1, T * B * I));
        sequence.dy().write(random(2, 1, T * B * H));
        sequence.forward(device.defaultStream());
        sequence.backward(device.defaultStream());
        double squares = 0;
        double[] dw = gradients.weightIh().readDoubles();
        for (double[] all : List.of(dw, gradients.weightHh().readDoubles())) {
          for (double value : all) {
            squares += value * value;
          }
        }
        double norm = Math.sqrt(squares);
        double[] y = sequence.y().readDoubles();
        return Map.of("norm", norm, "y", y[y.length - 1], "dW", dw[0] / Math.max(1, norm));
      }
    }
  }

  @Test
  void theProgramOfThePageRuns(@TempDir Path folder) throws IOException, InterruptedException {
    Path file = folder.resolve("LstmOnJCuda.java");
    Files.writeString(file, program());
    ProcessBuilder builder =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dfusedrnn.library.path=" + System.getProperty("fusedrnn.library.path"),
                "-cp",
                System.getProperty("java.class.path"),
                file.toString(),
                JCudaFixture.BACKEND.label())
            .redirectErrorStream(true);
    Process process = builder.start();
    String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertTrue(process.waitFor(60, TimeUnit.SECONDS), text);
    assertEquals(0, process.exitValue(), text);
    Map<String, Double> printed = new HashMap<>();
    text.lines()
        .map(line -> line.split(" "))
        .filter(words -> words.length == 2)
        .forEach(words -> printed.put(words[0], Double.valueOf(words[1])));
    Map<String, Double> expected = oracle();
    assertEquals(expected.keySet(), printed.keySet(), text);
    // fp32 over 20 steps; a wrong offset, stream or clip is off by far more.
    expected.forEach(
        (name, value) ->
            assertEquals(value, printed.get(name), 2e-5 * Math.max(0.01, Math.abs(value)), text));
  }
}
