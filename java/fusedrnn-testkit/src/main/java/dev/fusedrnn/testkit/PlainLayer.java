package dev.fusedrnn.testkit;

import dev.fusedrnn.Cell;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.RnnConfig;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * One layer in one direction in plain float loops: rows one after another, steps within. Rows n = t
 * B + b are time-first. Cells are subclasses.
 */
abstract class PlainLayer {
  final RnnConfig config;
  final SummationOrder order;
  private final Storage storage;
  final int steps;
  final int batch;
  final int input;
  final int hidden;
  final int width;
  final int gateRows;

  /** Rows of the recurrent weights: as gateRows, but of two gates only for MUT1. */
  final int recurrentGateRows;

  final String suffix;

  private final Map<String, float[]> data;
  private final int[] live;
  private final boolean reverse;
  private final float[] x;
  private final float[] wIh;
  private final PlainInput inputPart;
  final float[] wHh;
  final float[] bHh;
  private final PlainMask recurrentDropout;
  private final PlainMask zoneoutHidden;

  /** Results [T*B, W] and [B, W]. */
  final float[] y;

  final float[] h;

  /** The state before each row [T*B, W], and as it entered the recurrent product. */
  final float[] hBefore;

  final float[] hIn;

  /** Gradients of both products [T*B, gate rows]; zero in rows that are not live. */
  final float[] dIh;

  final float[] dHh;

  /** Gradients of x, and of the initial state. */
  final float[] dx;

  /** Gradient of W x alone. */
  private float[] dProduct = {};

  final float[] dh;

  PlainLayer(PlainNet net, int layer, int direction, float[] x, float[] h0) {
    config = net.config;
    order = net.order;
    storage = net.storage;
    steps = net.sizes.steps();
    batch = net.sizes.batch();
    live = net.sizes.liveSteps();
    data = net.data;
    reverse = direction == 1;
    suffix = "_l" + layer + (reverse ? "_reverse" : "");
    input = Math.toIntExact(config.inputSize(layer));
    hidden = Math.toIntExact(config.hiddenSize());
    width = Math.toIntExact(config.stateSize());
    gateRows = Math.toIntExact(config.gateRows());
    recurrentGateRows = Math.toIntExact(config.shape(Parameter.WEIGHT_HH, layer)[0]);
    this.x = x;
    h = h0;
    wIh = parameter("weight_ih");
    wHh = parameter("weight_hh");
    bHh = data.getOrDefault("bias_hh" + suffix, new float[recurrentGateRows]);
    int stream = layer * 2 + direction;
    recurrentDropout = net.mask(stream, 1, config.recurrentDropout());
    zoneoutHidden = net.mask(stream, 2, config.zoneoutHidden());
    int rows = steps * batch;
    y = new float[rows * width];
    hBefore = new float[rows * width];
    hIn = new float[rows * width];
    dIh = new float[rows * gateRows];
    dHh = new float[rows * recurrentGateRows];
    dx = new float[rows * input];
    dh = new float[batch * width];
    float[] bias = data.getOrDefault("bias_ih" + suffix, new float[gateRows]);
    inputPart = new PlainInput(this, liveRows(), x, wIh, bias);
  }

  private int[] liveRows() {
    return IntStream.range(0, steps * batch).filter(n -> n / batch < live[n % batch]).toArray();
  }

  static PlainLayer of(PlainNet net, int layer, int direction, float[] x, float[] h0, float[] c0) {
    Cell cell = net.config.cell();
    return switch (cell) {
      case LSTM -> new PlainLstm(net, layer, direction, x, h0, c0);
      case GRU, GRU_RESET_BEFORE -> new PlainGru(net, layer, direction, x, h0);
      case MUT1, MUT2, MUT3 -> new PlainMut(net, layer, direction, x, h0);
      case RNN_TANH, RNN_RELU -> new PlainElman(net, layer, direction, x, h0);
    };
  }

  final float[] parameter(String name) {
    return data.get(name + suffix);
  }

  /** The cell state, or its gradient after backward; empty where there is none. */
  float[] cellState() {
    return new float[0];
  }

  /** Receives the gradient of the last cell state. */
  void cellStateGradient(float[] dcT) {}

  /** Computes the new h [W] of row n, sequence b. */
  abstract float[] step(int n, int b);

  /**
   * Fills dIh and dHh of row n.
   *
   * @param dNew gradient of the h that step computed
   * @param direct += what goes to the h before, past the recurrent product
   * @param entering += what goes to the h that entered the recurrent product, beside dHh
   */
  abstract void stepBack(int n, int b, float[] dNew, float[] direct, float[] entering);

  /** From dHh of row n, the gradient of the recurrent product itself [T*B, gate rows]. */
  float[] recurrentGradient(int n) {
    return dHh;
  }

  /** As above, of all rows. */
  float[] recurrentGradients() {
    return dHh;
  }

  /** Gate rows whose recurrent product is with h itself. */
  int recurrentRows() {
    return gateRows;
  }

  /** What gate row g was multiplied with in the recurrent product [T*B, W]. */
  float[] recurrentOperand(int g) {
    return hIn;
  }

  private int row(int b, int s) {
    return (reverse ? live[b] - 1 - s : s) * batch + b;
  }

  final void forward() {
    for (int b = 0; b < batch; b++) {
      for (int s = 0; s < live[b]; s++) {
        int n = row(b, s);
        for (int j = 0; j < width; j++) {
          hBefore[n * width + j] = h[b * width + j];
          float masked = h[b * width + j] * recurrentDropout.factor(b * width + j);
          hIn[n * width + j] = storage.round(masked);
        }
        float[] next = step(n, b);
        for (int j = 0; j < width; j++) {
          boolean keeps = zoneoutHidden.chooses(n * width + j);
          y[n * width + j] = keeps ? h[b * width + j] : storage.round(next[j]);
        }
        System.arraycopy(y, n * width, h, b * width, width);
      }
    }
  }

  final void backward(float[] dy, float[] dhT, float[] dcT) {
    System.arraycopy(dhT, 0, dh, 0, dh.length);
    cellStateGradient(dcT);
    for (int b = 0; b < batch; b++) {
      for (int s = live[b] - 1; s >= 0; s--) {
        backward(row(b, s), b, dy);
      }
    }
    dProduct = inputPart.backward(dIh);
    for (int n = 0; n < steps * batch; n++) {
      for (int k = 0; k < input; k++) {
        dx[n * input + k] = order.dot(0, dProduct, n * gateRows, 1, wIh, k, input, gateRows);
      }
    }
  }

  private void backward(int n, int b, float[] dy) {
    float[] dNew = new float[width];
    float[] direct = new float[width];
    for (int j = 0; j < width; j++) {
      float total = dh[b * width + j] + dy[n * width + j];
      boolean keeps = zoneoutHidden.chooses(n * width + j);
      dNew[j] = keeps ? 0 : total;
      direct[j] = keeps ? total : 0;
    }
    float[] entering = new float[width];
    stepBack(n, b, dNew, direct, entering);
    roundRow(dIh, n, gateRows);
    roundRow(dHh, n, recurrentGateRows);
    float[] dU = recurrentGradient(n);
    for (int k = 0; k < width; k++) {
      float sum =
          order.dot(entering[k], dU, n * recurrentGateRows, 1, wHh, k, width, recurrentRows());
      dh[b * width + k] = direct[k] + sum * recurrentDropout.factor(b * width + k);
    }
  }

  /** Gradients of preactivations are operands of products, so they are stored as these are. */
  private void roundRow(float[] rows, int n, int columns) {
    for (int k = n * columns; k < (n + 1) * columns; k++) {
      rows[k] = storage.round(rows[k]);
    }
  }

  final float inputProduct(int n, int g) {
    return inputPart.at(n, g);
  }

  final float recurrentProduct(int n, int g) {
    return order.dot(bHh[g], wHh, g * width, 1, hIn, n * width, 1, width);
  }

  static float sigmoid(float a) {
    return 1 / (1 + (float) Math.exp(-a));
  }

  static float tanh(float a) {
    return (float) Math.tanh(a);
  }

  /** Adds the gradients of the parameters to what {@code out} is to start from. */
  void gradients(Map<String, float[]> out) {
    int rows = steps * batch;
    float[] dwIh = gradient("weight_ih", wIh.length);
    float[] dwHh = gradient("weight_hh", wHh.length);
    for (int g = 0; g < gateRows; g++) {
      for (int k = 0; k < input; k++) {
        int e = g * input + k;
        dwIh[e] = order.dot(dwIh[e], dProduct, g, gateRows, x, k, input, rows);
      }
    }
    int all = recurrentGateRows;
    float[] dU = recurrentGradients();
    for (int g = 0; g < all; g++) {
      for (int k = 0; k < width; k++) {
        int e = g * width + k;
        dwHh[e] = order.dot(dwHh[e], dU, g, all, recurrentOperand(g), k, width, rows);
      }
    }
    out.put("dweight_ih" + suffix, dwIh);
    out.put("dweight_hh" + suffix, dwHh);
    inputPart.results(dIh, out);
    if (config.bias()) {
      out.put("dbias_ih" + suffix, columnSums("bias_ih", dIh, gateRows));
      out.put("dbias_hh" + suffix, columnSums("bias_hh", dHh, recurrentGateRows));
    }
  }

  /** What a gradient is added to. */
  final float[] gradient(String name, int count) {
    float[] start = data.get("start_d" + name + suffix);
    return start == null ? new float[count] : Arrays.copyOf(start, count);
  }

  /** Sums over rows of a times b, column by column, on what the gradient of {@code name} has. */
  final float[] products(String name, float[] a, float[] b, int columns) {
    float[] sums = gradient(name, columns);
    for (int g = 0; g < columns; g++) {
      sums[g] = order.dot(sums[g], a, g, columns, b, g, columns, steps * batch);
    }
    return sums;
  }

  final float[] columnSums(String name, float[] rows, int columns) {
    float[] sums = gradient(name, columns);
    float[] one = {1};
    for (int g = 0; g < columns; g++) {
      sums[g] = order.dot(sums[g], rows, g, columns, one, 0, 0, steps * batch);
    }
    return sums;
  }
}
