package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * Device memory for one test call. Outputs start as NaN, so that an element which nobody writes is
 * found; every tensor lies between guards, so that a write beside it is found; inputs are compared
 * afterwards, so that a write into them is found.
 */
public final class GuardedBuffers implements AutoCloseable {
  /** Elements of guard on each side: they keep a tensor at the alignment of an allocation. */
  private static final int GUARD = 64;

  /** A number that every type holds. */
  private static final float SENTINEL = -1536;

  private final Device device;
  private final Function<String, DType> typeOf;
  private final List<DeviceBuffer> arenas = new ArrayList<>();
  private final Map<String, DeviceBuffer> arenaOf = new LinkedHashMap<>();
  private final Map<String, DeviceBuffer> tensors = new LinkedHashMap<>();
  private final Map<String, float[]> inputs = new LinkedHashMap<>();

  /**
   * @param device where
   * @param dtype element type of every tensor
   */
  public GuardedBuffers(Device device, DType dtype) {
    this(device, name -> dtype);
  }

  /**
   * @param device where
   * @param typeOf element type by the name of a tensor
   */
  GuardedBuffers(Device device, Function<String, DType> typeOf) {
    this.device = device;
    this.typeOf = typeOf;
  }

  /**
   * A tensor that the call reads only.
   *
   * @param name for errors
   * @param values its content
   * @param shape sizes
   * @return the tensor
   */
  public DeviceBuffer input(String name, float[] values, int... shape) {
    inputs.put(name, values.clone());
    return inOut(name, values, shape);
  }

  /**
   * A tensor that the call reads and writes.
   *
   * @param name for errors
   * @param values its content before
   * @param shape sizes
   * @return the tensor
   */
  public DeviceBuffer inOut(String name, float[] values, int... shape) {
    float[] guarded = new float[values.length + 2 * GUARD];
    Arrays.fill(guarded, SENTINEL);
    System.arraycopy(values, 0, guarded, GUARD, values.length);
    DeviceBuffer arena = device.allocate(typeOf.apply(name), guarded.length);
    arenas.add(arena);
    arenaOf.put(name, arena);
    arena.write(guarded);
    long[] sizes = Arrays.stream(shape).asLongStream().toArray();
    DeviceBuffer tensor = arena.slice(GUARD, values.length).view(sizes);
    tensors.put(name, tensor);
    return tensor;
  }

  /**
   * A tensor that the call writes; NaN until then.
   *
   * @param name for errors and {@link #read}
   * @param shape sizes
   * @return the tensor
   */
  public DeviceBuffer output(String name, int... shape) {
    float[] nan = new float[Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
    Arrays.fill(nan, Float.NaN);
    return inOut(name, nan, shape);
  }

  /**
   * Whole numbers, such as ids and targets; without guards.
   *
   * @param values their content
   * @return I32 memory
   */
  public DeviceBuffer integers(int[] values) {
    DeviceBuffer buffer = device.allocate(DType.I32, values.length);
    arenas.add(buffer);
    buffer.write(values);
    return buffer;
  }

  /**
   * Single-precision numbers whatever the type of the tensors, such as weights of rows; without
   * guards.
   *
   * @param values their content
   * @return F32 memory
   */
  public DeviceBuffer floats(float[] values) {
    DeviceBuffer buffer = device.allocate(DType.F32, values.length);
    arenas.add(buffer);
    buffer.write(values);
    return buffer;
  }

  /**
   * Scratch memory of exactly so many bytes, guarded behind.
   *
   * @param name for errors
   * @param bytes how many
   * @return memory whose content is NaN
   */
  public DeviceBuffer scratch(String name, long bytes) {
    int size = typeOf.apply(name).bytes();
    int elements = Math.toIntExact((bytes + size - 1) / size);
    return output(name, elements);
  }

  /**
   * What a tensor holds now.
   *
   * @param name of a tensor
   * @return its values
   */
  public double[] read(String name) {
    DeviceBuffer tensor = tensors.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException("no tensor of the name " + name);
    }
    return tensor.readDoubles();
  }

  /**
   * Looks for writes beside tensors and into inputs. The device must be synchronised.
   *
   * @throws AssertionError naming the first tensor that is not as it was left
   */
  public void requireIntact() {
    for (Map.Entry<String, DeviceBuffer> e : tensors.entrySet()) {
      double[] all = arenaOf.get(e.getKey()).readDoubles();
      int count = all.length - 2 * GUARD;
      for (int g = 0; g < GUARD; g++) {
        if (all[g] != SENTINEL || all[GUARD + count + g] != SENTINEL) {
          throw new AssertionError(
              e.getKey() + ": memory beside it was written (guard element " + g + ")");
        }
      }
      float[] before = inputs.get(e.getKey());
      for (int j = 0; before != null && j < count; j++) {
        if (Double.compare(all[GUARD + j], before[j]) != 0) {
          throw new AssertionError(e.getKey() + ": is an input and was written at element " + j);
        }
      }
    }
  }

  @Override
  public void close() {
    tensors.values().forEach(DeviceBuffer::close);
    arenas.forEach(DeviceBuffer::close);
  }
}
