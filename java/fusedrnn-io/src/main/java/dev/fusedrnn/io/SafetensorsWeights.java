package dev.fusedrnn.io;

import dev.fusedrnn.DType;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** A network's weights as a safetensors file with the names and shapes of torch.nn. */
public final class SafetensorsWeights {
  private SafetensorsWeights() {}

  /**
   * Reads weights.
   *
   * @param file a safetensors file of F64, F32, F16 or BF16 tensors; it may hold others beside them
   * @param prefix what stands before every name, for example {@code encoder.lstm.}; may be empty
   * @param config the network
   * @return its weights
   * @throws FormatException for a file that is none, or where a tensor is missing or of another
   *     shape
   */
  public static RnnWeights read(Path file, String prefix, RnnConfig config) {
    Safetensors content = SafetensorsReader.read(file);
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        for (Parameter parameter : config.parameters()) {
          String name = parameter.torchName(layer, direction);
          SafeTensor tensor = content.get(prefix + name);
          if (tensor == null) {
            throw new FormatException(
                file + ": tensor " + prefix + name + ": missing; " + config + " has it");
          }
          double[] values = doubles(file, prefix + name, tensor);
          tensors.put(name, new HostTensor(values, tensor.shape()));
        }
      }
    }
    return new RnnWeights(config, tensors);
  }

  private static double[] doubles(Path file, String name, SafeTensor tensor) {
    if (tensor.type() == ElementType.I64) {
      throw new FormatException(
          file + ": tensor " + name + ": expected F64, F32, F16 or BF16, got I64");
    }
    return tensor.toDoubles();
  }

  /**
   * Writes weights, atomically.
   *
   * @param file replaced where it exists
   * @param prefix what stands before every name; may be empty
   * @param weights what to write
   * @param dtype F64 or F32
   * @throws IOException where that cannot be done; an older file then stays as it was
   * @throws IllegalArgumentException for another type
   */
  public static void write(Path file, String prefix, RnnWeights weights, DType dtype)
      throws IOException {
    if (dtype != DType.F64 && dtype != DType.F32) {
      throw new IllegalArgumentException("dtype: expected F64 or F32, got " + dtype);
    }
    Map<String, SafeTensor> tensors = new LinkedHashMap<>();
    weights
        .tensors()
        .forEach(
            (name, tensor) ->
                tensors.put(
                    prefix + name,
                    dtype == DType.F64
                        ? SafeTensor.ofDoubles(tensor.values(), tensor.shape())
                        : SafeTensor.ofRoundedDoubles(tensor.values(), tensor.shape())));
    SafetensorsWriter.write(file, new Safetensors(tensors, Map.of()));
  }
}
