package dev.fusedrnn;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The factor of a loss's gradient that keeps 16-bit gradients from underflow (Micikevicius et al.
 * 2018), on the device. Losses multiply by it, a {@link GlobalNormClip} takes it away again, and
 * the {@link Optimizer} moves it: down after a step whose gradient was not finite, up after a
 * number of finite ones. Let the clip skip such steps ({@link NonFinite#SKIP}). It stays within
 * [2^-40, 2^40]. Threads: one at a time.
 */
public final class LossScale implements AutoCloseable {
  private final DeviceBuffer words;
  private double growthFactor = 2;
  private double backoffFactor = 0.5;
  private long growthInterval = 2000;

  private LossScale(DeviceBuffer words) {
    this.words = words;
  }

  /**
   * Makes a loss scale that doubles after 2000 finite steps in a row and halves after one that was
   * not.
   *
   * @param device where
   * @param initial above 0; 65536 is usual
   * @return to be closed
   */
  public static LossScale create(Device device, double initial) {
    if (!(initial > 0 && initial < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException("initial: expected a number above 0, got " + initial);
    }
    DeviceBuffer words = device.allocate(DType.F64, 2);
    return new LossScale(words.write(new double[] {initial, 0}));
  }

  /**
   * Sets how it moves. To be called before a step that uses it is captured.
   *
   * @param growth factor of a move up, at least 1
   * @param backoff factor of a move down, above 0 and at most 1
   * @param interval finite steps in a row before a move up, at least 1
   * @return this
   */
  public LossScale moves(double growth, double backoff, long interval) {
    if (!(growth >= 1 && growth < Double.POSITIVE_INFINITY)) {
      throw new IllegalArgumentException("growth: expected a number of at least 1, got " + growth);
    }
    if (!(backoff > 0 && backoff <= 1)) {
      throw new IllegalArgumentException(
          "backoff: expected a number above 0, at most 1, got " + backoff);
    }
    growthFactor = growth;
    backoffFactor = backoff;
    growthInterval = Failures.atLeast(1, "interval", interval);
    return this;
  }

  double growthFactor() {
    return growthFactor;
  }

  double backoffFactor() {
    return backoffFactor;
  }

  long growthInterval() {
    return growthInterval;
  }

  /**
   * An {@code frnn_loss_scale} on the device: the scale, then the finite steps since it last moved
   * as a 64-bit integer. A checkpoint holds it.
   *
   * @return owned by this object
   */
  public DeviceBuffer buffer() {
    return words;
  }

  /**
   * Waits for the device and reads the scale.
   *
   * @return the factor that the next loss is multiplied with
   */
  public double read() {
    ByteBuffer bytes = ByteBuffer.allocateDirect(16).order(ByteOrder.nativeOrder());
    words.readInto(bytes);
    return bytes.getDouble(0);
  }

  /** Frees the memory; idempotent. */
  @Override
  public void close() {
    words.close();
  }
}
