package dev.fusedrnn.io;

import dev.fusedrnn.DeviceBuffer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * Everything that training needs to go on as if it had never stopped: device tensors under names
 * (parameters, optimiser state, carried recurrent state), and what the host knows (step, position
 * in the data, how often a generator was asked). Bind the tensors once; then {@link #save} reads
 * them and {@link #restore} writes them.
 *
 * <p>A file is a safetensors file with a version, an identity and a checksum; {@code
 * docs/checkpoints.md} has the format. Saving replaces the file in one step: a process that is
 * killed at any moment leaves the last whole checkpoint. Threads: one at a time.
 */
public final class Checkpoint {
  /** What stands before the names of a file's series. */
  static final String SERIES = "series.";

  private final TreeMap<String, String> identity;
  private final LinkedHashMap<String, DeviceBuffer> tensors = new LinkedHashMap<>();

  /**
   * What the host knows.
   *
   * @param values for example {@code step} and its number in decimal
   * @param series for example the loss of every step; kept, not copied
   */
  public record HostState(Map<String, String> values, Map<String, double[]> series) {
    /**
     * Copies both maps, keeping their order.
     *
     * @param values by name
     * @param series by name
     */
    public HostState {
      values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
      series = Collections.unmodifiableMap(new LinkedHashMap<>(series));
    }

    /**
     * A whole number among the values.
     *
     * @param name of a value
     * @return at least 0
     * @throws FormatException where there is none of that name, or it is no such number
     */
    public long number(String name) {
      @Nullable String text = values.get(name);
      if (text == null || !text.matches("[0-9]{1,18}")) {
        throw new FormatException("value " + name + ": expected a whole number, got " + text);
      }
      return Long.parseLong(text);
    }

    /**
     * A series.
     *
     * @param name of a series
     * @return its numbers, not a copy
     * @throws FormatException where there is none of that name
     */
    public double[] series(String name) {
      double @Nullable [] numbers = series.get(name);
      if (numbers == null) {
        throw new FormatException(
            "series: expected one of the name " + name + ", got " + series.keySet());
      }
      return numbers;
    }
  }

  private Checkpoint(Map<String, String> identity) {
    this.identity = new TreeMap<>(identity);
  }

  /**
   * Begins a checkpoint.
   *
   * @param identity what must be equal where one is restored: sizes of the model, settings of the
   *     training, a hash of the text
   * @return nothing bound yet
   */
  public static Checkpoint of(Map<String, String> identity) {
    return new Checkpoint(identity);
  }

  /**
   * Binds a tensor.
   *
   * @param name not used before; not beginning with {@code series.}
   * @param tensor read by {@link #save}, written by {@link #restore}
   * @return this
   * @throws IllegalArgumentException for another name
   */
  public Checkpoint bind(String name, DeviceBuffer tensor) {
    Objects.requireNonNull(tensor, name);
    if (name.startsWith(SERIES) || name.equals("__metadata__")) {
      throw new IllegalArgumentException(
          "name: expected none that begins with " + SERIES + ", nor __metadata__, got " + name);
    }
    if (tensors.putIfAbsent(name, tensor) != null) {
      throw new IllegalArgumentException("name: expected one not used before, got " + name);
    }
    return this;
  }

  /**
   * Binds tensors.
   *
   * @param prefix what stands before each name; may be empty
   * @param named by name
   * @return this
   * @throws IllegalArgumentException for a name used before
   */
  public Checkpoint bind(String prefix, Map<String, DeviceBuffer> named) {
    named.forEach((name, tensor) -> bind(prefix + name, tensor));
    return this;
  }

  /**
   * Waits for the device and saves, atomically: a new file is written, forced to the disk and put
   * in the place of the old one.
   *
   * @param file replaced where it exists
   * @param host what the host knows
   * @throws IOException where that cannot be done; an older file then stays as it was
   */
  public void save(Path file, HostState host) throws IOException {
    CheckpointFile.write(file, identity, tensors, host);
  }

  /**
   * Reads a file into the bound tensors. Before the first of them is written the whole file is
   * checked: version, checksum, identity, and name, type and shape of every tensor.
   *
   * @param file a checkpoint
   * @return what the host knew
   * @throws FormatException saying why the file does not fit; the tensors are then as they were
   */
  public HostState restore(Path file) {
    return SafetensorsReader.reading(
        file,
        channel -> {
          CheckpointFile source = CheckpointFile.open(file, channel);
          checkIdentity(file, source.identity());
          checkTensors(file, source);
          HostState host = source.host();
          for (Map.Entry<String, DeviceBuffer> e : tensors.entrySet()) {
            source.readInto(e.getKey(), e.getValue());
          }
          return host;
        });
  }

  private void checkIdentity(Path file, Map<String, String> found) {
    if (identity.equals(found)) {
      return;
    }
    TreeSet<String> keys = new TreeSet<>(identity.keySet());
    keys.addAll(found.keySet());
    List<String> differences = new ArrayList<>();
    for (String key : keys) {
      @Nullable String here = identity.get(key);
      @Nullable String there = found.get(key);
      if (!Objects.equals(here, there)) {
        differences.add(String.format("%s: expected %s, got %s", key, here, there));
      }
    }
    throw new FormatException(
        file
            + ": is a checkpoint of another training ("
            + String.join("; ", differences)
            + "); go on with what it was made with, or name another file");
  }

  private void checkTensors(Path file, CheckpointFile source) {
    if (!source.tensors().keySet().equals(tensors.keySet())) {
      TreeSet<String> missing = new TreeSet<>(tensors.keySet());
      missing.removeAll(source.tensors().keySet());
      TreeSet<String> unknown = new TreeSet<>(source.tensors().keySet());
      unknown.removeAll(tensors.keySet());
      throw new FormatException(
          file + ": its tensors are others: missing " + missing + ", not expected " + unknown);
    }
    tensors.forEach(
        (name, tensor) -> {
          SafetensorsHeader.Entry entry = Objects.requireNonNull(source.tensors().get(name));
          ElementType type = CheckpointFile.type(tensor);
          if (entry.type() != type || !Arrays.equals(entry.shape(), tensor.shape())) {
            throw new FormatException(
                String.format(
                    "%s: %s: expected %s %s, got %s %s",
                    file,
                    name,
                    type,
                    Arrays.toString(tensor.shape()),
                    entry.type(),
                    Arrays.toString(entry.shape())));
          }
        });
  }
}
