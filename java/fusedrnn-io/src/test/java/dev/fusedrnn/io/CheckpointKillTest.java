package dev.fusedrnn.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Goal: a kill at any moment leaves the last good checkpoint. Method: a process of its own saves
 * one after another, each of another content, and is killed without warning at a drawn moment, most
 * often in the middle of a file; the next one goes on from what was left. Seed 41.
 */
class CheckpointKillTest {
  private static final int ROUNDS = 12;
  private static final int ELEMENTS = 1 << 20; // 4 MiB: a save takes longer than what is between

  @TempDir private Path folder;

  /** Saves for ever: every element and the value {@code step} are the number of the save. */
  static final class Writer {
    private Writer() {}

    public static void main(String... arguments) throws IOException {
      Path file = Path.of(arguments[0]);
      try (Device device = Device.open(Backend.REFERENCE);
          DeviceBuffer tensor = device.allocate(DType.F32, ELEMENTS)) {
        Checkpoint checkpoint = checkpoint(tensor);
        long step = Files.exists(file) ? step(checkpoint.restore(file)) : 0;
        System.out.println("at " + step);
        float[] values = new float[ELEMENTS];
        while (true) {
          step++;
          Arrays.fill(values, step);
          tensor.write(values);
          checkpoint.save(
              file, new Checkpoint.HostState(Map.of("step", Long.toString(step)), Map.of()));
          System.out.println("saved " + step);
        }
      }
    }
  }

  private static Checkpoint checkpoint(DeviceBuffer tensor) {
    return Checkpoint.of(Map.of("test", "kill")).bind("tensor", tensor);
  }

  private static long step(Checkpoint.HostState host) {
    return Long.parseLong(host.values().get("step"));
  }

  @Test
  @Timeout(value = 180, unit = TimeUnit.SECONDS)
  void aKilledWriterLeavesAWholeCheckpoint() throws IOException, InterruptedException {
    Path file = folder.resolve("c.safetensors");
    SplittableRandom random = new SplittableRandom(41);
    int cut = 0;
    long step = 0;
    try (Device device = Device.open(Backend.REFERENCE);
        DeviceBuffer tensor = device.allocate(DType.F32, ELEMENTS)) {
      for (int round = 0; round < ROUNDS; round++) {
        long confirmed = writeAndKill(file, random.nextInt(5, 120));
        cut += temporaries() > 0 ? 1 : 0;
        long found = step(checkpoint(tensor).restore(file));
        String where = "round " + round + ": confirmed " + confirmed + ", found " + found;
        assertTrue(found >= confirmed && found >= step, where);
        assertTrue(found <= confirmed + 1, where);
        float[] values = tensor.readFloats();
        for (int k = 0; k < ELEMENTS; k++) {
          assertEquals(found, values[k], where);
        }
        step = found;
      }
    }
    assertTrue(cut > 0, "no round was killed in the middle of a file");
  }

  /**
   * Starts a writer, kills it a while after its first save, and gives the last that it confirmed.
   */
  private static long writeAndKill(Path file, int milliseconds)
      throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                ProcessHandle.current().info().command().orElse("java"),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                Writer.class.getName(),
                file.toString())
            .redirectErrorStream(true)
            .start();
    try (BufferedReader out = process.inputReader()) {
      String line = out.readLine();
      assertTrue(line != null && line.startsWith("at "), line);
      line = out.readLine();
      Thread.sleep(milliseconds);
      // Not process.destroyForcibly(), which closes the stream that is read below.
      process.toHandle().destroyForcibly();
      List<String> rest = out.lines().toList();
      process.waitFor();
      String last = rest.isEmpty() ? line : rest.get(rest.size() - 1);
      assertTrue(last != null && last.startsWith("saved "), last);
      return Long.parseLong(last.substring("saved ".length()));
    }
  }

  private long temporaries() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(path -> path.toString().contains("tmp")).count();
    }
  }
}
