package dev.fusedrnn.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Goal: what is written is read back, and no damaged file is. Method: damage each part. */
class SafetensorsTest {
  @TempDir private Path folder;

  private Path file(String header, int dataBytes) throws IOException {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    ByteBuffer bytes = ByteBuffer.allocate(8 + json.length + dataBytes);
    bytes.order(ByteOrder.LITTLE_ENDIAN).putLong(json.length).put(json);
    return Files.write(folder.resolve("t.safetensors"), bytes.array());
  }

  @Test
  void tensorsAndMetadataComeBack() throws IOException {
    Map<String, SafeTensor> tensors = new LinkedHashMap<>();
    tensors.put("single", SafeTensor.ofFloats(new float[] {1.5f, -2, Float.NaN}, 3));
    tensors.put("double", SafeTensor.ofDoubles(new double[] {1e-300, 7, 8, 9}, 2, 2));
    tensors.put("empty", SafeTensor.ofFloats(new float[0], 0, 5));
    tensors.put("scalar", SafeTensor.ofDoubles(new double[] {3}));
    Safetensors written = new Safetensors(tensors, Map.of("who", "ünï"));
    Path path = folder.resolve("x.safetensors");
    SafetensorsWriter.write(path, written);
    Safetensors read = SafetensorsReader.read(path);
    assertEquals(tensors.keySet(), read.tensors().keySet());
    assertArrayEquals(new double[] {1.5, -2, Double.NaN}, read.tensors().get("single").toDoubles());
    assertArrayEquals(new double[] {1e-300, 7, 8, 9}, read.tensors().get("double").toDoubles());
    assertArrayEquals(new long[] {0, 5}, read.tensors().get("empty").shape());
    assertEquals(0, read.tensors().get("scalar").shape().length);
    assertEquals(written.sha256(), read.sha256());
    assertEquals("ünï", read.metadata().get("who"));
    assertEquals(0, (Files.size(path) - 3 * 4 - 5 * 8) % 8, "data are aligned");
  }

  @Test
  void theChecksumSeesEveryPart() {
    SafeTensor tensor = SafeTensor.ofFloats(new float[] {1, 2}, 2);
    String base = new Safetensors(Map.of("a", tensor), Map.of("k", "v")).sha256();
    SafeTensor other = SafeTensor.ofFloats(new float[] {1, 3}, 2);
    SafeTensor shaped = SafeTensor.ofFloats(new float[] {1, 2}, 1, 2);
    assertNotEquals(base, new Safetensors(Map.of("a", other), Map.of("k", "v")).sha256());
    assertNotEquals(base, new Safetensors(Map.of("a", shaped), Map.of("k", "v")).sha256());
    assertNotEquals(base, new Safetensors(Map.of("b", tensor), Map.of("k", "v")).sha256());
    assertNotEquals(base, new Safetensors(Map.of("a", tensor), Map.of("k", "w")).sha256());
  }

  @Test
  void halfPrecisionIsConvertedExactly() throws IOException {
    String header =
        "{\"h\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[0,12]},"
            + "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[12,16]}}";
    Path path = file(header, 16);
    byte[] bytes = Files.readAllBytes(path);
    ByteBuffer data = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    data.position(bytes.length - 16);
    for (int bits : new int[] {0x3C00, 0xC000, 0x0001, 0x7BFF, 0xFC00, 0x7E00, 0x3F80, 0xC0A0}) {
      data.putShort((short) bits);
    }
    Files.write(path, bytes);
    Safetensors read = SafetensorsReader.read(path);
    assertArrayEquals(
        new double[] {1, -2, 0x1p-24, 65504, Double.NEGATIVE_INFINITY, Double.NaN},
        read.tensors().get("h").toDoubles());
    assertArrayEquals(new double[] {1, -5}, read.tensors().get("b").toDoubles());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}} | 4 | truncated: tensor a ends at 8",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]}} | 12 | 4 bytes after the last",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[4,12]}} | 12 | 4 bytes before tensor a",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},"
            + "'b':{'dtype':'F32','shape':[2],'data_offsets':[4,12]}} | 12 | overlaps another's",
        "{'a':{'dtype':'F32','shape':[3],'data_offsets':[0,8]}} | 8 | needs 12 bytes",
        "{'a':{'dtype':'F33','shape':[2],'data_offsets':[0,8]}} | 8 | unknown dtype F33; known",
        "{'a':{'dtype':'F32','shape':[-2],'data_offsets':[0,8]}} | 8 | expected counts from 0 up",
        "{'a':{'dtype':'F32','shape':[1.5],'data_offsets':[0,8]}} | 8 | expected counts from 0",
        "{'a':{'dtype':'F32','shape':[4611686018427387904,4],'data_offsets':[0,8]}} | 8 | too large",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[8,0]}} | 8 | needs 8 bytes",
        "{'a':{'dtype':'F32','shape':[2]}} | 8 | data_offsets is missing or not a list",
        "{'a':{'shape':[2],'data_offsets':[0,8]}} | 8 | expected dtype, shape and two",
        "{'a':{'dtype':'F32','shape':[2],'data_offsets':[0,8]},'a':{}} | 8 | Duplicate field",
        "{'__metadata__':{'k':1}} | 0 | the value of k is not a string",
        "[1,2] | 0 | its header is not a JSON object",
        "{'a' | 0 | its header is not JSON",
        "{}x | 0 | its header is not JSON"
      })
  void aDamagedHeaderIsRefused(String header, int data, String expected) throws IOException {
    Path path = file(header.replace('\'', '"'), data);
    FormatException e = assertThrows(FormatException.class, () -> SafetensorsReader.read(path));
    assertTrue(e.getMessage().contains("t.safetensors: not a usable safetensors file: "));
    assertTrue(e.getMessage().contains(expected), e.getMessage());
  }

  @Test
  void aHeaderLengthThatCannotBeIsRefused() throws IOException {
    Path path = folder.resolve("l.safetensors");
    for (long length : new long[] {-1, 0, 1, 100_000_001, 50}) {
      byte[] bytes = new byte[20];
      ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(length);
      Files.write(path, bytes);
      assertThrows(FormatException.class, () -> SafetensorsReader.read(path), "" + length);
    }
    Files.write(path, new byte[7]);
    FormatException e = assertThrows(FormatException.class, () -> SafetensorsReader.read(path));
    assertTrue(e.getMessage().endsWith("it has 7 bytes and cannot hold a header length of 8"));
  }

  @Test
  void everyTruncationIsFound() throws IOException {
    Path path = folder.resolve("x.safetensors");
    SafetensorsWriter.write(
        path,
        new Safetensors(
            Map.of("a", SafeTensor.ofFloats(new float[] {1, 2, 3}, 3)), Map.of("k", "v")));
    byte[] whole = Files.readAllBytes(path);
    for (int length = 0; length < whole.length; length++) {
      Files.write(path, Arrays.copyOf(whole, length));
      assertThrows(FormatException.class, () -> SafetensorsReader.read(path), "at " + length);
    }
  }

  @Test
  void missingFilesAndFoldersAreNamed() {
    Path missing = folder.resolve("none");
    assertEquals(
        missing + ": there is no such file",
        assertThrows(FormatException.class, () -> SafetensorsReader.read(missing)).getMessage());
    assertEquals(
        folder + ": is a folder; expected a safetensors file",
        assertThrows(FormatException.class, () -> SafetensorsReader.read(folder)).getMessage());
  }
}
