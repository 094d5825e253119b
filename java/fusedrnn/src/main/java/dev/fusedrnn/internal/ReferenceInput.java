package dev.fusedrnn.internal;

import java.util.Arrays;
import java.util.List;

/**
 * What the input gives to the gates, W x + b_ih, for all live rows of a sequence: plain, with W x
 * normalised row by row (Ba, Kiros and Hinton 2016), or with each column of W x normalised over all
 * live rows (Laurent et al. 2016), with running statistics for inference.
 */
final class ReferenceInput {
  private final ReferenceLayer layer;
  private final ReferenceWeights w;
  private final double[][] x; // by live row
  private final double[][] a; // by live row: W x + b_ih
  private final LayerNorm[] layerNorms;
  private double[][] unit = {}; // batch norm: by live row
  private double[] deviation = {};
  private double[] newMean;
  private double[] newVariance;

  ReferenceInput(ReferenceLayer layer, ReferenceWeights weights, List<double[]> liveRows) {
    this.layer = layer;
    this.w = weights;
    this.x = liveRows.toArray(new double[0][]);
    this.a = new double[x.length][];
    this.layerNorms = new LayerNorm[x.length];
    this.newMean = weights.get(Fields.Weights.RUNNING_MEAN);
    this.newVariance = weights.get(Fields.Weights.RUNNING_VAR);
    double[] zeros = new double[layer.rows()];
    for (int n = 0; n < x.length; n++) {
      a[n] = ReferenceWeights.product(weights.wIh(), zeros, x[n], 0, layer.rows());
    }
    if (layer.options().norm() == ReferenceLayer.LAYER_NORM) {
      normaliseRows();
    } else if (layer.options().norm() == ReferenceLayer.BATCH_NORM) {
      normaliseColumns();
    }
    for (double[] row : a) {
      Arrays.setAll(row, k -> row[k] + weights.bIh()[k]);
    }
  }

  private void normaliseRows() {
    for (int n = 0; n < a.length; n++) {
      double epsilon = layer.options().normEpsilon();
      layerNorms[n] = new LayerNorm(a[n], w.get(Fields.Weights.NORM_IH), epsilon);
      a[n] = layerNorms[n].out();
    }
  }

  private void normaliseColumns() {
    double[] mean = w.get(Fields.Weights.RUNNING_MEAN);
    double[] variance = w.get(Fields.Weights.RUNNING_VAR);
    if (layer.options().training()) {
      mean = new double[layer.rows()];
      variance = new double[layer.rows()];
      measure(mean, variance);
    }
    double epsilon = layer.options().normEpsilon();
    deviation = Arrays.stream(variance).map(v -> Math.sqrt(v + epsilon)).toArray();
    unit = new double[a.length][layer.rows()];
    for (int n = 0; n < a.length; n++) {
      for (int row = 0; row < layer.rows(); row++) {
        unit[n][row] = (a[n][row] - mean[row]) / deviation[row];
        a[n][row] = w.get(Fields.Weights.NORM_IH)[row] * unit[n][row];
      }
    }
  }

  /** Mean and biased variance of each column; moves the running statistics where there are rows. */
  private void measure(double[] mean, double[] variance) {
    int count = a.length;
    if (count == 0) {
      return;
    }
    double momentum = layer.options().normMomentum();
    double[] oldMean = newMean;
    double[] oldVariance = newVariance;
    newMean = oldMean.clone();
    newVariance = oldVariance.clone();
    for (int row = 0; row < layer.rows(); row++) {
      for (double[] values : a) {
        mean[row] += values[row] / count;
      }
      for (double[] values : a) {
        variance[row] += (values[row] - mean[row]) * (values[row] - mean[row]) / count;
      }
      double unbiased = count == 1 ? variance[row] : variance[row] * count / (count - 1);
      newMean[row] = (1 - momentum) * oldMean[row] + momentum * mean[row];
      newVariance[row] = (1 - momentum) * oldVariance[row] + momentum * unbiased;
    }
  }

  /** W x + b_ih of a live row. */
  double[] a(int liveRow) {
    return a[liveRow];
  }

  double[] runningMean() {
    return newMean;
  }

  double[] runningVariance() {
    return newVariance;
  }

  /** From the gradient of each a; adds to those of the parameters, answers that of each x. */
  double[][] backward(double[][] da, ReferenceWeights dw) {
    double[][] dProduct = new double[x.length][];
    for (int n = 0; n < x.length; n++) {
      double[] d = da[n];
      Arrays.setAll(dw.bIh(), k -> dw.bIh()[k] + d[k]);
      dProduct[n] =
          layerNorms[n] == null ? d : layerNorms[n].backward(d, dw.get(Fields.Weights.NORM_IH));
    }
    if (layer.options().norm() == ReferenceLayer.BATCH_NORM) {
      dProduct = backThroughColumns(da, dw.get(Fields.Weights.NORM_IH));
    }
    double[][] dx = new double[x.length][layer.input()];
    double[] unused = new double[layer.rows()];
    for (int n = 0; n < x.length; n++) {
      ReferenceWeights.backward(w.wIh(), dProduct[n], 0, x[n], dw.wIh(), unused, dx[n]);
    }
    return dx;
  }

  private double[][] backThroughColumns(double[][] da, double[] dGain) {
    double[][] dProduct = new double[x.length][layer.rows()];
    for (int row = 0; row < layer.rows(); row++) {
      double gain = w.get(Fields.Weights.NORM_IH)[row];
      double mean = 0;
      double along = 0;
      for (int n = 0; n < x.length; n++) {
        dGain[row] += da[n][row] * unit[n][row];
        mean += da[n][row] * gain / x.length;
        along += da[n][row] * gain * unit[n][row] / x.length;
      }
      for (int n = 0; n < x.length; n++) {
        dProduct[n][row] = (da[n][row] * gain - mean - unit[n][row] * along) / deviation[row];
      }
    }
    return dProduct;
  }
}
