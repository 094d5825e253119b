package dev.fusedrnn.cli.charlm;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Goal: lanes continue where they stopped. Method: a text whose characters are its positions. */
class LanesTest {
  private static int[] text(int length) {
    return IntStream.range(0, length).toArray();
  }

  @Test
  void trainingLanesGoOnAndTargetsFollowInputs() {
    int length = 103;
    int steps = 4;
    int batch = 3;
    Lanes lanes = Lanes.training(text(length), steps, batch, 7);
    assertEquals(length / batch / steps, lanes.windows());
    int[] inputs = new int[steps * batch];
    int[] targets = new int[steps * batch];
    int[] last = null;
    for (int window = 0; window < 20; window++) {
      boolean first = lanes.next(inputs, targets);
      assertEquals(window % lanes.windows() == 0, first);
      for (int k = 0; k < inputs.length; k++) {
        assertEquals((inputs[k] + 1) % length, targets[k]);
      }
      for (int b = 0; b < batch && !first; b++) {
        assertEquals(last[(steps - 1) * batch + b], inputs[b], "lane " + b);
      }
      last = targets.clone();
    }
  }

  @Test
  void aTextOfOneSequenceIsEnough() {
    Lanes lanes = Lanes.training(text(5), 4, 3, 1);
    int[] inputs = new int[12];
    assertTrue(lanes.next(inputs, new int[12]));
    assertEquals(1, lanes.windows());
  }

  @Test
  void theSeedDecidesTheOrder() {
    int[] one = new int[8];
    int[] same = new int[8];
    int[] other = new int[8];
    Lanes.training(text(1000), 4, 2, 5).next(one, new int[8]);
    Lanes.training(text(1000), 4, 2, 5).next(same, new int[8]);
    Lanes.training(text(1000), 4, 2, 6).next(other, new int[8]);
    assertArrayEquals(one, same);
    assertFalse(Arrays.equals(one, other));
  }

  @ParameterizedTest
  @CsvSource({"2, 4, 3", "3, 1, 1", "50, 4, 3", "97, 5, 4", "13, 4, 3", "9, 8, 32"})
  void validationTakesEveryCharacterOnce(int length, int steps, int batch) {
    Lanes lanes = Lanes.validation(text(length), steps, batch);
    int[] seen = new int[length];
    int[] inputs = new int[steps * batch];
    int[] targets = new int[steps * batch];
    for (int window = 0; window < lanes.windows(); window++) {
      assertEquals(window == 0, lanes.next(inputs, targets));
      for (int k = 0; k < targets.length; k++) {
        if (targets[k] != Lanes.IGNORED) {
          assertEquals(inputs[k] + 1, targets[k]);
          seen[targets[k]]++;
        }
      }
    }
    int[] once = new int[length];
    Arrays.fill(once, 1, length, 1);
    assertArrayEquals(once, seen);
  }

  @Test
  void theScheduleRisesAndFalls() {
    Schedule schedule = new Schedule(2, 0.1, 10, 110);
    assertEquals(0.2, schedule.rate(1), 1e-12);
    assertEquals(2, schedule.rate(10), 1e-12);
    assertEquals(1.1, schedule.rate(60), 1e-12);
    assertEquals(0.2, schedule.rate(110), 1e-12);
    assertEquals(3, new Schedule(3, 1, 0, 5).rate(5), 1e-12);
  }
}
