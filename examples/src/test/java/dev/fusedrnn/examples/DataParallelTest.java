package dev.fusedrnn.examples;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.examples.DataParallel.Result;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Goal: several ranks with a part of the batch each train the model that one rank trains with the
 * whole batch. Method: ranks in threads of one process, each with a device of its own, averaging
 * through host memory; the copies must stay equal to the bit; what they differ by from a single
 * rank must be rounding, measured by what the single rank differs by from the reference backend.
 * The clip is active, so that it must come after the average. Seed 61.
 */
class DataParallelTest {
  private static final int STEPS = 12;

  @ParameterizedTest
  @EnumSource(
      value = Backend.class,
      names = {"CPU", "EMULATED"})
  void twoRanksAreOne(Backend backend) {
    float[] oracle = train(Backend.REFERENCE, 1).get(0).parameters();
    Result whole = train(backend, 1).get(0);
    List<Result> halves = train(backend, 2);
    assertArrayEquals(halves.get(0).parameters(), halves.get(1).parameters(), "copies drift apart");
    double rounding = distance(whole.parameters(), oracle);
    double apart = distance(halves.get(0).parameters(), oracle);
    assertTrue(rounding < 1e-4, "one rank is " + rounding + " from the oracle");
    assertTrue(apart <= 8 * rounding, "two ranks: " + apart + ", one: " + rounding);
    for (int step = 0; step < STEPS; step++) {
      double mean = (halves.get(0).losses()[step] + halves.get(1).losses()[step]) / 2;
      assertEquals(whole.losses()[step], mean, 1e-4, "loss of step " + step);
    }
  }

  @Test
  void fourRanksLearn() {
    List<Result> ranks = DataParallel.train(Backend.CPU, 4, 200);
    double last = 0;
    for (Result rank : ranks) {
      assertArrayEquals(ranks.get(0).parameters(), rank.parameters());
      last += Arrays.stream(rank.losses(), 190, 200).average().orElseThrow() / 4;
    }
    assertTrue(last < 0.6 * Math.log(Replica.FEATURES), "loss " + last);
  }

  @Test
  void theAverageIsTheMean() {
    List<HostAllReduce> ends = HostAllReduce.join(3);
    List<float[]> means =
        Ranks.run(
            3,
            rank -> {
              try (Device device = Device.open(Backend.REFERENCE);
                  DeviceBuffer flat = device.allocate(DType.F32, 2)) {
                for (int round = 0; round < 5; round++) {
                  flat.write(new float[] {rank + round, -3 * rank});
                  ends.get(rank).average(flat, device.defaultStream());
                  assertArrayEquals(new float[] {1 + round, -3}, flat.readFloats());
                }
                return flat.readFloats();
              }
            });
    assertEquals(3, means.size());
  }

  private static List<Result> train(Backend backend, int ranks) {
    return DataParallel.train(backend, ranks, STEPS);
  }

  private static double distance(float[] a, float[] b) {
    assertEquals(a.length, b.length);
    double largest = 0;
    for (int k = 0; k < a.length; k++) {
      largest = Math.max(largest, Math.abs((double) a[k] - b[k]));
    }
    return largest;
  }

  @Test
  void aRankThatFailsEndsTheOthers() {
    List<HostAllReduce> ends = HostAllReduce.join(2);
    IllegalStateException e =
        assertThrows(
            IllegalStateException.class,
            () ->
                Ranks.run(
                    2,
                    rank -> {
                      if (rank == 1) {
                        throw new IllegalArgumentException("rank 1 has no data");
                      }
                      try (Device device = Device.open("reference");
                          DeviceBuffer flat = device.allocate(DType.F32, 3)) {
                        ends.get(rank).average(flat, device.defaultStream());
                      }
                      return rank;
                    }));
    assertTrue(e.getMessage().contains("rank 1 has no data"), e.getMessage());
  }

  @Test
  void aBatchThatCannotBeSharedIsRefused() {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class, () -> DataParallel.train(Backend.REFERENCE, 5, 1));
    assertEquals("ranks: expected a divisor of 24, got 5", e.getMessage());
  }

  @Test
  void withoutNcclTheErrorNamesTheCure() {
    try (Device device = Device.open(Backend.REFERENCE)) {
      List<Executable> calls =
          List.of(
              NcclAllReduce::newIdentifier, () -> new NcclAllReduce(device, new byte[128], 0, 2));
      for (Executable call : calls) {
        IllegalStateException e = assertThrows(IllegalStateException.class, call);
        assertTrue(
            e.getMessage().contains("add org.bytedeco:cuda and org.bytedeco:javacpp"),
            e.getMessage());
      }
    }
  }
}
