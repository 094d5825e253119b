package dev.fusedrnn.bench;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.Linear;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The unfused loop on the CPU: products by this library's own {@link Linear}, on all its threads,
 * and element-wise operations as loops over Java's arrays that the JIT makes vector code of. Arrays
 * are copied into the products' memory and back; weights only when they were written.
 */
final class HostOperators extends Operators {
  /** Beyond it the hyperbolic tangent is 1 in fp32. */
  private static final float SATURATED = 9.2f;

  private final Device device;
  private final List<AutoCloseable> owned = new ArrayList<>();
  private final Map<Key, Product> products = new HashMap<>();

  HostOperators(Device device) {
    this.device = device;
  }

  private static final class HostTensor implements Tensor {
    final float[] values;
    int version;

    HostTensor(int floats) {
      values = new float[floats];
    }
  }

  private static HostTensor of(Block block) {
    return (HostTensor) block.tensor();
  }

  @Override
  Tensor tensor(int floats) {
    return new HostTensor(floats);
  }

  @Override
  void write(Tensor tensor, int offset, float[] values) {
    HostTensor host = (HostTensor) tensor;
    System.arraycopy(values, 0, host.values, offset, values.length);
    host.version++;
  }

  @Override
  float[] read(Tensor tensor, int offset, int count) {
    float[] values = new float[count];
    System.arraycopy(((HostTensor) tensor).values, offset, values, 0, count);
    return values;
  }

  // ---- Element-wise loops

  /** One row of an operation on one operand. */
  private interface UnaryRow {
    void run(float[] out, int o, float[] a, int x, int count);
  }

  /** One row of an operation on two operands. */
  private interface BinaryRow {
    void run(float[] out, int o, float[] a, int x, float[] b, int y, int count);
  }

  /**
   * Lambert's continued fraction for tanh(x / 4), cut after its seventh term, and two doublings;
   * off by at most 1.7e-7, and without a branch, so that the loop around it becomes vector code.
   */
  private static float tanh(float x) {
    float y = 0.25f * Math.max(-SATURATED, Math.min(SATURATED, x));
    float s = y * y;
    float p = y * (135135f + s * (17325f + s * (378f + s)));
    float q = 135135f + s * (62370f + s * (3150f + s * 28f));
    float t = p / q;
    t = 2f * t / (1f + t * t);
    return 2f * t / (1f + t * t);
  }

  private static void tanhRow(float[] out, int o, float[] a, int x, int count) {
    for (int j = 0; j < count; j++) {
      out[o + j] = tanh(a[x + j]);
    }
  }

  private static void sigmoidRow(float[] out, int o, float[] a, int x, int count) {
    for (int j = 0; j < count; j++) {
      out[o + j] = 0.5f + 0.5f * tanh(0.5f * a[x + j]);
    }
  }

  private static void copyRow(float[] out, int o, float[] a, int x, int count) {
    System.arraycopy(a, x, out, o, count);
  }

  private static void addRow(float[] out, int o, float[] a, int x, float[] b, int y, int count) {
    for (int j = 0; j < count; j++) {
      out[o + j] = a[x + j] + b[y + j];
    }
  }

  private static void subtractRow(
      float[] out, int o, float[] a, int x, float[] b, int y, int count) {
    for (int j = 0; j < count; j++) {
      out[o + j] = a[x + j] - b[y + j];
    }
  }

  private static void multiplyRow(
      float[] out, int o, float[] a, int x, float[] b, int y, int count) {
    for (int j = 0; j < count; j++) {
      out[o + j] = a[x + j] * b[y + j];
    }
  }

  private static void sigmoidGradientRow(
      float[] out, int o, float[] a, int x, float[] b, int y, int count) {
    for (int j = 0; j < count; j++) {
      out[o + j] = a[x + j] * b[y + j] * (1f - b[y + j]);
    }
  }

  private static void tanhGradientRow(
      float[] out, int o, float[] a, int x, float[] b, int y, int count) {
    for (int j = 0; j < count; j++) {
      out[o + j] = a[x + j] * (1f - b[y + j] * b[y + j]);
    }
  }

  @Override
  Runnable apply(Unary operation, Block out, Block a) {
    UnaryRow row =
        switch (operation) {
          case COPY -> HostOperators::copyRow;
          case SIGMOID -> HostOperators::sigmoidRow;
          case TANH -> HostOperators::tanhRow;
        };
    return () -> {
      float[] to = of(out).values;
      float[] from = of(a).values;
      for (int r = 0; r < out.rows(); r++) {
        int o = out.offset() + r * out.stride();
        row.run(to, o, from, a.offset() + r * a.stride(), out.columns());
      }
    };
  }

  @Override
  Runnable apply(Binary operation, Block out, Block a, Block b) {
    BinaryRow row =
        switch (operation) {
          case ADD -> HostOperators::addRow;
          case SUBTRACT -> HostOperators::subtractRow;
          case MULTIPLY -> HostOperators::multiplyRow;
          case SIGMOID_GRADIENT -> HostOperators::sigmoidGradientRow;
          case TANH_GRADIENT -> HostOperators::tanhGradientRow;
        };
    return () -> {
      for (int r = 0; r < out.rows(); r++) {
        int o = out.offset() + r * out.stride();
        int x = a.offset() + r * a.stride();
        int y = b.offset() + r * b.stride();
        row.run(of(out).values, o, of(a).values, x, of(b).values, y, out.columns());
      }
    };
  }

  @Override
  Runnable addBias(Block x, Block bias) {
    return apply(Binary.ADD, x, x, new Block(bias.tensor(), 0, 0, x.rows(), x.columns()));
  }

  @Override
  Runnable columnSums(Block out, Block dy) {
    return () -> {
      float[] sums = of(out).values;
      Arrays.fill(sums, 0, dy.columns(), 0f);
      for (int r = 0; r < dy.rows(); r++) {
        addRow(sums, 0, sums, 0, of(dy).values, dy.offset() + r * dy.stride(), dy.columns());
      }
    };
  }

  // ---- Products

  private enum Kind {
    FORWARD,
    INPUT_GRADIENT,
    WEIGHT_GRADIENT
  }

  /** Products of one kind, one size and one matrix of weights share their memory. */
  private record Key(Kind kind, int rows, int inputs, int outputs, Object weights) {}

  /** A {@link Linear} and the memory that it computes in. */
  private final class Product {
    private final Linear linear;
    private final FloatBuffer x;
    private final FloatBuffer y;
    private final FloatBuffer w;
    private int version = -1;

    Product(Key key) {
      linear = Linear.create(device, DType.F32, key.rows(), key.inputs(), key.outputs());
      owned.add(linear);
      ByteBuffer xs = direct(key.rows() * key.inputs());
      ByteBuffer ys = direct(key.rows() * key.outputs());
      ByteBuffer ws = direct(key.outputs() * key.inputs());
      DeviceBuffer rowsIn = device.wrap(DType.F32, xs, key.rows(), key.inputs());
      DeviceBuffer rowsOut = device.wrap(DType.F32, ys, key.rows(), key.outputs());
      DeviceBuffer weights = device.wrap(DType.F32, ws, key.outputs(), key.inputs());
      linear.x(rowsIn).w(weights);
      switch (key.kind()) {
        case FORWARD -> linear.y(rowsOut);
        case INPUT_GRADIENT -> linear.dy(rowsOut).dx(rowsIn);
        case WEIGHT_GRADIENT -> linear.dy(rowsOut).dw(weights);
      }
      x = xs.asFloatBuffer();
      y = ys.asFloatBuffer();
      w = ws.asFloatBuffer();
    }

    void weights(Block block) {
      HostTensor tensor = of(block);
      if (version != tensor.version) {
        w.put(0, tensor.values, block.offset(), w.capacity());
        version = tensor.version;
      }
    }
  }

  private static ByteBuffer direct(int floats) {
    return ByteBuffer.allocateDirect(Math.multiplyExact(4, floats)).order(ByteOrder.nativeOrder());
  }

  private Product product(Kind kind, int rows, int inputs, int outputs, Object weights) {
    return products.computeIfAbsent(new Key(kind, rows, inputs, outputs, weights), Product::new);
  }

  private static void put(FloatBuffer to, Block block) {
    to.put(0, of(block).values, block.offset(), to.capacity());
  }

  /** Takes a dense result into a block, or adds it. */
  private static void take(FloatBuffer from, Block block, float[] sum) {
    float[] to = of(block).values;
    if (sum.length == 0) {
      from.get(0, to, block.offset(), from.capacity());
      return;
    }
    from.get(0, sum, 0, sum.length);
    addRow(to, block.offset(), to, block.offset(), sum, 0, sum.length);
  }

  private static float[] sumOf(Block out, boolean add) {
    return new float[add ? out.rows() * out.columns() : 0];
  }

  @Override
  Runnable product(Block out, Block a, Block w, boolean add) {
    Product p = product(Kind.FORWARD, a.rows(), a.columns(), w.rows(), w.tensor());
    float[] sum = sumOf(out, add);
    return () -> {
      p.weights(w);
      put(p.x, a);
      p.linear.forward(device.defaultStream());
      device.synchronize();
      take(p.y, out, sum);
    };
  }

  @Override
  Runnable inputGradient(Block dx, Block dy, Block w, boolean add) {
    Product p = product(Kind.INPUT_GRADIENT, dy.rows(), w.columns(), w.rows(), w.tensor());
    float[] sum = sumOf(dx, add);
    return () -> {
      p.weights(w);
      put(p.y, dy);
      p.linear.backward(device.defaultStream());
      device.synchronize();
      take(p.x, dx, sum);
    };
  }

  @Override
  Runnable weightGradient(Block dw, Block dy, Block x) {
    Product p = product(Kind.WEIGHT_GRADIENT, dy.rows(), x.columns(), dy.columns(), this);
    return () -> {
      put(p.y, dy);
      put(p.x, x);
      p.linear.backward(device.defaultStream());
      device.synchronize();
      take(p.w, dw, new float[0]);
    };
  }

  @Override
  void synchronize() {
    device.synchronize();
  }

  @Override
  String who() {
    return "the unfused loop on " + device;
  }

  @Override
  public void close() {
    for (AutoCloseable each : owned) {
      try {
        each.close();
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
    device.close();
  }
}
