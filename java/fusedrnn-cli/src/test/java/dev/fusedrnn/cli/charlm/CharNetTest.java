package dev.fusedrnn.cli.charlm;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.Cell;
import dev.fusedrnn.Device;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.cli.text.Vocabulary;
import dev.fusedrnn.testkit.Comparison;
import dev.fusedrnn.testkit.Tolerance;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Goal: the pieces are joined rightly: one whole training step has the oracle's loss and gradients.
 * Method: the same step on the reference backend, whose own gradients are checked by differences of
 * the loss here, and on the others.
 */
class CharNetTest {
  private static final int BATCH = 3;
  private static final int SEQ = 5;

  private static Corpus corpus() {
    return Corpus.of(Texts.ENGLISH, "text", 0.1, SEQ);
  }

  private static TrainSettings settings(double rate) {
    Schedule constant = new Schedule(rate, 1, 0, 10);
    return new TrainSettings(BATCH, SEQ, 10, 0, Optimizer.Kind.SGD, constant, 3);
  }

  private static CharShape shape(Cell cell, int layers, int embedding) {
    Vocabulary vocabulary = corpus().vocabulary();
    return new CharShape(cell, 7, layers, 0, embedding, vocabulary);
  }

  /** Loss and gradients of the second step, whose state is carried. */
  private static Map<String, double[]> step(Backend backend, CharShape shape) {
    Map<String, double[]> results = new LinkedHashMap<>();
    try (Device device = Device.open(backend);
        CharParameters parameters = new CharParameters(device, shape)) {
      parameters.initialize(5);
      try (Trainer trainer = new Trainer(device, parameters, corpus(), settings(1e-30))) {
        double[] losses = new double[0];
        while (trainer.step() < 2) {
          losses = trainer.advance(1);
        }
        results.put("loss", new double[] {losses[losses.length - 1]});
        trainer.gradients().named().forEach((name, g) -> results.put(name, g.readDoubles()));
      }
    }
    return results;
  }

  @ParameterizedTest
  @CsvSource({
    "CPU, LSTM, 1, 6",
    "CPU, GRU, 2, 0",
    "EMULATED, LSTM, 2, 6",
    "EMULATED, RNN_TANH, 1, 0"
  })
  void aWholeStepHasTheOraclesGradients(Backend backend, Cell cell, int layers, int embedding) {
    CharShape shape = shape(cell, layers, embedding);
    Map<String, double[]> expected = step(Backend.REFERENCE, shape);
    Map<String, double[]> got = step(backend, shape);
    assertEquals(expected.keySet(), got.keySet());
    // Roundings along the longest path: every step of every layer is a sum of H or V terms.
    double roundings = Math.sqrt((double) SEQ * layers * (shape.input() + shape.hidden()));
    expected.forEach(
        (name, exact) -> {
          double scale = Arrays.stream(exact).map(Math::abs).max().orElse(0);
          double allowed = Tolerance.FACTOR * Tolerance.ROUNDING * roundings * scale;
          Comparison comparison =
              Comparison.of(name, new int[] {exact.length}, exact, got.get(name), allowed);
          assertTrue(
              comparison.pass(), () -> comparison.worst() + ", allowed " + comparison.allowed());
        });
  }

  @Test
  void theGradientIsTheSlopeOfTheLoss() {
    CharShape shape = shape(Cell.GRU, 2, 6);
    Map<String, double[]> gradient = step(Backend.REFERENCE, shape);
    for (String name : gradient.keySet()) {
      if (!name.equals("loss")) {
        double[] slope = gradient.get(name);
        int k = slope.length / 2;
        // Values are stored as floats, so the step is far above their rounding.
        double e = 1e-2;
        double numeric = (lossWith(shape, name, k, e) - lossWith(shape, name, k, -e)) / (2 * e);
        assertEquals(numeric, slope[k], 1e-4, name);
      }
    }
  }

  /** Loss of the second step with one parameter moved from before that step on. */
  private static double lossWith(CharShape shape, String name, int index, double by) {
    try (Device device = Device.open(Backend.REFERENCE);
        CharParameters parameters = new CharParameters(device, shape)) {
      parameters.initialize(5);
      try (Trainer trainer = new Trainer(device, parameters, corpus(), settings(1e-30))) {
        trainer.advance(1);
        double[] values = parameters.named().get(name).readDoubles();
        values[index] += by;
        parameters.named().get(name).write(values);
        return trainer.advance(1)[0];
      }
    }
  }
}
