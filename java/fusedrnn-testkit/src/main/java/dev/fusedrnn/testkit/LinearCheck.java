package dev.fusedrnn.testkit;

import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.Linear;
import java.util.Map;
import java.util.SplittableRandom;

/** A linear layer forward and backward. */
final class LinearCheck extends OpCheck {
  private final int rows;
  private final int in;
  private final int out;
  private final boolean accumulate;
  private final float[] x;
  private final float[] w;
  private final float[] b;
  private final float[] dy;
  private final float[] startDw;
  private final float[] startDb;

  LinearCheck(int rows, int in, int out, boolean accumulate, DType dtype, long seed) {
    super(
        String.format("linear N%d I%d O%d%s", rows, in, out, accumulate ? " +accumulate" : ""),
        dtype,
        seed);
    this.rows = rows;
    this.in = in;
    this.out = out;
    this.accumulate = accumulate;
    SplittableRandom random = new SplittableRandom(seed);
    x = Draws.normal(random, rows * in);
    w = Draws.uniform(random, out * in, 1 / Math.sqrt(in));
    b = Draws.uniform(random, out, 1 / Math.sqrt(in));
    dy = Draws.normal(random, rows * out);
    startDw = accumulate ? Draws.normal(random, out * in) : new float[out * in];
    startDb = accumulate ? Draws.normal(random, out) : new float[out];
    for (float[] values : new float[][] {x, w, b, dy, startDw, startDb}) {
      storage().round(values);
    }
    result("y", rows, out);
    result("dx", rows, in);
    result("dw", out, in);
    result("db", out);
  }

  @Override
  Map<String, double[]> compute(GuardedBuffers buffers, Device device, DType dtype) {
    try (Linear linear = Linear.create(device, dtype, rows, in, out)) {
      linear.x(buffers.input("x", x, rows, in)).w(buffers.input("w", w, out, in));
      linear.b(buffers.input("b", b, out)).dy(buffers.input("dy", dy, rows, out));
      linear.y(buffers.output("y", rows, out)).dx(buffers.output("dx", rows, in));
      if (accumulate) {
        linear.dw(buffers.inOut("dw", startDw, out, in)).db(buffers.inOut("db", startDb, out));
      } else {
        linear.dw(buffers.output("dw", out, in)).db(buffers.output("db", out));
      }
      linear.accumulate(accumulate);
      linear.forward(device.defaultStream());
      linear.backward(device.defaultStream());
      device.synchronize();
    }
    return Map.of(
        "y", buffers.read("y"),
        "dx", buffers.read("dx"),
        "dw", buffers.read("dw"),
        "db", buffers.read("db"));
  }

  @Override
  Map<String, float[]> plain(SummationOrder order) {
    return Map.of(
        "y", PlainOps.linear(x, w, b, rows, in, order),
        "dx", PlainOps.linearDx(dy, w, rows, in, out, order),
        "dw", PlainOps.linearDw(startDw, dy, x, rows, in, out, order),
        "db", PlainOps.linearDb(startDb, dy, rows, out, order));
  }
}
