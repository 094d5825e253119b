package dev.fusedrnn.io;

import dev.fusedrnn.DeviceBuffer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint on disk. The checksum is the SHA-256 of the whole file with 64 zeros in its own
 * place, so that nothing in the file is outside of it. Tensors go through one small buffer: neither
 * way needs host memory for more.
 */
final class CheckpointFile {
  static final String FORMAT = "fusedrnn-checkpoint";
  static final int VERSION = 1;

  private static final String IDENTITY = "identity.";
  private static final String VALUE = "value.";
  private static final String CHECKSUM = "sha256";
  private static final byte[] CHECKSUM_KEY =
      ("\"" + CHECKSUM + "\":\"").getBytes(StandardCharsets.US_ASCII);
  private static final int CHECKSUM_LENGTH = 64;
  private static final int CHUNK_BYTES = 1 << 20;

  private final Path file;
  private final FileChannel channel;
  private final SafetensorsHeader header;

  private CheckpointFile(Path file, FileChannel channel, SafetensorsHeader header) {
    this.file = file;
    this.channel = channel;
    this.header = header;
  }

  /** The type of a tensor in a file. */
  static ElementType type(DeviceBuffer tensor) {
    return ElementType.valueOf(tensor.dtype().name());
  }

  /** Writes a file, atomically. */
  static void write(
      Path file,
      Map<String, String> identity,
      Map<String, DeviceBuffer> tensors,
      Checkpoint.HostState host)
      throws IOException {
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put(CHECKSUM, "0".repeat(CHECKSUM_LENGTH));
    metadata.put("format", FORMAT);
    metadata.put("version", Integer.toString(VERSION));
    identity.forEach((key, value) -> metadata.put(IDENTITY + key, value));
    host.values().forEach((key, value) -> metadata.put(VALUE + key, value));
    List<SafetensorsHeader.Entry> entries = new ArrayList<>();
    tensors.forEach((name, t) -> entries.add(SafetensorsHeader.entry(name, type(t), t.shape())));
    host.series()
        .forEach(
            (name, values) ->
                entries.add(
                    SafetensorsHeader.entry(
                        Checkpoint.SERIES + name, ElementType.F64, values.length)));
    SafetensorsHeader header = SafetensorsHeader.layOut(entries, metadata);
    AtomicFile.replace(file, channel -> new Writer(channel).write(header, tensors, host.series()));
  }

  /** Writes and sums up. */
  private static final class Writer {
    private final FileChannel channel;
    private final MessageDigest digest = sha256();
    private final ByteBuffer chunk =
        ByteBuffer.allocate(CHUNK_BYTES).order(ByteOrder.LITTLE_ENDIAN);

    Writer(FileChannel channel) {
      this.channel = channel;
    }

    void write(
        SafetensorsHeader header, Map<String, DeviceBuffer> tensors, Map<String, double[]> series)
        throws IOException {
      put(ByteBuffer.wrap(header.toBytes()));
      for (SafetensorsHeader.Entry e : header.entries()) {
        @Nullable DeviceBuffer tensor = tensors.get(e.name());
        if (tensor != null) {
          put(tensor);
        } else {
          String name = e.name().substring(Checkpoint.SERIES.length());
          put(Objects.requireNonNull(series.get(name)));
        }
      }
      String sum = HexFormat.of().formatHex(digest.digest());
      channel.position(8 + checksumAt(header.json()));
      SafetensorsHeader.writeFully(
          channel, ByteBuffer.wrap(sum.getBytes(StandardCharsets.US_ASCII)));
    }

    private void put(DeviceBuffer tensor) throws IOException {
      int unit = tensor.dtype().bytes();
      for (long at = 0; at < tensor.length(); at += CHUNK_BYTES / unit) {
        long count = Math.min(CHUNK_BYTES / unit, tensor.length() - at);
        chunk.clear().limit((int) count * unit);
        tensor.slice(at, count).readInto(chunk);
        put(chunk.flip());
      }
    }

    private void put(double[] values) throws IOException {
      for (int at = 0; at < values.length; at += CHUNK_BYTES / 8) {
        int count = Math.min(CHUNK_BYTES / 8, values.length - at);
        chunk.clear().limit(8 * count);
        chunk.asDoubleBuffer().put(values, at, count);
        put(chunk);
      }
    }

    private void put(ByteBuffer bytes) throws IOException {
      digest.update(bytes.duplicate());
      SafetensorsHeader.writeFully(channel, bytes);
    }
  }

  /**
   * Checks a file for all that can be checked without knowing what it is for.
   *
   * @throws FormatException saying what is wrong
   */
  static CheckpointFile open(Path file, FileChannel channel) throws IOException {
    SafetensorsHeader header = SafetensorsHeader.read(file, channel);
    if (!FORMAT.equals(header.metadata().get("format"))) {
      throw new FormatException(
          file + ": is not a checkpoint of fusedrnn (its format is not " + FORMAT + ")");
    }
    String version = String.valueOf(header.metadata().get("version"));
    if (!version.equals(Integer.toString(VERSION))) {
      throw new FormatException(
          String.format(
              "%s: is a checkpoint of version %s; this program reads version %d: use the program"
                  + " that wrote it",
              file, version, VERSION));
    }
    CheckpointFile opened = new CheckpointFile(file, channel, header);
    opened.checkSum();
    return opened;
  }

  private void checkSum() throws IOException {
    byte[] json = header.json().clone();
    int at = checksumAt(json);
    boolean fits = at >= 0 && at + CHECKSUM_LENGTH <= json.length;
    String expected =
        fits ? new String(json, at, CHECKSUM_LENGTH, StandardCharsets.US_ASCII) : "none";
    if (fits) {
      Arrays.fill(json, at, at + CHECKSUM_LENGTH, (byte) '0');
    }
    MessageDigest digest = sha256();
    digest.update(new SafetensorsHeader(header.entries(), header.metadata(), json).toBytes());
    ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES);
    long size = channel.size();
    for (long position = header.dataStart(); position < size; position += CHUNK_BYTES) {
      chunk.clear().limit((int) Math.min(CHUNK_BYTES, size - position));
      SafetensorsHeader.readFully(file, channel, position, chunk);
      digest.update(chunk.flip());
    }
    String got = HexFormat.of().formatHex(digest.digest());
    if (!got.equals(expected)) {
      throw new FormatException(
          String.format(
              "%s: is damaged: it was saved with the checksum %s and its content has %s; use an"
                  + " older copy",
              file, expected, got));
    }
  }

  /** Where the checksum stands in the header; the first key of the first table is its name. */
  private static int checksumAt(byte[] json) {
    for (int at = 0; at + CHECKSUM_KEY.length <= json.length; at++) {
      if (Arrays.equals(json, at, at + CHECKSUM_KEY.length, CHECKSUM_KEY, 0, CHECKSUM_KEY.length)) {
        return at + CHECKSUM_KEY.length;
      }
    }
    return -1;
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  /** What the file says that it is a checkpoint of. */
  Map<String, String> identity() {
    return metadata(IDENTITY);
  }

  /** Its tensors beside the series. */
  Map<String, SafetensorsHeader.Entry> tensors() {
    Map<String, SafetensorsHeader.Entry> tensors = new LinkedHashMap<>();
    for (SafetensorsHeader.Entry e : header.entries()) {
      if (!e.name().startsWith(Checkpoint.SERIES)) {
        tensors.put(e.name(), e);
      }
    }
    return tensors;
  }

  /** What the host knew. */
  Checkpoint.HostState host() throws IOException {
    Map<String, double[]> series = new LinkedHashMap<>();
    for (SafetensorsHeader.Entry e : header.entries()) {
      if (e.name().startsWith(Checkpoint.SERIES)) {
        series.put(e.name().substring(Checkpoint.SERIES.length()), doubles(e));
      }
    }
    return new Checkpoint.HostState(metadata(VALUE), series);
  }

  private double[] doubles(SafetensorsHeader.Entry entry) throws IOException {
    if (entry.type() != ElementType.F64 || entry.bytes() > Integer.MAX_VALUE - 8) {
      throw new FormatException(
          file + ": " + entry.name() + ": expected F64 below 2 GiB, got " + entry.type());
    }
    ByteBuffer bytes = ByteBuffer.allocate((int) entry.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    SafetensorsHeader.readFully(file, channel, header.dataStart() + entry.begin(), bytes);
    double[] values = new double[bytes.capacity() / 8];
    bytes.flip().asDoubleBuffer().get(values);
    return values;
  }

  private Map<String, String> metadata(String prefix) {
    Map<String, String> found = new TreeMap<>();
    header
        .metadata()
        .forEach(
            (key, value) -> {
              if (key.startsWith(prefix)) {
                found.put(key.substring(prefix.length()), value);
              }
            });
    return found;
  }

  /** Copies a tensor of the file to the device; type and shape were compared before. */
  void readInto(String name, DeviceBuffer tensor) throws IOException {
    SafetensorsHeader.Entry entry = Objects.requireNonNull(tensors().get(name));
    long start = header.dataStart() + entry.begin();
    int unit = tensor.dtype().bytes();
    ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES);
    for (long at = 0; at < tensor.length(); at += CHUNK_BYTES / unit) {
      long count = Math.min(CHUNK_BYTES / unit, tensor.length() - at);
      chunk.clear().limit((int) count * unit);
      SafetensorsHeader.readFully(file, channel, start + at * unit, chunk);
      tensor.slice(at, count).write(chunk.flip());
    }
  }
}
