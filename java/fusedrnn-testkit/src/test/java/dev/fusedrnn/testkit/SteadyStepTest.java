package dev.fusedrnn.testkit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.sun.management.ThreadMXBean;
import dev.fusedrnn.Backend;
import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.GlobalNormClip;
import dev.fusedrnn.NonFinite;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnPackedWeights;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.Stream;
import dev.fusedrnn.TrainingBatch;
import dev.fusedrnn.TrainingStep;
import java.lang.management.ManagementFactory;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Goal: a steady training step, and a steady call on packed weights, makes no object in the Java
 * heap, allocates nothing on the device and waits for nothing. Method: what the virtual machine and
 * the device count over 200 steps, after the first have loaded and compiled what there is.
 */
class SteadyStepTest {
  private static final int T = 5;
  private static final int B = 3;
  private static final int V = 7;
  private static final int H = 6;
  private static final int WARM_UP = 60;
  private static final int STEPS = 50;
  private static final int ROUNDS = 5;

  private static final String[] COUNTERS = {"allocations", "synchronizations"};

  @ParameterizedTest
  @EnumSource(names = {"CPU", "EMULATED"})
  void makesNoObjects(Backend backend) {
    RnnConfig config =
        RnnConfig.builder(Cell.GRU).inputSize(V).hiddenSize(H).dtype(DType.F32).build();
    try (Device device = Device.open(backend)) {
      makesNoObjects(device, Rnn.create(device, config));
    }
  }

  private static void makesNoObjects(Device device, Rnn rnn) {
    try (RnnParameters parameters = rnn.newParameters();
        RnnParameters gradients = rnn.newGradients();
        RnnSequence layers = rnn.newSequence(T, B, true);
        DeviceBuffer weight = device.allocate(DType.F32, V, H).write(new float[V * H]);
        DeviceBuffer weightGradient = device.allocate(DType.F32, V, H);
        Optimizer optimizer =
            Optimizer.create(
                Optimizer.Kind.ADAM,
                List.of(parameters.arena(), weight),
                List.of(gradients.arena(), weightGradient));
        GlobalNormClip clip = GlobalNormClip.create(optimizer.tensors(), 1, 1)) {
      parameters.initializeUniform(1);
      layers.call().parameters(parameters).gradients(gradients);
      optimizer.clip(clip.nonFinite(NonFinite.SKIP));
      try (TrainingStep step =
          TrainingStep.builder(layers)
              .output(weight, null, weightGradient, null)
              .optimizer(optimizer, clip)
              .build()) {
        run(step, WARM_UP);
        long[] before = counted(device);
        long heap = Long.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
          heap = Math.min(heap, run(step, STEPS));
        }
        long[] after = counted(device);
        for (int k = 0; k < COUNTERS.length; k++) {
          assertEquals(before[k], after[k], COUNTERS[k]);
        }
        // What the virtual machine does now and then, such as compiling anew, is no part of a step.
        assertEquals(0, heap, "bytes of objects in " + STEPS + " steps");
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"CPU", "EMULATED"})
  void packedWeightsMakeNoObjects(Backend backend) {
    RnnConfig config =
        RnnConfig.builder(Cell.LSTM).inputSize(V).hiddenSize(H).layers(2).dtype(DType.F32).build();
    try (Device device = Device.open(backend)) {
      Rnn rnn = Rnn.create(device, config);
      try (RnnParameters parameters = rnn.newParameters();
          RnnSequence layers = rnn.newSequence(T, B, false);
          RnnPackedWeights packed = rnn.newPackedWeights(parameters.initializeUniform(1))) {
        layers.call().parameters(parameters).packed(packed);
        read(layers, packed, device.defaultStream(), WARM_UP);
        long[] before = counted(device);
        long heap = Long.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
          heap = Math.min(heap, read(layers, packed, device.defaultStream(), STEPS));
        }
        assertArrayEquals(before, counted(device));
        assertEquals(0, heap, "bytes of objects in " + STEPS + " calls");
      }
    }
  }

  /** Packs and reads; bytes of objects that this thread made meanwhile. */
  private static long read(RnnSequence layers, RnnPackedWeights packed, Stream stream, int calls) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long thread = Thread.currentThread().getId();
    long start = threads.getThreadAllocatedBytes(thread);
    for (int n = 0; n < calls; n++) {
      packed.update(stream);
      layers.forward(stream);
      layers.carryState(stream);
    }
    return threads.getThreadAllocatedBytes(thread) - start;
  }

  private static long[] counted(Device device) {
    long[] counts = new long[COUNTERS.length];
    for (int k = 0; k < counts.length; k++) {
      counts[k] = device.counter(COUNTERS[k]);
    }
    return counts;
  }

  /** Makes steps; bytes of objects that this thread made meanwhile. */
  private static long run(TrainingStep step, int steps) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long thread = Thread.currentThread().getId();
    long start = threads.getThreadAllocatedBytes(thread);
    for (int n = 0; n < steps; n++) {
      TrainingBatch batch = step.nextBatch();
      for (int row = 0; row < T * B; row++) {
        batch.targets().put(row, (n + row) % V);
        for (int k = 0; k < V; k++) {
          batch.inputs().putFloat(4 * (row * V + k), k == row % V ? 1 : 0);
        }
      }
      batch.resetState(n % B);
      step.run(batch);
    }
    return threads.getThreadAllocatedBytes(thread) - start;
  }
}
