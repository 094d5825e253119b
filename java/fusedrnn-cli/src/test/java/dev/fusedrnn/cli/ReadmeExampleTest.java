package dev.fusedrnn.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Cell;
import dev.fusedrnn.Device;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.Stream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Goal: the README's example compiles and runs. Method: it stands here between two marks, is run,
 * and is compared line by line with the README.
 */
class ReadmeExampleTest {
  private float[] y = new float[0];
  private float[] gradient = new float[0];

  private static float[] random(int count) {
    Random random = new Random(1);
    float[] values = new float[count];
    for (int k = 0; k < count; k++) {
      values[k] = (float) random.nextGaussian();
    }
    return values;
  }

  private void example(float[] x, float[] dy) {
    // README begin
    RnnConfig config = RnnConfig.builder(Cell.LSTM).inputSize(64).hiddenSize(128).build();
    try (Device device = Device.open("auto")) { // cuda if it is there, else cpu
      Rnn layer = Rnn.create(device, config);
      Stream stream = device.defaultStream();
      try (RnnParameters weights = layer.newParameters().initializeUniform(1);
          RnnParameters gradients = layer.newGradients();
          RnnSequence sequence = layer.newSequence(50, 32, true)) { // 50 steps, 32 rows
        sequence.call().parameters(weights).gradients(gradients);
        sequence.x().write(x); // [50, 32, 64]
        sequence.forward(stream); // one call for all 50 steps
        sequence.dy().write(dy); // the loss's gradient of y
        sequence.backward(stream);
        y = sequence.y().readFloats(); // [50, 32, 128]
        gradient = gradients.weightHh().readFloats(); // [4 * 128, 128], gates i f g o
      }
    }
    // README end
  }

  @Test
  void theExampleRuns() {
    example(random(50 * 32 * 64), random(50 * 32 * 128));
    assertEquals(50 * 32 * 128, y.length);
    assertEquals(4 * 128 * 128, gradient.length);
    assertTrue(Float.isFinite(y[y.length - 1]) && gradient[0] != 0);
  }

  @Test
  void theReadmeShowsThisExample() throws IOException {
    Path root = Path.of(System.getProperty("fusedrnn.root"));
    List<String> here =
        Files.readAllLines(
            root.resolve(
                "java/fusedrnn-cli/src/test/java/dev/fusedrnn/cli/ReadmeExampleTest.java"));
    int begin = here.indexOf("    // README begin") + 1;
    List<String> example =
        here.subList(begin, here.indexOf("    // README end")).stream()
            .map(line -> line.isEmpty() ? line : line.substring(4))
            .toList();
    List<String> readme = Files.readAllLines(root.resolve("README.md"));
    int open = readme.indexOf("```java") + 1;
    List<String> shown =
        readme.subList(open, open + readme.subList(open, readme.size()).indexOf("```"));
    assertEquals(String.join("\n", example), String.join("\n", shown));
  }
}
