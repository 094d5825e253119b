package dev.fusedrnn;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Parameters of a network, or their gradients, in one arena, which may be part of a {@link
 * TensorArena}. Each tensor starts at a multiple of 128 elements; the padding between them is zero
 * and stays zero under any optimiser, so that the whole arena may be clipped and stepped as one
 * tensor.
 */
public final class RnnParameters implements AutoCloseable {
  private final RnnConfig config;
  private final DeviceBuffer arena;
  private final LinkedHashMap<String, DeviceBuffer> named = new LinkedHashMap<>();
  private final LinkedHashMap<String, DeviceBuffer> statistics = new LinkedHashMap<>();

  private RnnParameters(RnnConfig config, DeviceBuffer arena) {
    this.config = config;
    this.arena = arena;
    long offset = 0;
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        for (Parameter parameter : config.parameters()) {
          long[] shape = config.shape(parameter, layer);
          long elements = Failures.elements("parameter", shape);
          named.put(
              parameter.torchName(layer, direction), arena.slice(offset, elements).view(shape));
          offset += TensorArena.padded(elements);
        }
      }
    }
  }

  static RnnParameters allocate(Device device, RnnConfig config) {
    DeviceBuffer arena = device.allocate(config.dtype(), arenaLength(config));
    arena.zero(device.defaultStream());
    device.synchronize();
    return new RnnParameters(config, arena);
  }

  /** Parameters in a part of a larger arena, which is left as it is. */
  static RnnParameters in(DeviceBuffer part, RnnConfig config) {
    return new RnnParameters(config, part);
  }

  /** Elements of an arena, padding included. */
  static long arenaLength(RnnConfig config) {
    long total = 0;
    for (int layer = 0; layer < config.layers(); layer++) {
      for (Parameter parameter : config.parameters()) {
        long elements = Failures.elements("parameter", config.shape(parameter, layer));
        total += config.directions() * TensorArena.padded(elements);
      }
    }
    return total;
  }

  /** Whether two networks have the same tensors at the same places. */
  static boolean sameLayout(RnnConfig one, RnnConfig other) {
    if (one.layers() != other.layers()
        || one.directions() != other.directions()
        || !one.parameters().equals(other.parameters())) {
      return false;
    }
    for (int layer = 0; layer < one.layers(); layer++) {
      for (Parameter parameter : one.parameters()) {
        if (!Arrays.equals(one.shape(parameter, layer), other.shape(parameter, layer))) {
          return false;
        }
      }
    }
    return true;
  }

  /**
   * What these are parameters of.
   *
   * @return the configuration
   */
  public RnnConfig config() {
    return config;
  }

  /**
   * All parameters and their padding.
   *
   * @return a flat buffer
   */
  public DeviceBuffer arena() {
    return arena;
  }

  /**
   * One tensor.
   *
   * @param parameter which
   * @param layer from 0
   * @param direction 0 forward, 1 reverse
   * @return its view, or null where the network has no such parameter
   */
  public @Nullable DeviceBuffer get(Parameter parameter, int layer, int direction) {
    String name = parameter.torchName(layer, direction);
    return parameter.trained() ? named.get(name) : statistics.get(name);
  }

  private DeviceBuffer present(Parameter parameter) {
    return Objects.requireNonNull(get(parameter, 0, 0));
  }

  /**
   * Input weights of the first layer, forward.
   *
   * @return [G*H, I]
   */
  public DeviceBuffer weightIh() {
    return present(Parameter.WEIGHT_IH);
  }

  /**
   * Recurrent weights of the first layer, forward.
   *
   * @return [G*H, W]
   */
  public DeviceBuffer weightHh() {
    return present(Parameter.WEIGHT_HH);
  }

  /**
   * Bias beside the input product of the first layer, forward.
   *
   * @return [G*H], or null without biases
   */
  public @Nullable DeviceBuffer biasIh() {
    return get(Parameter.BIAS_IH, 0, 0);
  }

  /**
   * Bias beside the recurrent product of the first layer, forward.
   *
   * @return [G*H], or null without biases
   */
  public @Nullable DeviceBuffer biasHh() {
    return get(Parameter.BIAS_HH, 0, 0);
  }

  /**
   * The tensors under torch.nn's names.
   *
   * @return {@code weight_ih_l0}, {@code weight_hh_l0} and so on, layer by layer, forward before
   *     {@code _reverse}
   */
  public LinkedHashMap<String, DeviceBuffer> named() {
    return new LinkedHashMap<>(named);
  }

  /**
   * The running statistics of batch norm, which are not trained and not in the arena.
   *
   * @return {@code running_mean_l0}, {@code running_var_l0} and so on; empty without batch norm and
   *     of gradients
   */
  public LinkedHashMap<String, DeviceBuffer> statistics() {
    return new LinkedHashMap<>(statistics);
  }

  /** Allocates the statistics; sets gains and running variances to one, the rest to zero. */
  RnnParameters initializeNorms() {
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        for (Parameter statistic : config.statistics()) {
          long[] shape = config.shape(statistic, layer);
          DeviceBuffer tensor =
              statistics.computeIfAbsent(
                  statistic.torchName(layer, direction),
                  name -> arena.device().allocate(config.stateDtype(), shape));
          Initializers.fill(tensor, statistic == Parameter.RUNNING_VAR ? 1 : 0);
        }
      }
    }
    forEach(
        (parameter, tensor) -> {
          switch (parameter) {
            case NORM_IH, NORM_HH, NORM_C -> Initializers.fill(tensor, 1);
            case NORM_C_BIAS -> Initializers.fill(tensor, 0);
            default -> {}
          }
        });
    return this;
  }

  /**
   * Draws weights and biases from U(-1/sqrt(H), 1/sqrt(H)), as torch.nn does (not its generator); a
   * norm starts as the identity.
   *
   * @param seed the same seed gives the same values on every backend
   * @return this
   */
  public RnnParameters initializeUniform(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double bound = 1 / Math.sqrt(config.hiddenSize());
    forEach((parameter, tensor) -> Initializers.uniform(tensor, bound, random));
    return initializeNorms();
  }

  /**
   * Draws weights gate by gate from U(-a, a) with a = sqrt(6 / (inputs + outputs)) (Glorot and
   * Bengio 2010); biases and peepholes become zero, a norm the identity.
   *
   * @param seed the same seed gives the same values on every backend
   * @return this
   */
  public RnnParameters initializeXavier(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    forEach(
        (parameter, tensor) -> {
          switch (parameter) {
            case WEIGHT_IH, WEIGHT_HH, WEIGHT_HR ->
                Initializers.xavier(tensor, blockRows(parameter), random);
            default -> Initializers.fill(tensor, 0);
          }
        });
    return initializeNorms();
  }

  /**
   * Makes the recurrent weights of each gate orthogonal (Saxe et al. 2014), from the QR factors of
   * a Gaussian matrix; the others as {@link #initializeXavier}.
   *
   * @param seed the same seed gives the same values on every backend
   * @return this
   */
  public RnnParameters initializeOrthogonal(long seed) {
    initializeXavier(seed);
    SplittableRandom random = new SplittableRandom(seed ^ 0x6f7274686fL);
    forEach(
        (parameter, tensor) -> {
          if (parameter == Parameter.WEIGHT_HH) {
            Initializers.orthogonal(tensor, blockRows(parameter), random);
          }
        });
    return this;
  }

  private int blockRows(Parameter parameter) {
    return Math.toIntExact(
        parameter == Parameter.WEIGHT_HR ? config.projectionSize() : config.hiddenSize());
  }

  /**
   * Sets the bias of every forget gate (Jozefowicz et al. 2015 propose 1): {@code bias_ih} to the
   * value and {@code bias_hh} to zero.
   *
   * @param value the bias
   * @return this
   * @throws IllegalStateException where the cell has no forget gate or no bias
   */
  public RnnParameters forgetBias(double value) {
    if (config.cell() != Cell.LSTM || !config.bias() || !config.hasGate(Gate.FORGET)) {
      throw new IllegalStateException(
          "forgetBias: expected an lstm with a forget gate and biases, got " + config);
    }
    long block = config.hasGate(Gate.INPUT) ? config.hiddenSize() : 0;
    forEach(
        (parameter, tensor) -> {
          if (parameter == Parameter.BIAS_IH || parameter == Parameter.BIAS_HH) {
            Initializers.fill(
                tensor.slice(block, config.hiddenSize()),
                parameter == Parameter.BIAS_IH ? value : 0);
          }
        });
    return this;
  }

  private void forEach(BiConsumer<Parameter, DeviceBuffer> action) {
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        for (Parameter parameter : config.parameters()) {
          action.accept(parameter, Objects.requireNonNull(get(parameter, layer, direction)));
        }
      }
    }
  }

  /** Frees arena and statistics; idempotent. */
  @Override
  public void close() {
    arena.close();
    statistics.values().forEach(DeviceBuffer::close);
  }
}
