package dev.fusedrnn.bench.cpu;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** Tensors on their way from a child process to its parent: doubles, one tensor after another. */
final class ResultsFile {
  private ResultsFile() {}

  /**
   * Writes tensors.
   *
   * @return name to elements, in the order of the file
   */
  static Map<String, Integer> write(Path file, Map<String, double[]> tensors) throws IOException {
    int count = tensors.values().stream().mapToInt(values -> values.length).sum();
    ByteBuffer bytes = ByteBuffer.allocate(Math.multiplyExact(count, Double.BYTES));
    Map<String, Integer> lengths = new LinkedHashMap<>();
    tensors.forEach(
        (name, values) -> {
          lengths.put(name, values.length);
          bytes.asDoubleBuffer().put(values);
          bytes.position(bytes.position() + values.length * Double.BYTES);
        });
    Files.write(file, bytes.array());
    return lengths;
  }

  /** Reads what {@link #write} wrote, and deletes the file. */
  static Map<String, double[]> take(Path file, Map<String, Integer> lengths) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file));
    Map<String, double[]> tensors = new LinkedHashMap<>();
    lengths.forEach(
        (name, length) -> {
          double[] values = new double[length];
          bytes.asDoubleBuffer().get(values);
          bytes.position(bytes.position() + length * Double.BYTES);
          tensors.put(name, values);
        });
    Files.delete(file);
    return tensors;
  }
}
