package dev.fusedrnn.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Goal: weights come back from a safetensors file as they were, among other tensors and under a
 * prefix, and a file that lacks one is refused by name. Method: round trips of a network with every
 * kind of parameter.
 */
class SafetensorsWeightsTest {
  private static final RnnConfig CONFIG =
      RnnConfig.builder(Cell.LSTM)
          .inputSize(3)
          .hiddenSize(5)
          .layers(2)
          .bidirectional(true)
          .projectionSize(4)
          .peephole(true)
          .dtype(DType.F64)
          .build();

  @TempDir private Path folder;

  private static RnnWeights random() {
    SplittableRandom random = new SplittableRandom(5);
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    for (int layer = 0; layer < CONFIG.layers(); layer++) {
      for (int direction = 0; direction < CONFIG.directions(); direction++) {
        for (Parameter parameter : CONFIG.parameters()) {
          long[] shape = CONFIG.shape(parameter, layer);
          int count = 1;
          for (long size : shape) {
            count *= (int) size;
          }
          double[] values = random.doubles(count, -1, 1).toArray();
          tensors.put(parameter.torchName(layer, direction), new HostTensor(values, shape));
        }
      }
    }
    return new RnnWeights(CONFIG, tensors);
  }

  @Test
  void doublesComeBack() throws IOException {
    RnnWeights weights = random();
    Path file = folder.resolve("w.safetensors");
    SafetensorsWeights.write(file, "encoder.", weights, DType.F64);
    RnnWeights back = SafetensorsWeights.read(file, "encoder.", CONFIG);
    assertEquals(weights.tensors().keySet(), back.tensors().keySet());
    weights
        .tensors()
        .forEach(
            (name, tensor) ->
                assertArrayEquals(tensor.values(), back.tensors().get(name).values(), name));
  }

  @Test
  void floatsComeBackRounded() throws IOException {
    RnnWeights weights = random();
    Path file = folder.resolve("w.safetensors");
    SafetensorsWeights.write(file, "", weights, DType.F32);
    RnnWeights back = SafetensorsWeights.read(file, "", CONFIG);
    double[] given = weights.tensors().get("weight_hr_l1_reverse").values();
    double[] got = back.tensors().get("weight_hr_l1_reverse").values();
    for (int k = 0; k < given.length; k++) {
      assertEquals((float) given[k], got[k]);
    }
  }

  @Test
  void whatIsMissingOrOfAnotherShapeIsNamed() throws IOException {
    Path file = folder.resolve("w.safetensors");
    SafetensorsWeights.write(file, "", random(), DType.F64);
    FormatException missing =
        assertThrows(
            FormatException.class, () -> SafetensorsWeights.read(file, "decoder.", CONFIG));
    assertEquals(
        file + ": tensor decoder.weight_ih_l0: missing; " + CONFIG + " has it",
        missing.getMessage());
    RnnConfig wider =
        RnnConfig.builder(Cell.LSTM)
            .inputSize(3)
            .hiddenSize(6)
            .layers(2)
            .bidirectional(true)
            .projectionSize(4)
            .peephole(true)
            .build();
    FormatException shape =
        assertThrows(FormatException.class, () -> SafetensorsWeights.read(file, "", wider));
    assertEquals("weight_ih_l0: expected [24, 3], got [20, 3]", shape.getMessage());
  }

  @Test
  void typesThatWouldLoseBitsAreRefused() {
    IllegalArgumentException refused =
        assertThrows(
            IllegalArgumentException.class,
            () -> SafetensorsWeights.write(folder.resolve("w"), "", random(), DType.BF16));
    assertEquals("dtype: expected F64 or F32, got BF16", refused.getMessage());
  }
}
