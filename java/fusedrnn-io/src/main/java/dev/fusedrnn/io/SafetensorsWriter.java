package dev.fusedrnn.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/** Writes safetensors files. */
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
    List<SafetensorsHeader.Entry> entries = new ArrayList<>();
    content
        .tensors()
        .forEach((name, t) -> entries.add(SafetensorsHeader.entry(name, t.type(), t.shape())));
    SafetensorsHeader header = SafetensorsHeader.layOut(entries, content.metadata());
    AtomicFile.replace(
        file,
        channel -> {
          SafetensorsHeader.writeFully(channel, ByteBuffer.wrap(header.toBytes()));
          for (SafetensorsHeader.Entry e : header.entries()) {
            SafeTensor tensor = Objects.requireNonNull(content.get(e.name()));
            SafetensorsHeader.writeFully(channel, ByteBuffer.wrap(tensor.data()));
          }
        });
  }
}
