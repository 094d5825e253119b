package dev.fusedrnn.io;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads a safetensors file and trusts nothing in it. The format: 8 bytes little-endian with the
 * length of a JSON header; the header, which gives every tensor {@code dtype}, {@code shape} and
 * {@code data_offsets}; then the data, which the tensors must cover without gap or overlap.
 */
public final class SafetensorsReader {
  /** The format's own limit. */
  private static final long MAX_HEADER_BYTES = 100_000_000;

  private final Path file;

  private SafetensorsReader(Path file) {
    this.file = file;
  }

  private record Entry(String name, ElementType type, long[] shape, long begin, long end) {}

  /**
   * Reads a whole file.
   *
   * @param file a safetensors file
   * @return its tensors and metadata
   * @throws FormatException that says what is wrong with it and where
   */
  public static Safetensors read(Path file) {
    if (Files.isDirectory(file)) {
      throw new FormatException(file + ": is a folder; expected a safetensors file");
    }
    try (FileChannel channel = FileChannel.open(file)) {
      return new SafetensorsReader(file).read(channel);
    } catch (NoSuchFileException e) {
      throw new FormatException(file + ": there is no such file", e);
    } catch (IOException e) {
      throw new FormatException(file + ": cannot be read (" + e + ")", e);
    }
  }

  private Safetensors read(FileChannel channel) throws IOException {
    long size = channel.size();
    if (size < 8) {
      throw bad("it has %d bytes and cannot hold a header length of 8", size);
    }
    long headerBytes =
        ByteBuffer.wrap(bytes(channel, 0, 8)).order(ByteOrder.LITTLE_ENDIAN).getLong();
    if (headerBytes < 2 || headerBytes > MAX_HEADER_BYTES) {
      throw bad(
          "its header claims %s bytes; 2 to %d are possible",
          Long.toUnsignedString(headerBytes), MAX_HEADER_BYTES);
    }
    if (8 + headerBytes > size) {
      throw bad("truncated: the header needs %d bytes and the file has %d", 8 + headerBytes, size);
    }
    JsonNode header = parse(bytes(channel, 8, (int) headerBytes));
    Map<String, String> metadata = new LinkedHashMap<>();
    List<Entry> entries = new ArrayList<>();
    for (Map.Entry<String, JsonNode> field : header.properties()) {
      if (field.getKey().equals("__metadata__")) {
        readMetadata(field.getValue(), metadata);
      } else {
        entries.add(entry(field.getKey(), field.getValue()));
      }
    }
    long start = 8 + headerBytes;
    checkCover(entries, size - start);
    Map<String, SafeTensor> tensors = new LinkedHashMap<>();
    for (Entry e : entries) {
      byte[] data = bytes(channel, start + e.begin, (int) (e.end - e.begin));
      tensors.put(e.name, new SafeTensor(e.type, e.shape, data));
    }
    return new Safetensors(tensors, metadata);
  }

  private JsonNode parse(byte[] header) throws IOException {
    try {
      JsonNode node = StrictJson.parse(header);
      if (node == null || !node.isObject()) {
        throw bad("its header is not a JSON object");
      }
      return node;
    } catch (JsonProcessingException e) {
      throw bad("its header is not JSON (%s)", e.getOriginalMessage());
    }
  }

  private void readMetadata(JsonNode node, Map<String, String> metadata) {
    if (!node.isObject()) {
      throw bad("__metadata__ is not an object");
    }
    for (Map.Entry<String, JsonNode> field : node.properties()) {
      if (!field.getValue().isTextual()) {
        throw bad("__metadata__: the value of %s is not a string", field.getKey());
      }
      metadata.put(field.getKey(), field.getValue().textValue());
    }
  }

  private Entry entry(String name, JsonNode node) {
    JsonNode type = node.path("dtype");
    long[] shape = longs(name, "shape", node.path("shape"));
    long[] offsets = longs(name, "data_offsets", node.path("data_offsets"));
    if (!node.isObject() || !type.isTextual() || offsets.length != 2) {
      throw bad("tensor %s: expected dtype, shape and two data_offsets", name);
    }
    ElementType elementType =
        Arrays.stream(ElementType.values())
            .filter(t -> t.name().equals(type.textValue()))
            .findFirst()
            .orElseThrow(
                () ->
                    bad(
                        "tensor %s: unknown dtype %s; known are %s",
                        name, type.textValue(), Arrays.toString(ElementType.values())));
    long expected = elementType.bytes();
    try {
      for (long size : shape) {
        expected = Math.multiplyExact(expected, size);
      }
    } catch (ArithmeticException e) {
      throw bad("tensor %s: its shape %s is too large", name, Arrays.toString(shape));
    }
    if (offsets[1] - offsets[0] != expected) {
      throw bad(
          "tensor %s: %s %s needs %d bytes, its data_offsets %s hold %d",
          name,
          elementType,
          Arrays.toString(shape),
          expected,
          Arrays.toString(offsets),
          offsets[1] - offsets[0]);
    }
    if (expected > Integer.MAX_VALUE - 8) {
      throw bad("tensor %s: has %d bytes; tensors below 2 GiB are supported", name, expected);
    }
    return new Entry(name, elementType, shape, offsets[0], offsets[1]);
  }

  private long[] longs(String tensor, String key, JsonNode node) {
    if (!node.isArray()) {
      throw bad("tensor %s: %s is missing or not a list", tensor, key);
    }
    long[] values = new long[node.size()];
    for (int k = 0; k < values.length; k++) {
      JsonNode value = node.get(k);
      if (!value.isIntegralNumber() || !value.canConvertToLong() || value.longValue() < 0) {
        throw bad("tensor %s: %s holds %s; expected counts from 0 up", tensor, key, value);
      }
      values[k] = value.longValue();
    }
    return values;
  }

  /** The tensors must cover [0, bytes) exactly: the format forbids gaps and overlaps. */
  private void checkCover(List<Entry> entries, long bytes) {
    List<Entry> sorted = new ArrayList<>(entries);
    sorted.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    long position = 0;
    for (Entry e : sorted) {
      if (e.begin < position) {
        throw bad("tensor %s: its data begins at %d and overlaps another's", e.name, e.begin);
      }
      if (e.begin > position) {
        throw bad("%d bytes before tensor %s belong to none", e.begin - position, e.name);
      }
      if (e.end > bytes) {
        throw bad("truncated: tensor %s ends at %d and there are %d bytes", e.name, e.end, bytes);
      }
      position = e.end;
    }
    if (position != bytes) {
      throw bad("%d bytes after the last tensor belong to none", bytes - position);
    }
  }

  private byte[] bytes(FileChannel channel, long position, int count) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(count);
    while (buffer.hasRemaining()) {
      if (channel.read(buffer, position + buffer.position()) < 0) {
        throw bad("truncated: it became shorter while it was read");
      }
    }
    return buffer.array();
  }

  private FormatException bad(String format, Object... arguments) {
    return new FormatException(
        file + ": not a usable safetensors file: " + String.format(format, arguments));
  }
}
