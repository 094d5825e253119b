package dev.fusedrnn;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Named tensors of one type in one flat buffer: the parameters of a model, or their gradients, or
 * an optimiser's state. One all-reduce, one clip or one copy over {@link #flat()} then serves all
 * of them. Each tensor starts at a multiple of 128 elements, which is 256 bytes in 16-bit types, so
 * that arenas of different types have one layout; the padding is zero and stays zero under any
 * optimiser. Threads: may be shared.
 */
public final class TensorArena implements AutoCloseable {
  /** Elements to whose multiples tensors are aligned. */
  static final long ALIGNMENT = 128;

  private final Layout layout;
  private final DeviceBuffer flat;
  private final LinkedHashMap<String, DeviceBuffer> named = new LinkedHashMap<>();

  /** Where a tensor lies, in elements. */
  private record Place(long offset, long[] shape) {}

  /** Where a network's tensors begin, in elements. */
  private record Network(long offset, RnnConfig config) {}

  private record Layout(Map<String, Place> places, Map<String, Network> networks, long length) {}

  private TensorArena(Layout layout, DeviceBuffer flat) {
    this.layout = layout;
    this.flat = flat;
    layout.places.forEach(
        (name, place) -> {
          long elements = Failures.elements(name, place.shape);
          named.put(name, flat.slice(place.offset, elements).view(place.shape));
        });
  }

  /** Collects tensors, in the order in which they will lie. Threads: one at a time. */
  public static final class Builder {
    private final Device device;
    private final DType dtype;
    private final LinkedHashMap<String, Place> places = new LinkedHashMap<>();
    private final LinkedHashMap<String, Network> networks = new LinkedHashMap<>();
    private long length;

    private Builder(Device device, DType dtype) {
      this.device = device;
      this.dtype = dtype;
    }

    /**
     * Adds a tensor.
     *
     * @param name not used before
     * @param shape sizes, each at least 0
     * @return this
     * @throws IllegalArgumentException for a name used before or a shape that is none
     */
    public Builder add(String name, long... shape) {
      Objects.requireNonNull(name, "name");
      long elements = Failures.elements(name, shape);
      if (places.putIfAbsent(name, new Place(length, shape.clone())) != null) {
        throw new IllegalArgumentException("name: expected one not used before, got " + name);
      }
      length = Math.addExact(length, padded(elements));
      return this;
    }

    /**
     * Adds the trained parameters of a network, to be bound by {@link TensorArena#parameters} or
     * {@link TensorArena#gradients}.
     *
     * @param prefix what stands before torch.nn's names, for example {@code rnn.}; may be empty
     * @param config the network, of this arena's type
     * @return this
     * @throws IllegalArgumentException for another type or a prefix used before
     */
    public Builder add(String prefix, RnnConfig config) {
      if (config.dtype() != dtype) {
        throw new IllegalArgumentException(
            prefix + ": expected a network of " + dtype.label() + ", got " + config);
      }
      networks.put(prefix, new Network(length, config));
      for (int layer = 0; layer < config.layers(); layer++) {
        for (int direction = 0; direction < config.directions(); direction++) {
          for (Parameter parameter : config.parameters()) {
            add(prefix + parameter.torchName(layer, direction), config.shape(parameter, layer));
          }
        }
      }
      return this;
    }

    /**
     * Allocates the arena, all zero.
     *
     * @return to be closed
     * @throws FusedRnnException where memory is used up
     */
    public TensorArena build() {
      return zeroed(
          new Layout(new LinkedHashMap<>(places), Map.copyOf(networks), length), device, dtype);
    }
  }

  /**
   * Begins an arena.
   *
   * @param device where it will lie
   * @param dtype the type of every tensor
   * @return an empty list of tensors
   */
  public static Builder builder(Device device, DType dtype) {
    return new Builder(
        Objects.requireNonNull(device, "device"), Objects.requireNonNull(dtype, "dtype"));
  }

  private static TensorArena zeroed(Layout layout, Device device, DType dtype) {
    DeviceBuffer flat = device.allocate(dtype, layout.length);
    try {
      flat.zero(device.defaultStream());
      device.synchronize();
    } catch (RuntimeException e) {
      flat.close();
      throw e;
    }
    return new TensorArena(layout, flat);
  }

  /** Elements with the padding behind them. */
  static long padded(long elements) {
    return Math.addExact(elements, ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  /**
   * Allocates another arena of the same layout, all zero: gradients beside parameters.
   *
   * @return to be closed
   */
  public TensorArena newLike() {
    return zeroed(layout, flat.device(), flat.dtype());
  }

  /**
   * Gives the tensors of this arena's layout in another flat buffer, such as an optimiser's state
   * over {@link #flat()} or a 16-bit copy.
   *
   * @param other as many elements as {@link #flat()}, of any type
   * @return closing it frees nothing
   * @throws IllegalArgumentException for another length
   */
  public TensorArena over(DeviceBuffer other) {
    if (other.length() != layout.length) {
      throw new IllegalArgumentException(
          "other: expected " + layout.length + " elements, got " + other);
    }
    return new TensorArena(layout, other.view(layout.length));
  }

  /**
   * All tensors and their padding.
   *
   * @return a flat buffer
   */
  public DeviceBuffer flat() {
    return flat;
  }

  /**
   * One tensor.
   *
   * @param name as it was added
   * @return its view
   * @throws IllegalArgumentException where there is none of that name
   */
  public DeviceBuffer get(String name) {
    @Nullable DeviceBuffer tensor = named.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException(
          "name: expected one of " + named.keySet() + ", got " + name);
    }
    return tensor;
  }

  /**
   * All tensors by name, in the order in which they lie.
   *
   * @return views
   */
  public LinkedHashMap<String, DeviceBuffer> named() {
    return new LinkedHashMap<>(named);
  }

  /**
   * A network's parameters in this arena; norms start as the identity, all others as they are.
   *
   * @param prefix as it was added
   * @param rnn the network on this arena's device, of the shapes that were added
   * @return views; closing them frees the statistics of batch norm alone, which lie outside
   * @throws IllegalArgumentException where no such network was added
   */
  public RnnParameters parameters(String prefix, Rnn rnn) {
    return gradients(prefix, rnn).initializeNorms();
  }

  /**
   * A network's gradients in this arena.
   *
   * @param prefix as it was added
   * @param rnn the network on this arena's device, of the shapes that were added
   * @return views; closing them frees nothing
   * @throws IllegalArgumentException where no such network was added
   */
  public RnnParameters gradients(String prefix, Rnn rnn) {
    @Nullable Network network = layout.networks.get(prefix);
    if (network == null) {
      throw new IllegalArgumentException(
          "prefix: expected one of " + layout.networks.keySet() + ", got " + prefix);
    }
    if (rnn.device() != flat.device() || rnn.config().dtype() != flat.dtype()) {
      throw new IllegalArgumentException(
          prefix
              + ": expected a network of "
              + flat.dtype().label()
              + " on "
              + flat.device()
              + ", got "
              + rnn.config()
              + " on "
              + rnn.device());
    }
    if (!RnnParameters.sameLayout(network.config, rnn.config())) {
      throw new IllegalArgumentException(
          prefix + ": expected the shapes of " + network.config + ", got " + rnn.config());
    }
    long length = RnnParameters.arenaLength(rnn.config());
    return RnnParameters.in(flat.slice(network.offset, length), rnn.config());
  }

  /** Frees the buffer where this arena allocated it; idempotent. */
  @Override
  public void close() {
    flat.close();
  }

  @Override
  public String toString() {
    return "TensorArena of " + named.size() + " tensors in " + flat;
  }
}
