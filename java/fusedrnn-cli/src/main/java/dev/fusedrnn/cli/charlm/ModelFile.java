package dev.fusedrnn.cli.charlm;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.fusedrnn.Cell;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.cli.UserException;
import dev.fusedrnn.cli.io.JsonFiles;
import dev.fusedrnn.cli.text.Vocabulary;
import dev.fusedrnn.io.SafeTensor;
import dev.fusedrnn.io.Safetensors;
import dev.fusedrnn.io.SafetensorsReader;
import dev.fusedrnn.io.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A character model on disk: a safetensors file whose metadata say what it is ({@code format},
 * {@code version}), how it is built ({@code model}, JSON) and what its content sums to ({@code
 * sha256}). Any tool that reads safetensors can read the weights; recurrent tensors are named as in
 * torch.nn.
 */
final class ModelFile {
  static final String FORMAT = "fusedrnn-char-lm";
  static final String VERSION = "1";

  private ModelFile() {}

  /**
   * Saves a model, atomically.
   *
   * @param training notes about the run that made it, kept as they are
   */
  static void save(Path file, CharParameters parameters, ObjectNode training) throws IOException {
    Map<String, SafeTensor> tensors = new LinkedHashMap<>();
    for (Map.Entry<String, DeviceBuffer> e : parameters.named().entrySet()) {
      DeviceBuffer buffer = e.getValue();
      tensors.put(e.getKey(), SafeTensor.ofFloats(buffer.readFloats(), buffer.shape()));
    }
    CharShape shape = parameters.shape();
    ObjectNode model = JsonFiles.object();
    model.put("cell", shape.cell().label()).put("hidden", shape.hidden());
    model.put("layers", shape.layers()).put("embedding", shape.embedding());
    model.put("dropout", shape.dropout());
    ArrayNode characters = model.putArray("vocabulary");
    Arrays.stream(shape.vocabulary().codePoints()).forEach(characters::add);
    model.set("training", training);
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put("format", FORMAT);
    metadata.put("version", VERSION);
    metadata.put("model", model.toString());
    Safetensors content = new Safetensors(tensors, metadata);
    metadata.put("sha256", content.sha256());
    SafetensorsWriter.write(file, new Safetensors(tensors, metadata));
  }

  /**
   * Loads a model onto a device.
   *
   * @throws UserException where the file is damaged, of another version, or not ours
   */
  static CharParameters load(Path file, Device device) {
    Safetensors content = SafetensorsReader.read(file);
    Map<String, String> metadata = new LinkedHashMap<>(content.metadata());
    if (!FORMAT.equals(metadata.get("format"))) {
      throw new UserException(
          file + ": is not a character model of fusedrnn (its format is not " + FORMAT + ")");
    }
    if (!VERSION.equals(metadata.get("version"))) {
      throw new UserException(
          String.format(
              "%s: is a model file of version %s; this program reads version %s",
              file, metadata.get("version"), VERSION));
    }
    String expected = metadata.remove("sha256");
    String got = new Safetensors(content.tensors(), metadata).sha256();
    if (!got.equals(expected)) {
      throw new UserException(
          file + ": is damaged: its content does not have the checksum that it was saved with");
    }
    CharParameters parameters = new CharParameters(device, shape(file, metadata.get("model")));
    try {
      fill(file, parameters, content);
    } catch (RuntimeException e) {
      parameters.close();
      throw e;
    }
    return parameters;
  }

  private static CharShape shape(Path file, String json) {
    try {
      JsonNode model = JsonFiles.parseOrText(String.valueOf(json));
      JsonNode characters = model.path("vocabulary");
      int[] codePoints = new int[characters.size()];
      for (int k = 0; k < codePoints.length; k++) {
        codePoints[k] = characters.get(k).asInt(-1);
      }
      return new CharShape(
          Cell.fromName(model.path("cell").asText()),
          model.path("hidden").asInt(),
          model.path("layers").asInt(),
          model.path("dropout").asDouble(0),
          model.path("embedding").asInt(),
          Vocabulary.ofCodePoints(codePoints));
    } catch (IllegalArgumentException e) {
      throw new UserException(
          file + ": its description of the model is not usable (" + e.getMessage() + ")", e);
    }
  }

  private static void fill(Path file, CharParameters parameters, Safetensors content) {
    Map<String, DeviceBuffer> named = parameters.named();
    if (!content.tensors().keySet().equals(named.keySet())) {
      throw new UserException(
          file
              + ": expected the tensors "
              + named.keySet()
              + ", got "
              + content.tensors().keySet());
    }
    named.forEach(
        (name, buffer) -> {
          SafeTensor tensor = content.tensors().get(name);
          if (!Arrays.equals(tensor.shape(), buffer.shape()) || !tensor.type().isFloating()) {
            throw new UserException(
                String.format(
                    "%s: %s: expected %s, got %s %s",
                    file,
                    name,
                    Arrays.toString(buffer.shape()),
                    tensor.type(),
                    Arrays.toString(tensor.shape())));
          }
          buffer.write(tensor.toFloats());
        });
  }
}
