package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.NetArguments;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The parameters and gradients bound to one call, for every layer and direction. */
final class BoundParameters {
  private static final List<Parameter> ALL = List.of(Parameter.values());

  private final RnnConfig config;
  private final Arguments<Fields.Net> arguments;
  private final NetArguments net;
  private final @Nullable DeviceBuffer[] weights; // by entry and parameter
  private final @Nullable DeviceBuffer[] gradients;

  BoundParameters(Rnn rnn, Arguments<Fields.Net> arguments, NetArguments net) {
    this.config = rnn.config();
    this.arguments = arguments;
    this.net = net;
    this.weights = new DeviceBuffer[rnn.entries() * ALL.size()];
    this.gradients = new DeviceBuffer[rnn.entries() * ALL.size()];
  }

  void parameters(RnnParameters all) {
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        for (Parameter each : ALL) {
          parameter(each, layer, direction, all.get(each, layer, direction));
        }
      }
    }
  }

  void gradients(@Nullable RnnParameters all) {
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        for (Parameter each : ALL) {
          if (each.trained()) {
            DeviceBuffer buffer = all == null ? null : all.get(each, layer, direction);
            gradient(each, layer, direction, buffer);
          }
        }
      }
    }
  }

  void parameter(Parameter which, int layer, int direction, @Nullable DeviceBuffer buffer) {
    int entry = entry(which.torchName(layer, direction), which, layer, direction, buffer);
    weights[entry * ALL.size() + which.ordinal()] = buffer;
    net.setWeight(entry, which.ordinal(), buffer == null ? 0 : buffer.address());
  }

  void gradient(Parameter which, int layer, int direction, @Nullable DeviceBuffer buffer) {
    String name = "d" + which.torchName(layer, direction);
    if (!which.trained()) {
      throw new IllegalArgumentException(name + ": expected none, for it is not trained");
    }
    int entry = entry(name, which, layer, direction, buffer);
    gradients[entry * ALL.size() + which.ordinal()] = buffer;
    net.setGradient(entry, which.ordinal(), buffer == null ? 0 : buffer.address());
  }

  private int entry(
      String name, Parameter which, int layer, int direction, @Nullable DeviceBuffer buffer) {
    checkIndex("layer", layer, config.layers());
    checkIndex("direction", direction, config.directions());
    if (buffer != null) {
      boolean bias = which == Parameter.BIAS_IH || which == Parameter.BIAS_HH;
      boolean present = config.parameters().contains(which) || config.statistics().contains(which);
      if (!bias && !present) {
        throw new IllegalArgumentException(name + ": expected none for " + config);
      }
      DType dtype = which.trained() ? config.dtype() : config.stateDtype();
      arguments.check(name, buffer, dtype, config.shape(which, layer));
    }
    return layer * config.directions() + direction;
  }

  private static void checkIndex(String name, int index, int count) {
    if (index < 0 || index >= count) {
      throw new IllegalArgumentException(
          name + ": expected 0 to " + (count - 1) + ", got " + index);
    }
  }

  /** Refuses a call in which a needed parameter is absent or one is closed; allocates nothing. */
  void check() {
    for (int k = 0; k < weights.length; k++) {
      DeviceBuffer weight = weights[k];
      DeviceBuffer gradient = gradients[k];
      if (weight == null && needed(ALL.get(k % ALL.size()))) {
        throw new IllegalStateException(name(k) + ": not set, but this call needs it");
      }
      if (weight != null && weight.isClosed()) {
        throw new IllegalStateException(name(k) + ": " + weight + " is closed");
      }
      if (gradient != null && gradient.isClosed()) {
        throw new IllegalStateException("d" + name(k) + ": " + gradient + " is closed");
      }
    }
  }

  private boolean needed(Parameter parameter) {
    return switch (parameter) {
      case WEIGHT_IH, WEIGHT_HH -> true;
      case BIAS_IH, BIAS_HH -> false;
      case WEIGHT_HR -> config.projectionSize() > 0;
      case WEIGHT_PEEPHOLE -> config.peephole();
      case NORM_IH -> config.norm() != Norm.NONE;
      case NORM_HH, NORM_C, NORM_C_BIAS -> config.norm() == Norm.LAYER;
      case RUNNING_MEAN, RUNNING_VAR -> config.norm() == Norm.BATCH;
    };
  }

  private String name(int k) {
    int entry = k / ALL.size();
    return ALL.get(k % ALL.size())
        .torchName(entry / config.directions(), entry % config.directions());
  }
}
