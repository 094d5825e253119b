package dev.fusedrnn.testkit;

import java.util.Arrays;
import java.util.Map;

/** Layer norm of an LSTM's recurrent product and of its cell state. */
final class PlainLstmNorms {
  private final PlainLstm layer;
  private final int gateRows;
  private final int hidden;
  private final double epsilon;
  private final float[] gain;
  private final float[] cellGain;
  private final float[] cellBias;

  /** After the norm, before the gain; and what centred values were multiplied with, by row. */
  private final float[] recurrent;

  private final float[] recurrentInverse;
  private final float[] cell;
  private final float[] cellInverse;

  /** Gradients of U h and of the normalised cell state after gain and bias. */
  private final float[] dRecurrent;

  private final float[] dCell;

  PlainLstmNorms(PlainLstm layer) {
    this.layer = layer;
    gateRows = layer.gateRows;
    hidden = layer.hidden;
    epsilon = layer.config.normEpsilon();
    gain = layer.parameter("norm_hh");
    cellGain = layer.parameter("norm_c");
    cellBias = layer.parameter("norm_c_bias");
    int rows = layer.steps * layer.batch;
    recurrent = new float[rows * gateRows];
    recurrentInverse = new float[rows];
    cell = new float[rows * hidden];
    cellInverse = new float[rows];
    dRecurrent = new float[rows * gateRows];
    dCell = new float[rows * hidden];
  }

  void normalizeRecurrent(int n) {
    float[] v = new float[gateRows];
    for (int g = 0; g < gateRows; g++) {
      int w = g * hidden;
      v[g] = layer.order.dot(0, layer.wHh, w, 1, layer.hIn, n * hidden, 1, hidden);
    }
    recurrentInverse[n] = PlainNorm.normalize(v, epsilon);
    System.arraycopy(v, 0, recurrent, n * gateRows, gateRows);
  }

  float recurrent(int n, int g) {
    return recurrent[n * gateRows + g] * gain[g] + layer.bHh[g];
  }

  void normalizeCell(int n, float[] c) {
    float[] v = Arrays.copyOfRange(c, n * hidden, (n + 1) * hidden);
    cellInverse[n] = PlainNorm.normalize(v, epsilon);
    System.arraycopy(v, 0, cell, n * hidden, hidden);
  }

  float cell(int n, int j) {
    return cell[n * hidden + j] * cellGain[j] + cellBias[j];
  }

  /** From the gradient of what tanh sees to that of c. */
  float[] cellGradient(int n, float[] dSeen) {
    System.arraycopy(dSeen, 0, dCell, n * hidden, hidden);
    float[] d = dSeen.clone();
    for (int j = 0; j < hidden; j++) {
      d[j] *= cellGain[j];
    }
    float[] normal = Arrays.copyOfRange(cell, n * hidden, (n + 1) * hidden);
    PlainNorm.backward(d, normal, cellInverse[n]);
    return d;
  }

  float[] recurrentGradient(int n) {
    float[] d = Arrays.copyOfRange(layer.dHh, n * gateRows, (n + 1) * gateRows);
    for (int g = 0; g < gateRows; g++) {
      d[g] *= gain[g];
    }
    float[] normal = Arrays.copyOfRange(recurrent, n * gateRows, (n + 1) * gateRows);
    PlainNorm.backward(d, normal, recurrentInverse[n]);
    System.arraycopy(d, 0, dRecurrent, n * gateRows, gateRows);
    return dRecurrent;
  }

  float[] recurrentGradients() {
    return dRecurrent;
  }

  void gradients(Map<String, float[]> out) {
    String suffix = layer.suffix;
    out.put("dnorm_hh" + suffix, layer.products("norm_hh", layer.dHh, recurrent, gateRows));
    out.put("dnorm_c" + suffix, layer.products("norm_c", dCell, cell, hidden));
    out.put("dnorm_c_bias" + suffix, layer.columnSums("norm_c_bias", dCell, hidden));
  }
}
