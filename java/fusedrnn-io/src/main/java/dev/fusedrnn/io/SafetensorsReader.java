package dev.fusedrnn.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** Reads a safetensors file and trusts nothing in it; tensors below 2 GiB each are supported. */
public final class SafetensorsReader {
  private SafetensorsReader() {}

  /**
   * Reads a whole file.
   *
   * @param file a safetensors file
   * @return its tensors and metadata
   * @throws FormatException that says what is wrong with it and where
   */
  public static Safetensors read(Path file) {
    return reading(file, channel -> read(file, channel));
  }

  private static Safetensors read(Path file, FileChannel channel) throws IOException {
    SafetensorsHeader header = SafetensorsHeader.read(file, channel);
    Map<String, SafeTensor> tensors = new LinkedHashMap<>();
    for (SafetensorsHeader.Entry e : header.entries()) {
      if (e.bytes() > Integer.MAX_VALUE - 8) {
        throw new FormatException(
            String.format(
                "%s: not a usable safetensors file: tensor %s: has %d bytes; tensors below 2 GiB"
                    + " are supported",
                file, e.name(), e.bytes()));
      }
      ByteBuffer data = ByteBuffer.allocate((int) e.bytes());
      SafetensorsHeader.readFully(file, channel, header.dataStart() + e.begin(), data);
      tensors.put(e.name(), new SafeTensor(e.type(), e.shape(), data.array()));
    }
    return new Safetensors(tensors, header.metadata());
  }

  /** What is done with an opened file. */
  @FunctionalInterface
  interface Reading<R> {
    R from(FileChannel channel) throws IOException;
  }

  /** Opens a file and says in one sentence why it cannot be read, where it cannot. */
  static <R> R reading(Path file, Reading<R> reading) {
    if (Files.isDirectory(file)) {
      throw new FormatException(file + ": is a folder; expected a safetensors file");
    }
    try (FileChannel channel = FileChannel.open(file)) {
      return reading.from(channel);
    } catch (NoSuchFileException e) {
      throw new FormatException(file + ": there is no such file", e);
    } catch (IOException e) {
      throw new FormatException(file + ": cannot be read (" + e + ")", e);
    }
  }
}
