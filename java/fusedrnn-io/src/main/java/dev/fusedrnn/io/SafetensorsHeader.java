package dev.fusedrnn.io;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The header of a safetensors file, read without trust. The format: 8 bytes little-endian with the
 * length of a JSON header; the header, which gives every tensor {@code dtype}, {@code shape} and
 * {@code data_offsets}; then the data, which the tensors must cover without gap or overlap.
 *
 * @param entries the tensors, in the order of the header
 * @param metadata the table {@code __metadata__}
 * @param json the header's bytes, without their length
 */
record SafetensorsHeader(List<Entry> entries, Map<String, String> metadata, byte[] json) {
  /** The format's own limit. */
  private static final long MAX_HEADER_BYTES = 100_000_000;

  /**
   * One tensor.
   *
   * @param name its name
   * @param type of its elements
   * @param shape its sizes
   * @param begin first byte, counted from the start of the data
   * @param end the byte after the last
   */
  record Entry(String name, ElementType type, long[] shape, long begin, long end) {
    long bytes() {
      return end - begin;
    }
  }

  /** Where the data begin in the file. */
  long dataStart() {
    return 8 + json.length;
  }

  /** The length field and the header, as a file begins. */
  byte[] toBytes() {
    return ByteBuffer.allocate(8 + json.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(json.length)
        .put(json)
        .array();
  }

  /** A tensor to be laid out, its place not yet known. */
  static Entry entry(String name, ElementType type, long... shape) {
    long bytes = type.bytes();
    for (long size : shape) {
      bytes = Math.multiplyExact(bytes, size);
    }
    return new Entry(name, type, shape.clone(), 0, bytes);
  }

  /** Lays tensors out, wider types first, so that each is aligned, and writes the header. */
  static SafetensorsHeader layOut(List<Entry> tensors, Map<String, String> metadata) {
    List<Entry> ordered = new ArrayList<>(tensors);
    ordered.sort(Comparator.comparingInt(e -> -e.type.bytes()));
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    if (!metadata.isEmpty()) {
      ObjectNode table = root.putObject("__metadata__");
      metadata.forEach(table::put);
    }
    long position = 0;
    for (int k = 0; k < ordered.size(); k++) {
      Entry e = ordered.get(k);
      long end = Math.addExact(position, e.bytes());
      ordered.set(k, new Entry(e.name, e.type, e.shape, position, end));
      ObjectNode node = root.putObject(e.name);
      node.put("dtype", e.type.name());
      Arrays.stream(e.shape).forEach(node.putArray("shape")::add);
      node.putArray("data_offsets").add(position).add(end);
      position = end;
    }
    byte[] json = root.toString().getBytes(StandardCharsets.UTF_8);
    byte[] padded = Arrays.copyOf(json, (json.length + 7) / 8 * 8);
    Arrays.fill(padded, json.length, padded.length, (byte) ' ');
    return new SafetensorsHeader(List.copyOf(ordered), new LinkedHashMap<>(metadata), padded);
  }

  /**
   * Reads and checks the header of a file.
   *
   * @param file for messages
   * @param channel the file
   * @throws FormatException that says what is wrong with it and where
   */
  static SafetensorsHeader read(Path file, FileChannel channel) throws IOException {
    return new Reader(file).read(channel);
  }

  /** Fills a buffer from a place in a file. */
  static void readFully(Path file, FileChannel channel, long position, ByteBuffer buffer)
      throws IOException {
    long start = position - buffer.position();
    while (buffer.hasRemaining()) {
      if (channel.read(buffer, start + buffer.position()) < 0) {
        throw new Reader(file).bad("truncated: it became shorter while it was read");
      }
    }
  }

  /** Writes all of a buffer. */
  static void writeFully(FileChannel channel, ByteBuffer data) throws IOException {
    while (data.hasRemaining()) {
      channel.write(data);
    }
  }

  private record Reader(Path file) {
    SafetensorsHeader read(FileChannel channel) throws IOException {
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
        throw bad(
            "truncated: the header needs %d bytes and the file has %d", 8 + headerBytes, size);
      }
      byte[] json = bytes(channel, 8, (int) headerBytes);
      Map<String, String> metadata = new LinkedHashMap<>();
      List<Entry> entries = new ArrayList<>();
      for (Map.Entry<String, JsonNode> field : parse(json).properties()) {
        if (field.getKey().equals("__metadata__")) {
          readMetadata(field.getValue(), metadata);
        } else {
          entries.add(entry(field.getKey(), field.getValue()));
        }
      }
      checkCover(entries, size - 8 - headerBytes);
      return new SafetensorsHeader(List.copyOf(entries), metadata, json);
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
      readFully(file, channel, position, buffer);
      return buffer.array();
    }

    private FormatException bad(String format, Object... arguments) {
      return new FormatException(
          file + ": not a usable safetensors file: " + String.format(format, arguments));
    }
  }
}
