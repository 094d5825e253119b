package dev.fusedrnn.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Goal: what was saved comes back to the bit, on every backend, and a file that does not fit is
 * refused before anything is overwritten. Method: tensors of every type, one larger than the buffer
 * that they go through; then each byte of a file changed, each length cut, each claim altered.
 */
class CheckpointTest {
  private static final Map<String, String> IDENTITY = Map.of("hidden", "7", "cell", "lstm");
  private static final Checkpoint.HostState NOTHING = new Checkpoint.HostState(Map.of(), Map.of());

  @TempDir private Path folder;

  private static byte[] bytes(DeviceBuffer tensor) {
    ByteBuffer bytes = ByteBuffer.allocate((int) tensor.bytes()).order(ByteOrder.nativeOrder());
    tensor.readInto(bytes);
    return bytes.array();
  }

  private static byte[] fill(DeviceBuffer tensor, SplittableRandom random) {
    byte[] bytes = new byte[(int) tensor.bytes()];
    random.nextBytes(bytes);
    tensor.write(ByteBuffer.wrap(bytes));
    return bytes;
  }

  private static Checkpoint bound(Map<String, DeviceBuffer> tensors) {
    return Checkpoint.of(IDENTITY).bind("", tensors);
  }

  @ParameterizedTest
  @EnumSource(
      value = Backend.class,
      names = {"REFERENCE", "CPU", "EMULATED"})
  void everyBitComesBack(Backend backend) throws IOException {
    Path file = folder.resolve("c.safetensors");
    SplittableRandom random = new SplittableRandom(31);
    try (Device device = Device.open(backend)) {
      Map<String, DeviceBuffer> tensors = new LinkedHashMap<>();
      tensors.put("halves", device.allocate(DType.F16, 3));
      tensors.put("singles", device.allocate(DType.F32, 700, 451)); // more than 1 MiB
      tensors.put("brains", device.allocate(DType.BF16, 5, 1, 3));
      tensors.put("none", device.allocate(DType.F32, 0, 9));
      tensors.put("ids", device.allocate(DType.I32, 11));
      tensors.put("doubles", device.allocate(DType.F64));
      Map<String, byte[]> expected = new LinkedHashMap<>();
      tensors.forEach((name, tensor) -> expected.put(name, fill(tensor, random)));
      double[] losses = random.doubles(140_001).toArray();
      losses[3] = Double.NaN;
      bound(tensors)
          .save(
              file,
              new Checkpoint.HostState(
                  Map.of("step", "9000000000", "note", "ünï\"\n"),
                  Map.of("losses", losses, "empty", new double[0])));
      tensors.values().forEach(tensor -> fill(tensor, random));
      Checkpoint.HostState host = bound(tensors).restore(file);
      tensors.forEach((name, tensor) -> assertArrayEquals(expected.get(name), bytes(tensor), name));
      assertEquals(Map.of("step", "9000000000", "note", "ünï\"\n"), host.values());
      assertArrayEquals(losses, host.series().get("losses"));
      assertEquals(0, host.series().get("empty").length);
      tensors.values().forEach(DeviceBuffer::close);
    }
    Safetensors open = SafetensorsReader.read(file);
    assertEquals("fusedrnn-checkpoint", open.metadata().get("format"), "any reader can read it");
    assertArrayEquals(new long[] {700, 451}, open.tensors().get("singles").shape());
  }

  @Test
  void theSameStateGivesTheSameFile() throws IOException {
    try (Device device = Device.open(Backend.REFERENCE);
        DeviceBuffer tensor = device.allocate(DType.F32, 5)) {
      Checkpoint checkpoint = Checkpoint.of(IDENTITY).bind("a", tensor);
      Path one = folder.resolve("one");
      Path two = folder.resolve("two");
      checkpoint.save(one, NOTHING);
      checkpoint.save(two, NOTHING);
      assertEquals(-1, Files.mismatch(one, two));
      try (Stream<Path> files = Files.list(folder)) {
        assertEquals(List.of(one, two), files.sorted().toList(), "nothing else is left behind");
      }
    }
  }

  @Test
  void everyChangedByteAndEveryTruncationIsRefused() throws IOException {
    try (Device device = Device.open(Backend.REFERENCE);
        DeviceBuffer tensor = device.allocate(DType.F32, 5)) {
      Checkpoint checkpoint = Checkpoint.of(IDENTITY).bind("a", tensor);
      Path file = folder.resolve("c");
      tensor.write(new float[] {1, 2, 3, 4, 5});
      checkpoint.save(
          file, new Checkpoint.HostState(Map.of("step", "3"), Map.of("l", new double[2])));
      byte[] whole = Files.readAllBytes(file);
      float[] before = {9, 8, 7, 6, 5};
      tensor.write(before);
      for (int at = 0; at < whole.length; at++) {
        byte[] damaged = whole.clone();
        damaged[at] ^= 0x04;
        Files.write(file, damaged);
        assertThrows(FormatException.class, () -> checkpoint.restore(file), "byte " + at);
        Files.write(file, Arrays.copyOf(whole, at));
        assertThrows(FormatException.class, () -> checkpoint.restore(file), "length " + at);
      }
      Files.write(file, Arrays.copyOf(whole, whole.length + 1));
      assertThrows(FormatException.class, () -> checkpoint.restore(file), "one byte more");
      assertArrayEquals(before, tensor.readFloats());
      Files.write(file, whole);
      assertEquals("3", checkpoint.restore(file).values().get("step"));
      assertArrayEquals(new float[] {1, 2, 3, 4, 5}, tensor.readFloats());
    }
  }

  @Test
  void whatDoesNotFitIsNamedAndNothingIsOverwritten() throws IOException {
    try (Device device = Device.open(Backend.REFERENCE);
        DeviceBuffer a = device.allocate(DType.F32, 2, 3);
        DeviceBuffer turned = device.allocate(DType.F32, 3, 2);
        DeviceBuffer halves = device.allocate(DType.F16, 2, 3)) {
      Path file = folder.resolve("c");
      float[] before = {1, 2, 3, 4, 5, 6};
      Checkpoint saved = Checkpoint.of(IDENTITY).bind("a", a);
      a.write(before);
      saved.save(file, NOTHING);
      a.write(before);
      turned.write(before);
      refused(
          file,
          Checkpoint.of(IDENTITY).bind("a", turned),
          "a: expected F32 [3, 2], got F32 [2, 3]");
      refused(
          file,
          Checkpoint.of(IDENTITY).bind("a", halves),
          "a: expected F16 [2, 3], got F32 [2, 3]");
      refused(
          file,
          Checkpoint.of(IDENTITY).bind("b", turned),
          "its tensors are others: missing [b], not expected [a]");
      refused(
          file,
          Checkpoint.of(Map.of("hidden", "8", "cell", "lstm", "seed", "1")).bind("a", a),
          "is a checkpoint of another training (hidden: expected 8, got 7; seed: expected 1, got"
              + " null)");
      assertArrayEquals(before, turned.readFloats());
      refused(folder.resolve("no"), saved, "there is no such file");
      refused(folder, saved, "is a folder");
      SafetensorsWriter.write(file, new Safetensors(Map.of(), Map.of("format", "other")));
      refused(file, saved, "is not a checkpoint of fusedrnn");
    }
  }

  @Test
  void anotherVersionIsRefusedByItsNumber() throws IOException {
    try (Device device = Device.open(Backend.REFERENCE);
        DeviceBuffer a = device.allocate(DType.F32, 1)) {
      Path file = folder.resolve("c");
      Checkpoint checkpoint = Checkpoint.of(IDENTITY).bind("a", a);
      checkpoint.save(file, NOTHING);
      String text = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
      String newer = text.replace("\"version\":\"1\"", "\"version\":\"2\"");
      Files.write(file, newer.getBytes(StandardCharsets.ISO_8859_1));
      refused(file, checkpoint, "is a checkpoint of version 2; this program reads version 1");
    }
  }

  @Test
  void aFailedSaveLeavesTheOldFile() throws IOException {
    try (Device device = Device.open(Backend.REFERENCE)) {
      Path file = folder.resolve("c");
      DeviceBuffer a = device.allocate(DType.F32, 3);
      Checkpoint checkpoint = Checkpoint.of(IDENTITY).bind("a", a);
      checkpoint.save(file, NOTHING);
      byte[] good = Files.readAllBytes(file);
      a.close();
      assertThrows(IllegalStateException.class, () -> checkpoint.save(file, NOTHING));
      assertArrayEquals(good, Files.readAllBytes(file));
      try (Stream<Path> files = Files.list(folder)) {
        assertEquals(List.of(file), files.toList());
      }
    }
  }

  @Test
  void whatAKilledProcessLeftIsDeleted() throws IOException {
    long gone = 4_194_305; // above the largest process number of Linux
    Path left = Files.createFile(folder.resolve("c.fusedrnn-tmp" + gone));
    Path alive = Files.createFile(folder.resolve("c.fusedrnn-tmp1"));
    Path other = Files.createFile(folder.resolve("d.fusedrnn-tmp" + gone));
    AtomicFile.replace(folder.resolve("c"), channel -> {});
    assertTrue(Files.notExists(left));
    assertTrue(Files.exists(alive), "process 1 lives and may be writing");
    assertTrue(Files.exists(other), "another file's");
  }

  @Test
  void namesAreUsedOnce() {
    try (Device device = Device.open(Backend.REFERENCE);
        DeviceBuffer a = device.allocate(DType.F32, 1)) {
      Checkpoint checkpoint = Checkpoint.of(IDENTITY).bind("a", a);
      for (String name : List.of("a", "series.a", "__metadata__")) {
        String message =
            assertThrows(IllegalArgumentException.class, () -> checkpoint.bind(name, a))
                .getMessage();
        assertTrue(message.endsWith("got " + name), message);
      }
    }
  }

  private static void refused(Path file, Checkpoint checkpoint, String part) {
    String message =
        assertThrows(FormatException.class, () -> checkpoint.restore(file)).getMessage();
    assertTrue(message.startsWith(file.toString()), message);
    assertTrue(message.contains(part), () -> "expected \"" + part + "\" in: " + message);
  }
}
