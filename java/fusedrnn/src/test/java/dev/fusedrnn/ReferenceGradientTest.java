package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Goal: every gradient of the oracle is the derivative of its forward pass, for every cell and
 * variant and their combinations. Method: the scalar L = dy . y + dhT . hT + dcT . cT with random
 * weights dy, dhT, dcT; each element of each input and parameter is moved by +-h; (L+ - L-) / 2h
 * must equal the gradient. Masks of dropout and zoneout are the same in each pass, for their seed
 * is.
 */
class ReferenceGradientTest {
  private static final int STEPS = 4;
  private static final int BATCH = 3;
  private static final int INPUT = 4;
  private static final int HIDDEN = 5;
  private static final int[] ALL = {};
  private static final int[] UNEVEN = {2, 0, 4};
  private static final double H = 1e-4;

  // The quotient is off by h^4 / 30 of the fifth derivative, which is nothing here, and by
  // rounding:
  // 1.5 * 2^-53 / h of the sums in L, which reach about 100.
  private static final double ALLOWED = 2e-10;

  private static Arguments named(
      String name, Cell cell, int[] lengths, UnaryOperator<RnnConfigBuilder> settings) {
    RnnConfigBuilder builder =
        RnnConfig.builder(cell).inputSize(INPUT).hiddenSize(HIDDEN).dtype(DType.F64);
    return Arguments.of(name, settings.apply(builder).build(), lengths);
  }

  private static Stream<Arguments> everyCell(
      String name, int[] lengths, UnaryOperator<RnnConfigBuilder> settings) {
    return Stream.of(Cell.values())
        .map(cell -> named(cell.label() + " " + name, cell, lengths, settings));
  }

  static Stream<Arguments> lstms() {
    return Stream.of(
        named("peephole", Cell.LSTM, ALL, c -> c.peephole(true)),
        named("coupled", Cell.LSTM, ALL, c -> c.coupledForget(true)),
        named("coupled, peephole", Cell.LSTM, ALL, c -> c.coupledForget(true).peephole(true)),
        named("projection", Cell.LSTM, ALL, c -> c.projectionSize(3)),
        named("no input gate", Cell.LSTM, ALL, c -> c.without(Gate.INPUT)),
        named("no forget gate", Cell.LSTM, ALL, c -> c.without(Gate.FORGET)),
        named("no output gate", Cell.LSTM, ALL, c -> c.without(Gate.OUTPUT)),
        named("no gates, peephole", Cell.LSTM, ALL, c -> c.without(Gate.values()).peephole(true)),
        named("no input gate, peephole", Cell.LSTM, ALL, c -> c.without(Gate.INPUT).peephole(true)),
        named("clip", Cell.LSTM, ALL, c -> c.cellClip(0.4)),
        named("clip, peephole", Cell.LSTM, ALL, c -> c.cellClip(0.4).peephole(true)),
        named("layer norm", Cell.LSTM, UNEVEN, c -> c.norm(Norm.LAYER)),
        named(
            "layer norm, masks, clip",
            Cell.LSTM,
            ALL,
            c ->
                c.norm(Norm.LAYER)
                    .layers(2)
                    .bidirectional(true)
                    .cellClip(0.6)
                    .zoneoutCell(0.3)
                    .recurrentDropout(0.3)),
        named("zoneout of c", Cell.LSTM, ALL, c -> c.zoneoutCell(0.4)),
        named(
            "all at once",
            Cell.LSTM,
            UNEVEN,
            c ->
                c.layers(3)
                    .bidirectional(true)
                    .projectionSize(2)
                    .peephole(true)
                    .coupledForget(true)
                    .cellClip(0.5)
                    .dropout(0.3)
                    .recurrentDropout(0.25)
                    .zoneoutHidden(0.2)
                    .zoneoutCell(0.3)
                    .residual(true)
                    .batchFirst(true)));
  }

  static Stream<Arguments> families() {
    return Stream.of(
            everyCell("plain", ALL, c -> c),
            everyCell("without bias", ALL, c -> c.bias(false)),
            everyCell("recurrent dropout", ALL, c -> c.recurrentDropout(0.4)),
            everyCell("zoneout of h", ALL, c -> c.zoneoutHidden(0.4)),
            everyCell("lengths", UNEVEN, c -> c),
            everyCell("both directions, lengths", UNEVEN, c -> c.bidirectional(true)),
            everyCell("two layers, dropout", ALL, c -> c.layers(2).dropout(0.4)),
            everyCell("three layers, residual", UNEVEN, c -> c.layers(3).residual(true)),
            everyCell("batch norm", UNEVEN, c -> c.norm(Norm.BATCH)),
            everyCell("batch norm, two layers", ALL, c -> c.norm(Norm.BATCH).layers(2)),
            everyCell("batch first", UNEVEN, c -> c.batchFirst(true).layers(2)),
            lstms())
        .flatMap(s -> s);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("families")
  void everyGradientIsTheDifferenceQuotient(String name, RnnConfig config, int[] lengths) {
    try (Device device = Device.open(Backend.REFERENCE)) {
      Rnn rnn = Rnn.create(device, config);
      try (RnnParameters parameters = rnn.newParameters();
          RnnParameters gradients = rnn.newGradients();
          RnnSequence s = rnn.newSequence(STEPS, BATCH, true)) {
        s.call().parameters(parameters).gradients(gradients).seed(77, 1);
        if (lengths.length > 0) {
          s.lengths(lengths);
        }
        Map<String, DeviceBuffer> inputs = new LinkedHashMap<>(parameters.named());
        Map<String, DeviceBuffer> derivatives = new LinkedHashMap<>(gradients.named());
        inputs.put("x", s.x());
        derivatives.put("x", s.dx());
        inputs.put("h0", s.h0());
        derivatives.put("h0", s.dh0());
        if (config.cell().hasCellState()) {
          inputs.put("c0", s.c0());
          derivatives.put("c0", s.dc0());
        }
        Random random = new Random(20 + config.cell().ordinal());
        inputs.values().forEach(buffer -> draw(buffer, random));
        draw(s.dy(), random);
        draw(s.dhT(), random);
        if (config.cell().hasCellState()) {
          draw(s.dcT(), random);
        }
        s.forward(device.defaultStream());
        s.backward(device.defaultStream());
        inputs.forEach((input, buffer) -> check(s, input, buffer, derivatives.get(input)));
      }
    }
  }

  private static void draw(DeviceBuffer buffer, Random random) {
    buffer.write(random.doubles(buffer.length(), -0.9, 0.9).toArray());
  }

  private static void check(
      RnnSequence s, String name, DeviceBuffer input, DeviceBuffer derivative) {
    double[] values = input.readDoubles();
    double[] gradient = derivative.readDoubles();
    for (int k = 0; k < values.length; k++) {
      double kept = values[k];
      double[] loss = new double[5];
      for (int move = -2; move <= 2; move++) {
        values[k] = kept + move * H;
        input.write(values);
        loss[move + 2] = loss(s);
      }
      values[k] = kept;
      double quotient = (8 * (loss[3] - loss[1]) - (loss[4] - loss[0])) / (12 * H);
      int element = k;
      assertTrue(
          Math.abs(quotient - gradient[k]) <= ALLOWED,
          () ->
              "d%s[%d]: quotient %.12g, gradient %.12g"
                  .formatted(name, element, quotient, gradient[element]));
    }
    input.write(values);
  }

  private static double loss(RnnSequence s) {
    s.forward(s.call().rnn().device().defaultStream());
    double loss = dot(s.dy(), s.y()) + dot(s.dhT(), s.hT());
    return s.call().rnn().config().cell().hasCellState() ? loss + dot(s.dcT(), s.cT()) : loss;
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
