package dev.fusedrnn.io;

import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnParameters;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The weights of a network on the host, with the names, shapes and gate order of torch.nn: for
 * example {@code weight_ih_l0} [G*H, I], gates {@code i f g o} or {@code r z n}.
 *
 * @param config the network
 * @param tensors by name: exactly those that the network has, in its order
 */
public record RnnWeights(RnnConfig config, Map<String, HostTensor> tensors) {

  /**
   * Checks names and shapes.
   *
   * @param config the network
   * @param tensors in any order
   * @throws FormatException for a tensor that is missing, unknown or of another shape
   */
  public RnnWeights {
    Map<String, HostTensor> ordered = new LinkedHashMap<>();
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        for (Parameter parameter : config.parameters()) {
          String name = parameter.torchName(layer, direction);
          HostTensor tensor = tensors.get(name);
          if (tensor == null) {
            throw new FormatException(name + ": missing; " + config + " has it");
          }
          ordered.put(name, tensor.require(name, config.shape(parameter, layer)));
        }
      }
    }
    for (String name : tensors.keySet()) {
      if (!ordered.containsKey(name)) {
        throw new FormatException(
            name + ": unknown; " + config + " has " + String.join(", ", ordered.keySet()));
      }
    }
    tensors = Collections.unmodifiableMap(ordered);
  }

  /**
   * Reads a network's parameters from their device.
   *
   * @param parameters of any backend, F64 or F32
   * @return a copy on the host
   */
  public static RnnWeights of(RnnParameters parameters) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    parameters
        .named()
        .forEach(
            (name, buffer) ->
                tensors.put(name, new HostTensor(buffer.readDoubles(), buffer.shape())));
    return new RnnWeights(parameters.config(), tensors);
  }

  /**
   * Writes to a network's parameters on their device, rounded where they are F32.
   *
   * @param parameters of a network with the same names and shapes
   * @throws FormatException where they differ
   */
  public void writeTo(RnnParameters parameters) {
    Map<String, DeviceBuffer> targets = parameters.named();
    if (!targets.keySet().equals(tensors.keySet())) {
      throw new FormatException(
          "weights of " + config + " do not fit the parameters of " + parameters.config());
    }
    targets.forEach((name, buffer) -> tensors.get(name).require(name, buffer.shape()));
    targets.forEach((name, buffer) -> buffer.write(tensors.get(name).values()));
  }

  /**
   * One tensor.
   *
   * @param parameter which
   * @param layer from 0
   * @param direction 0 forward, 1 reverse
   * @return null where the network has none
   */
  public @Nullable HostTensor get(Parameter parameter, int layer, int direction) {
    return tensors.get(parameter.torchName(layer, direction));
  }

  /** One tensor that the network has. */
  HostTensor require(Parameter parameter, int layer, int direction) {
    HostTensor tensor = get(parameter, layer, direction);
    if (tensor == null) {
      throw new IllegalArgumentException(
          config + " has no " + parameter.torchName(layer, direction));
    }
    return tensor;
  }
}
