package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Goal: packed weights give the bits of the parameters that they were made from, on every backend;
 * a change is seen at the next update; what does not fit, or is closed, is refused. Method: small
 * networks of odd sizes; the numbers behind them are checked by the testkit's suite.
 */
class PackedWeightsTest {
  private static final int T = 4;
  private static final int B = 2;

  /** A network for reading, its parameters and a sequence bound to them. */
  private static final class Reader implements AutoCloseable {
    final Rnn rnn;
    final RnnParameters parameters;
    final RnnSequence sequence;

    Reader(Device device, Cell cell, UnaryOperator<RnnConfigBuilder> settings) {
      this(device, cell, settings, false);
    }

    Reader(Device device, Cell cell, UnaryOperator<RnnConfigBuilder> settings, boolean training) {
      RnnConfigBuilder plain = RnnConfig.builder(cell).inputSize(5).hiddenSize(13);
      rnn = Rnn.create(device, settings.apply(plain.dtype(DType.F32)).build());
      parameters = rnn.newParameters().initializeUniform(3);
      sequence = rnn.newSequence(T, B, training);
      sequence.call().parameters(parameters);
      float[] x = new float[(int) sequence.x().length()];
      for (int k = 0; k < x.length; k++) {
        x[k] = (float) Math.sin(k);
      }
      sequence.x().write(x);
    }

    /** Of a sequence that is spoilt first. */
    float[] forward(Stream stream) {
      float[] nan = new float[(int) sequence.y().length()];
      Arrays.fill(nan, Float.NaN);
      sequence.y().write(nan);
      sequence.forward(stream);
      return sequence.y().readFloats();
    }

    float[] forward() {
      return forward(rnn.device().defaultStream());
    }

    void changeWeights(long seed) {
      parameters.initializeUniform(seed);
    }

    @Override
    public void close() {
      sequence.close();
      parameters.close();
    }
  }

  private static Reader lstm(Device device) {
    return new Reader(device, Cell.LSTM, b -> b.layers(2));
  }

  private static void assertSameBits(Device device, Cell cell, UnaryOperator<RnnConfigBuilder> s) {
    try (Reader reader = new Reader(device, cell, s);
        RnnPackedWeights packed = reader.rnn.newPackedWeights(reader.parameters)) {
      float[] expected = reader.forward();
      reader.sequence.call().packed(packed);
      assertArrayEquals(expected, reader.forward(), 0, packed.toString());
      reader.sequence.call().packed(null);
      assertArrayEquals(expected, reader.forward(), 0, packed.toString());
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void giveTheBitsOfTheParameters(Backend backend) {
    try (Device device = Device.open(backend)) {
      for (Cell cell : Cell.values()) {
        assertSameBits(device, cell, b -> b);
        assertSameBits(device, cell, b -> b.layers(3).bias(false));
        assertSameBits(device, cell, b -> b.layers(2).bidirectional(true));
      }
      assertSameBits(device, Cell.LSTM, b -> b.batchFirst(true));
      assertSameBits(device, Cell.LSTM, b -> b.projectionSize(3).peephole(true));
      assertSameBits(device, Cell.GRU, b -> b.layers(2).dropout(0.5).residual(true));
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void onlyTheCpuPacks(Backend backend) {
    try (Device device = Device.open(backend);
        Reader reader = lstm(device);
        RnnPackedWeights packed = reader.rnn.newPackedWeights(reader.parameters)) {
      long weights = 4L * 4 * 13 * (5 + 13 + 13 + 13);
      assertTrue(
          backend == Backend.CPU ? packed.bytes() >= weights : packed.bytes() == 0,
          packed.bytes() + " bytes");
      assertEquals(DType.F32, packed.dtype());
      assertSame(reader.rnn, packed.rnn());
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void changesAreSeenAtTheNextUpdate(Backend backend) {
    try (Device device = Device.open(backend);
        Reader reader = lstm(device);
        RnnPackedWeights packed = reader.rnn.newPackedWeights(reader.parameters)) {
      float[] first = reader.forward();
      reader.sequence.call().packed(packed);
      reader.changeWeights(8);
      float[] stale = reader.forward();
      reader.sequence.call().packed(null);
      float[] second = reader.forward();
      assertFalse(Arrays.equals(first, second));
      assertArrayEquals(packed.bytes() > 0 ? first : second, stale);
      reader.sequence.call().packed(packed);
      packed.update(device.defaultStream());
      assertArrayEquals(second, reader.forward());
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#natives")
  void packingAndReadingAreCaptured(Backend backend) {
    try (Device device = Device.open(backend);
        Stream stream = device.newStream();
        Reader reader = lstm(device);
        RnnPackedWeights packed = reader.rnn.newPackedWeights(reader.parameters)) {
      float[] first = reader.forward();
      reader.changeWeights(8);
      float[] second = reader.forward();
      reader.sequence.call().packed(packed);
      try (Graph graph =
          stream.capture(
              () -> {
                packed.update(stream);
                reader.sequence.forward(stream);
              })) {
        graph.launch(stream);
        assertArrayEquals(second, reader.sequence.y().readFloats());
        reader.changeWeights(3);
        graph.launch(stream);
        assertArrayEquals(first, reader.sequence.y().readFloats());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void backwardReadsTheParameters(Backend backend) {
    try (Device device = Device.open(backend);
        Reader reader = new Reader(device, Cell.GRU, b -> b, true);
        RnnParameters gradients = reader.rnn.newGradients();
        RnnPackedWeights packed = reader.rnn.newPackedWeights(reader.parameters)) {
      reader.sequence.call().gradients(gradients);
      reader.sequence.dy().write(reader.forward());
      reader.sequence.backward(device.defaultStream());
      float[] expected = gradients.arena().readFloats();
      gradients.arena().zero(device.defaultStream());
      reader.sequence.call().packed(packed);
      reader.forward();
      reader.sequence.backward(device.defaultStream());
      assertArrayEquals(expected, gradients.arena().readFloats());
    }
  }

  @Test
  void bf16RoundsTheWeights() {
    try (Device device = Device.open(Backend.CPU);
        Reader reader = lstm(device);
        RnnPackedWeights packed = reader.rnn.newPackedWeights(reader.parameters, DType.BF16)) {
      assertEquals(DType.BF16, packed.dtype());
      float[] exact = reader.forward();
      reader.sequence.call().packed(packed);
      float[] got = reader.forward();
      assertFalse(Arrays.equals(exact, got));
      reader.sequence.call().packed(null);
      reader
          .parameters
          .named()
          .forEach(
              (name, buffer) -> {
                if (name.startsWith("weight_")) {
                  buffer.write(rounded(device, buffer.readFloats()));
                }
              });
      assertArrayEquals(reader.forward(), got, 1e-6f);
    }
  }

  private static float[] rounded(Device device, float[] values) {
    try (DeviceBuffer narrow = device.allocate(DType.BF16, values.length)) {
      return narrow.write(values).readFloats();
    }
  }

  private static void unsupported(String piece, Executable call) {
    FusedRnnException refused = assertThrows(FusedRnnException.class, call);
    assertEquals(Status.UNSUPPORTED, refused.status());
    assertTrue(refused.getMessage().contains(piece), refused.getMessage());
    assertFalse(refused.getMessage().contains("may serve it"), refused.getMessage());
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void bf16IsRefusedWhereNothingIsPacked(Backend backend) {
    try (Device device = Device.open(backend);
        Reader turned = new Reader(device, Cell.GRU, b -> b.batchFirst(true));
        Reader reader = lstm(device)) {
      unsupported(
          "packed_dtype: the ", () -> turned.rnn.newPackedWeights(turned.parameters, bf16()));
      if (backend != Backend.CPU) {
        unsupported(
            "packed_dtype: the " + backend.label() + " backend reads the parameters",
            () -> reader.rnn.newPackedWeights(reader.parameters, bf16()));
        return;
      }
      try (RnnPackedWeights packed = reader.rnn.newPackedWeights(reader.parameters, bf16())) {
        reader.sequence.call().packed(packed);
        reader.sequence.lengths(T, 1);
        unsupported("lengths", reader::forward);
      }
    }
  }

  private static DType bf16() {
    return DType.BF16;
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void aCallWithLengthsReadsTheParameters(Backend backend) {
    try (Device device = Device.open(backend);
        Reader reader = lstm(device);
        RnnPackedWeights packed = reader.rnn.newPackedWeights(reader.parameters)) {
      reader.sequence.lengths(T, 1);
      float[] expected = reader.forward();
      reader.sequence.call().packed(packed);
      assertArrayEquals(expected, reader.forward());
    }
  }

  private static void refused(String message, Executable call) {
    IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call);
    assertTrue(e.getMessage().startsWith(message), e.getMessage());
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void whatDoesNotFitIsRefused(Backend backend) {
    try (Device device = Device.open(backend);
        Device other = Device.open(backend);
        Reader reader = lstm(device);
        Reader elsewhere = lstm(other);
        Reader gru = new Reader(device, Cell.GRU, b -> b.layers(2));
        Reader before = new Reader(device, Cell.GRU_RESET_BEFORE, b -> b.layers(2));
        Reader single = new Reader(device, Cell.LSTM, b -> b);
        Reader training = new Reader(device, Cell.LSTM, b -> b.layers(2), true);
        RnnPackedWeights packed = reader.rnn.newPackedWeights(reader.parameters);
        RnnPackedWeights ofGru = gru.rnn.newPackedWeights(gru.parameters)) {
      refused(
          "packed: expected weights on device ", () -> elsewhere.sequence.call().packed(packed));
      refused("packed: expected weights of ", () -> gru.sequence.call().packed(packed));
      refused("packed: expected weights of ", () -> single.sequence.call().packed(packed));
      refused("packed: expected weights of ", () -> before.sequence.call().packed(ofGru));
      refused(
          "dtype: expected f32 or bf16, got f16",
          () -> reader.rnn.newPackedWeights(reader.parameters, DType.F16));
      refused("weight_ih_l0: expected", () -> gru.rnn.newPackedWeights(reader.parameters));
      if (backend == Backend.CPU) {
        try (RnnPackedWeights narrow = reader.rnn.newPackedWeights(reader.parameters, bf16())) {
          refused(
              "packed: expected f32 in a call for training",
              () -> training.sequence.call().packed(narrow));
        }
      }
      reader.sequence.call().packed(packed);
      reader.forward();
    }
  }

  private static void closed(String piece, Executable call) {
    IllegalStateException e = assertThrows(IllegalStateException.class, call);
    assertTrue(e.getMessage().contains(piece) && e.getMessage().endsWith("closed"), e.getMessage());
  }

  @ParameterizedTest
  @MethodSource("dev.fusedrnn.Backends#all")
  void closedIsRefused(Backend backend) {
    try (Device device = Device.open(backend);
        Reader reader = lstm(device)) {
      RnnPackedWeights packed = reader.rnn.newPackedWeights(reader.parameters);
      float[] expected = reader.forward();
      reader.sequence.call().packed(packed);
      packed.close();
      packed.close();
      closed("packed: RnnPackedWeights f32 of", reader::forward);
      closed("packed: RnnPackedWeights", () -> packed.update(device.defaultStream()));
      closed("packed: RnnPackedWeights", () -> reader.sequence.call().packed(packed));
      reader.sequence.call().packed(null);
      assertArrayEquals(expected, reader.forward());
      try (RnnPackedWeights orphan = reader.rnn.newPackedWeights(reader.parameters)) {
        reader.parameters.close();
        closed("weight_ih_l0", () -> orphan.update(device.defaultStream()));
        closed("DeviceBuffer f32", () -> reader.rnn.newPackedWeights(reader.parameters));
      }
    }
  }
}
