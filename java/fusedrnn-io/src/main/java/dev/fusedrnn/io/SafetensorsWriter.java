package dev.fusedrnn.io;

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
import java.util.List;
import java.util.Map;

/** Writes safetensors files; the format is told at {@link SafetensorsReader}. */
public final class SafetensorsWriter {
  private SafetensorsWriter() {}

  /**
   * Writes a whole file, atomically.
   *
   * @param file replaced where it exists
   * @param content what to write; wider types come first in the file, so that each is aligned
   * @throws IOException where that cannot be done; an older file then stays as it was
   */
  public static void write(Path file, Safetensors content) throws IOException {
    List<Map.Entry<String, SafeTensor>> ordered = new ArrayList<>(content.tensors().entrySet());
    ordered.sort(Comparator.comparingInt(e -> -e.getValue().type().bytes()));
    byte[] header = header(ordered, content.metadata());
    AtomicFile.replace(
        file,
        channel -> {
          writeFully(
              channel,
              ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(header.length).flip());
          writeFully(channel, ByteBuffer.wrap(header));
          for (Map.Entry<String, SafeTensor> e : ordered) {
            writeFully(channel, ByteBuffer.wrap(e.getValue().data()));
          }
        });
  }

  private static byte[] header(
      List<Map.Entry<String, SafeTensor>> tensors, Map<String, String> metadata) {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    if (!metadata.isEmpty()) {
      ObjectNode table = root.putObject("__metadata__");
      metadata.forEach(table::put);
    }
    long position = 0;
    for (Map.Entry<String, SafeTensor> e : tensors) {
      SafeTensor tensor = e.getValue();
      ObjectNode node = root.putObject(e.getKey());
      node.put("dtype", tensor.type().name());
      Arrays.stream(tensor.shape()).forEach(node.putArray("shape")::add);
      long end = position + tensor.data().length;
      node.putArray("data_offsets").add(position).add(end);
      position = end;
    }
    byte[] json = root.toString().getBytes(StandardCharsets.UTF_8);
    byte[] padded = Arrays.copyOf(json, (json.length + 7) / 8 * 8);
    Arrays.fill(padded, json.length, padded.length, (byte) ' ');
    return padded;
  }

  private static void writeFully(FileChannel channel, ByteBuffer data) throws IOException {
    while (data.hasRemaining()) {
      channel.write(data);
    }
  }
}
