package dev.fusedrnn;

import dev.fusedrnn.internal.Fields;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Draws one class from each of N rows of V scores, on the device. A class weighs e^(score /
 * temperature); {@code topK} keeps the k best (Fan et al. 2018), {@code topP} of those the best
 * that make up a share of their weight (Holtzman et al. 2020). The same scores, seed and offset
 * give the same classes on every backend, but where rounding decides between neighbours. A score of
 * NaN is never drawn; a row of nothing else gives -1. Owns no memory. Threads: one at a time.
 */
public final class Sampler {
  private final long rows;
  private final long classes;
  private final DType dtype;
  private final Arguments<Fields.Sample> arguments;

  private Sampler(Device device, DType dtype, long rows, long classes) {
    this.dtype = Objects.requireNonNull(dtype, "dtype");
    this.rows = Failures.atLeast(0, "rows", rows);
    this.classes = Failures.atLeast(1, "classes", classes);
    this.arguments = new Arguments<>(device, Fields.Sample.class);
    arguments.struct().set(Fields.Sample.DTYPE, dtype.ordinal());
    arguments.struct().set(Fields.Sample.N, rows);
    arguments.struct().set(Fields.Sample.V, classes);
    temperature(1).topP(1);
  }

  /**
   * Prepares a sampler.
   *
   * @param device where it runs
   * @param dtype element type of the scores
   * @param rows N, at least 0
   * @param classes V, at least 1 and below 2^23
   * @return the sampler
   */
  public static Sampler create(Device device, DType dtype, long rows, long classes) {
    return new Sampler(device, dtype, rows, classes);
  }

  /**
   * Binds the scores; required.
   *
   * @param buffer [N, V]
   * @return this
   */
  public Sampler logits(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Sample.LOGITS, "logits", buffer, dtype, rows, classes);
    return this;
  }

  /**
   * Binds where the classes are written; required.
   *
   * @param buffer I32 [N]
   * @return this
   */
  public Sampler ids(@Nullable DeviceBuffer buffer) {
    arguments.bind(Fields.Sample.IDS, "ids", buffer, DType.I32, rows);
    return this;
  }

  /**
   * Sets what scores are divided by.
   *
   * @param divisor finite and at least 0; 0 always takes the best, of equals the first; 1 by
   *     default
   * @return this
   */
  public Sampler temperature(double divisor) {
    if (!(divisor >= 0) || Double.isInfinite(divisor)) {
      throw new IllegalArgumentException(
          "temperature: expected a finite number of at least 0, got " + divisor);
    }
    arguments.struct().setDouble(Fields.Sample.TEMPERATURE, divisor);
    return this;
  }

  /**
   * Keeps the k best classes only.
   *
   * @param k at least 1, or 0 (the default) for all
   * @return this
   */
  public Sampler topK(long k) {
    arguments.struct().set(Fields.Sample.TOP_K, Failures.atLeast(0, "topK", k));
    return this;
  }

  /**
   * Keeps the best classes that together have at least a share of the probability.
   *
   * @param share in (0, 1]; 1 (the default) keeps all
   * @return this
   */
  public Sampler topP(double share) {
    if (!(share > 0 && share <= 1)) {
      throw new IllegalArgumentException("topP: expected above 0 to 1, got " + share);
    }
    arguments.struct().setDouble(Fields.Sample.TOP_P, share);
    return this;
  }

  /**
   * Chooses the random numbers.
   *
   * @param seed of all draws
   * @param offset a new one for each draw
   * @return this
   */
  public Sampler seed(long seed, long offset) {
    arguments.struct().set(Fields.Sample.SEED, seed);
    arguments.struct().set(Fields.Sample.OFFSET, offset);
    return this;
  }

  /**
   * Binds a counter on the device that is added to the offset as classes are drawn, so that a
   * captured draw differs from launch to launch; optional.
   *
   * @param address of one 64-bit word of this device, or 0 for none
   * @return this
   */
  public Sampler offsetAddress(long address) {
    arguments.struct().set(Fields.Sample.OFFSET_ADDRESS, address);
    return this;
  }

  /**
   * Draws; enqueued.
   *
   * @param stream where to enqueue
   */
  public void run(Stream stream) {
    arguments.require(Fields.Sample.LOGITS, "logits");
    arguments.require(Fields.Sample.IDS, "ids");
    arguments.checkOpen();
    Device device = arguments.device();
    arguments.struct().set(Fields.Sample.STREAM, stream.handleFor(device));
    arguments.check(device.engine().sample(arguments.struct()), "Sampler.run");
  }
}
