package dev.fusedrnn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Goal: an arena is only another place for the same tensors. Method: layouts written out by hand; a
 * network in an arena beside the same network outside, compared bit by bit; one optimiser over the
 * flat buffer beside one over the tensors; each refusal by its message. Seeds stand in the code.
 */
class TensorArenaTest {
  private static final RnnConfig CONFIG =
      RnnConfig.builder(Cell.LSTM).inputSize(5).hiddenSize(7).layers(2).bidirectional(true).build();

  static List<Backend> backends() {
    return Backends.all();
  }

  @Test
  void tensorsLieAlignedInTheirOrder() {
    try (Device device = Device.open(Backend.REFERENCE);
        TensorArena arena =
            TensorArena.builder(device, DType.F32)
                .add("a", 3, 5)
                .add("empty", 0, 4)
                .add("b", 128)
                .add("c", 129)
                .add("d")
                .build()) {
      assertEquals(List.of("a", "empty", "b", "c", "d"), List.copyOf(arena.named().keySet()));
      assertEquals(128 + 128 + 256 + 128, arena.flat().length());
      long start = arena.flat().address();
      assertEquals(start, arena.get("a").address());
      assertEquals(start + 4 * 128, arena.get("b").address());
      assertEquals(start + 4 * 256, arena.get("c").address());
      assertEquals(start + 4 * 512, arena.get("d").address());
      assertArrayEquals(new long[] {3, 5}, arena.get("a").shape());
      assertEquals(1, arena.get("d").length());
      assertArrayEquals(new float[640], arena.flat().readFloats());
    }
  }

  @Test
  void anotherBufferHasTheSameLayout() {
    try (Device device = Device.open(Backend.REFERENCE);
        TensorArena arena =
            TensorArena.builder(device, DType.F32).add("a", 3).add("b", 2, 2).build();
        TensorArena like = arena.newLike();
        DeviceBuffer halves = device.allocate(DType.BF16, arena.flat().length())) {
      like.get("b").write(new float[] {1, 2, 3, 4});
      assertArrayEquals(new float[256], arena.flat().readFloats());
      assertEquals(1, like.flat().readFloats()[128]);
      TensorArena copy = arena.over(halves);
      assertEquals(halves.address() + 2 * 128, copy.get("b").address());
      assertEquals(DType.BF16, copy.get("b").dtype());
      copy.close();
      assertFalse(halves.isClosed());
    }
  }

  @Test
  void aClosedArenaTakesItsTensorsWithIt() {
    try (Device device = Device.open(Backend.REFERENCE)) {
      TensorArena arena = TensorArena.builder(device, DType.F32).add("a", 3).build();
      arena.close();
      arena.close();
      assertTrue(arena.get("a").isClosed());
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aNetworkInAnArenaComputesTheSameBits(Backend backend) {
    try (Device device = Device.open(backend);
        TensorArena weights =
            TensorArena.builder(device, DType.F32)
                .add("before", 11)
                .add("rnn.", CONFIG)
                .add("after", 3)
                .build();
        TensorArena gradients = weights.newLike()) {
      Rnn rnn = Rnn.create(device, CONFIG);
      try (RnnParameters inside = weights.parameters("rnn.", rnn).initializeUniform(21);
          RnnParameters insideGradients = gradients.gradients("rnn.", rnn);
          RnnParameters outside = rnn.newParameters().initializeUniform(21);
          RnnParameters outsideGradients = rnn.newGradients()) {
        List<float[]> expected = run(rnn, outside, outsideGradients);
        List<float[]> got = run(rnn, inside, insideGradients);
        for (int k = 0; k < expected.size(); k++) {
          assertArrayEquals(expected.get(k), got.get(k), "output " + k);
        }
        assertArrayEquals(
            inside.weightHh().readFloats(), weights.get("rnn.weight_hh_l0").readFloats());
        assertArrayEquals(new float[11], weights.get("before").readFloats());
        assertArrayEquals(new float[3], gradients.get("after").readFloats());
      }
    }
  }

  private static List<float[]> run(Rnn rnn, RnnParameters weights, RnnParameters gradients) {
    try (RnnSequence sequence = rnn.newSequence(3, 2, true)) {
      sequence.call().parameters(weights).gradients(gradients);
      SplittableRandom random = new SplittableRandom(22);
      draw(sequence.x(), random);
      draw(sequence.dy(), random);
      Stream stream = rnn.device().defaultStream();
      sequence.forward(stream);
      sequence.backward(stream);
      List<float[]> values = new ArrayList<>(List.of(sequence.y().readFloats()));
      gradients.named().values().forEach(tensor -> values.add(tensor.readFloats()));
      return values;
    }
  }

  private static void draw(DeviceBuffer buffer, SplittableRandom random) {
    float[] values = new float[(int) buffer.length()];
    for (int k = 0; k < values.length; k++) {
      values[k] = (float) random.nextDouble(-1, 1);
    }
    buffer.write(values);
  }

  @ParameterizedTest
  @MethodSource("backends")
  void oneStepOverTheArenaIsTheStepOfEveryTensor(Backend backend) {
    try (Device device = Device.open(backend);
        TensorArena one = TensorArena.builder(device, DType.F32).add("a", 3).add("b", 131).build();
        TensorArena oneGradient = one.newLike();
        TensorArena many = one.newLike();
        TensorArena manyGradient = one.newLike();
        Optimizer flat =
            Optimizer.create(
                Optimizer.Kind.ADAM, List.of(one.flat()), List.of(oneGradient.flat()));
        Optimizer each =
            Optimizer.create(
                Optimizer.Kind.ADAM,
                List.copyOf(many.named().values()),
                List.copyOf(manyGradient.named().values()))) {
      for (String name : List.of("a", "b")) {
        draw(one.get(name), new SplittableRandom(23));
        draw(many.get(name), new SplittableRandom(23));
        draw(oneGradient.get(name), new SplittableRandom(24));
        draw(manyGradient.get(name), new SplittableRandom(24));
      }
      for (int step = 0; step < 3; step++) {
        flat.step(device.defaultStream());
        each.step(device.defaultStream());
      }
      assertArrayEquals(many.flat().readFloats(), one.flat().readFloats());
      TensorArena state = one.over(flat.tensors().tensors(2).get(0));
      for (int k = 0; k < 2; k++) {
        assertArrayEquals(
            each.tensors().tensors(2).get(k).readFloats(),
            List.copyOf(state.named().values()).get(k).readFloats());
      }
    }
  }

  @Test
  void refusalsSayWhatWasExpected() {
    try (Device device = Device.open(Backend.REFERENCE);
        Device elsewhere = Device.open(Backend.REFERENCE);
        TensorArena arena =
            TensorArena.builder(device, DType.F32).add("a", 3).add("rnn.", CONFIG).build();
        DeviceBuffer small = device.allocate(DType.F32, 5)) {
      TensorArena.Builder builder = TensorArena.builder(device, DType.F32).add("a", 3);
      refused("name: expected one not used before, got a", () -> builder.add("a", 3));
      refused("expected sizes of at least 0, got [-1]", () -> builder.add("b", -1));
      refused(
          "rnn.: expected a network of bf16",
          () -> TensorArena.builder(device, DType.BF16).add("rnn.", CONFIG));
      refused("other: expected " + arena.flat().length() + " elements", () -> arena.over(small));
      refused("got x", () -> arena.get("x"));
      Rnn rnn = Rnn.create(device, CONFIG);
      refused("prefix: expected one of [rnn.], got x.", () -> arena.parameters("x.", rnn));
      Rnn wider =
          Rnn.create(device, RnnConfig.builder(Cell.LSTM).inputSize(5).hiddenSize(8).build());
      refused("rnn.: expected the shapes of", () -> arena.parameters("rnn.", wider));
      Rnn there = Rnn.create(elsewhere, CONFIG);
      refused("rnn.: expected a network of f32 on", () -> arena.gradients("rnn.", there));
    }
  }

  private static void refused(String part, Runnable call) {
    String message = assertThrows(IllegalArgumentException.class, call::run).getMessage();
    assertTrue(message.contains(part), () -> "expected \"" + part + "\" in: " + message);
  }
}
