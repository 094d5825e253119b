package dev.fusedrnn.bench.cpu;

import dev.fusedrnn.Backend;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Linear;
import dev.fusedrnn.Stream;
import dev.fusedrnn.bench.CheckedSequence;
import dev.fusedrnn.bench.FusedSequence;
import dev.fusedrnn.bench.Precision;
import dev.fusedrnn.testkit.NetCase;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** This library's backend {@code cpu}. */
public final class FusedEngine implements Engine {
  private final Device device = Device.open(Backend.CPU);
  private final List<AutoCloseable> products = new ArrayList<>();

  /** What {@link java.util.ServiceLoader} finds. */
  public static final class Provider implements EngineProvider {
    @Override
    public String name() {
      return Engines.FUSEDRNN;
    }

    @Override
    public Engine open(int threads) {
      return new FusedEngine(threads);
    }
  }

  private FusedEngine(int threads) {
    device.set("threads", threads);
  }

  @Override
  public Map<String, String> about() {
    return Map.of("backend cpu", device.describe());
  }

  @Override
  public CheckedSequence open(NetCase sizes, boolean training) {
    FusedSequence sequence = new FusedSequence(device, sizes, Precision.F32, training);
    return training ? sequence : sequence.packed();
  }

  @Override
  public Optional<Runnable> gemm(int size) {
    Stream stream = device.defaultStream();
    float[] values = new float[size * size];
    Arrays.fill(values, 0.5f);
    List<DeviceBuffer> buffers = new ArrayList<>();
    for (int k = 0; k < 3; k++) {
      DeviceBuffer buffer = device.allocate(DType.F32, size, size);
      buffer.write(values);
      buffers.add(buffer);
      products.add(buffer);
    }
    Linear linear = Linear.create(device, DType.F32, size, size, size);
    products.add(0, linear);
    linear.x(buffers.get(0)).w(buffers.get(1)).y(buffers.get(2));
    return Optional.of(
        () -> {
          linear.forward(stream);
          stream.synchronize();
        });
  }

  @Override
  public void close() {
    try {
      for (AutoCloseable product : products) {
        product.close();
      }
    } catch (Exception e) {
      throw new IllegalStateException("cannot be closed", e);
    }
    device.close();
  }
}
