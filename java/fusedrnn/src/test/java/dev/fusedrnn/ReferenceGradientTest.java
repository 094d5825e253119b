package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Goal: every gradient of the oracle is the derivative of its forward pass. Method: the scalar L =
 * dy . y + dhT . hT + dcT . cT with random weights dy, dhT, dcT; each element of each input and
 * parameter is moved by +-h; (L+ - L-) / 2h must equal the gradient.
 */
class ReferenceGradientTest {
  private static final int STEPS = 4;
  private static final int BATCH = 3;
  private static final int INPUT = 5;
  private static final int HIDDEN = 7;
  private static final double H = 1e-5;

  // The difference quotient is off by h^2 / 6 f''' ~ 1e-10 and by rounding, 2^-53 / h ~ 1e-11 of L,
  // which is about 30 here.
  private static final double ALLOWED = 2e-9;

  @ParameterizedTest
  @EnumSource(Cell.class)
  void everyGradientIsTheDifferenceQuotient(Cell cell) {
    RnnConfig config =
        RnnConfig.builder(cell).inputSize(INPUT).hiddenSize(HIDDEN).dtype(DType.F64).build();
    try (Device device = Device.open(Backend.REFERENCE)) {
      Rnn layer = Rnn.create(device, config);
      try (RnnParameters parameters = layer.newParameters();
          RnnParameters gradients = layer.newGradients();
          RnnSequence s = layer.newSequence(STEPS, BATCH, true)) {
        s.call().parameters(parameters).gradients(gradients);
        Map<String, DeviceBuffer> inputs = new LinkedHashMap<>(parameters.named());
        Map<String, DeviceBuffer> derivatives = new LinkedHashMap<>(gradients.named());
        inputs.put("x", s.x());
        derivatives.put("x", s.dx());
        inputs.put("h0", s.h0());
        derivatives.put("h0", s.dh0());
        if (cell.hasCellState()) {
          inputs.put("c0", s.c0());
          derivatives.put("c0", s.dc0());
        }
        Random random = new Random(20 + cell.ordinal());
        inputs.values().forEach(buffer -> draw(buffer, random));
        draw(s.dy(), random);
        draw(s.dhT(), random);
        if (cell.hasCellState()) {
          draw(s.dcT(), random);
        }
        s.forward(device.defaultStream());
        s.backward(device.defaultStream());
        inputs.forEach((name, input) -> check(s, cell, name, input, derivatives.get(name)));
      }
    }
  }

  private static void draw(DeviceBuffer buffer, Random random) {
    buffer.write(random.doubles(buffer.length(), -0.9, 0.9).toArray());
  }

  private static void check(
      RnnSequence s, Cell cell, String name, DeviceBuffer input, DeviceBuffer derivative) {
    double[] values = input.readDoubles();
    double[] gradient = derivative.readDoubles();
    for (int k = 0; k < values.length; k++) {
      double kept = values[k];
      values[k] = kept + H;
      input.write(values);
      double above = loss(s, cell);
      values[k] = kept - H;
      input.write(values);
      double below = loss(s, cell);
      values[k] = kept;
      double quotient = (above - below) / (2 * H);
      int element = k;
      assertTrue(
          Math.abs(quotient - gradient[k]) <= ALLOWED,
          () ->
              "%s d%s[%d]: quotient %.12g, gradient %.12g"
                  .formatted(cell, name, element, quotient, gradient[element]));
    }
    input.write(values);
  }

  private static double loss(RnnSequence s, Cell cell) {
    s.forward(s.call().rnn().device().defaultStream());
    double loss = dot(s.dy(), s.y()) + dot(s.dhT(), s.hT());
    return cell.hasCellState() ? loss + dot(s.dcT(), s.cT()) : loss;
  }

  private static double dot(DeviceBuffer a, DeviceBuffer b) {
    double[] left = a.readDoubles();
    double[] right = b.readDoubles();
    double sum = 0;
    for (int k = 0; k < left.length; k++) {
      sum += left[k] * right[k];
    }
    return sum;
  }
}
