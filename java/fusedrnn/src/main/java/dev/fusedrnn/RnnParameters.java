package dev.fusedrnn;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Parameters of a layer, or their gradients, in one arena. Each tensor starts on a 256-byte
 * boundary; the padding between them is zero and stays zero under any optimiser, so that the whole
 * arena may be clipped and stepped as one tensor.
 */
public final class RnnParameters implements AutoCloseable {
  private static final int ALIGNMENT = 256;

  private final RnnConfig config;
  private final DeviceBuffer arena;
  private final DeviceBuffer weightIh;
  private final DeviceBuffer weightHh;
  private final @Nullable DeviceBuffer biasIh;
  private final @Nullable DeviceBuffer biasHh;

  private RnnParameters(Device device, RnnConfig config) {
    this.config = config;
    long rows = config.gateRows();
    long ih = padded(rows * config.inputSize());
    long hh = padded(rows * config.hiddenSize());
    long bias = padded(rows);
    this.arena = device.allocate(config.dtype(), ih + hh + (config.bias() ? 2 * bias : 0));
    this.weightIh = part(0, config.weightIhShape());
    this.weightHh = part(ih, config.weightHhShape());
    this.biasIh = config.bias() ? part(ih + hh, config.biasShape()) : null;
    this.biasHh = config.bias() ? part(ih + hh + bias, config.biasShape()) : null;
  }

  static RnnParameters allocate(Device device, RnnConfig config) {
    RnnParameters parameters = new RnnParameters(device, config);
    parameters.arena.zero(device.defaultStream());
    device.synchronize();
    return parameters;
  }

  private long padded(long elements) {
    int unit = ALIGNMENT / config.dtype().bytes();
    return (elements + unit - 1) / unit * unit;
  }

  private DeviceBuffer part(long offset, long[] shape) {
    return arena.slice(offset, Failures.elements("parameter", shape)).view(shape);
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
   * Input weights.
   *
   * @return [G*H, I]
   */
  public DeviceBuffer weightIh() {
    return weightIh;
  }

  /**
   * Recurrent weights.
   *
   * @return [G*H, H]
   */
  public DeviceBuffer weightHh() {
    return weightHh;
  }

  /**
   * Bias beside the input product.
   *
   * @return [G*H], or null without biases
   */
  public @Nullable DeviceBuffer biasIh() {
    return biasIh;
  }

  /**
   * Bias beside the recurrent product.
   *
   * @return [G*H], or null without biases
   */
  public @Nullable DeviceBuffer biasHh() {
    return biasHh;
  }

  /**
   * The tensors under torch.nn's names for layer 0.
   *
   * @return {@code weight_ih_l0}, {@code weight_hh_l0} and, with biases, {@code bias_ih_l0}, {@code
   *     bias_hh_l0}, in this order
   */
  public LinkedHashMap<String, DeviceBuffer> named() {
    LinkedHashMap<String, DeviceBuffer> named = new LinkedHashMap<>();
    named.put("weight_ih_l0", weightIh);
    named.put("weight_hh_l0", weightHh);
    if (biasIh != null && biasHh != null) {
      named.put("bias_ih_l0", biasIh);
      named.put("bias_hh_l0", biasHh);
    }
    return named;
  }

  /**
   * Draws every parameter from U(-1/sqrt(H), 1/sqrt(H)), as torch.nn does (not its generator).
   *
   * @param seed the same seed gives the same values on every backend
   * @return this
   */
  public RnnParameters initializeUniform(long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double bound = 1 / Math.sqrt(config.hiddenSize());
    for (Map.Entry<String, DeviceBuffer> entry : named().entrySet()) {
      double[] values = new double[Transfers.arrayLength(entry.getValue())];
      for (int k = 0; k < values.length; k++) {
        values[k] = (float) ((2 * random.nextDouble() - 1) * bound);
      }
      entry.getValue().write(values);
    }
    return this;
  }

  /** Frees the arena; idempotent. */
  @Override
  public void close() {
    arena.close();
  }
}
