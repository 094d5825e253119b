package dev.fusedrnn;

import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * First values of parameters. Values are drawn as doubles and rounded to float on every backend.
 */
final class Initializers {
  private Initializers() {}

  static void fill(DeviceBuffer tensor, double value) {
    double[] values = new double[Transfers.arrayLength(tensor)];
    Arrays.fill(values, value);
    tensor.write(values);
  }

  static void uniform(DeviceBuffer tensor, double bound, SplittableRandom random) {
    double[] values = new double[Transfers.arrayLength(tensor)];
    for (int k = 0; k < values.length; k++) {
      values[k] = (float) ((2 * random.nextDouble() - 1) * bound);
    }
    tensor.write(values);
  }

  /** Glorot and Bengio 2010, equation 16, for each block of rows: one gate's weights. */
  static void xavier(DeviceBuffer tensor, int blockRows, SplittableRandom random) {
    uniform(tensor, Math.sqrt(6.0 / (blockRows + tensor.shape()[1])), random);
  }

  /** Each block of rows becomes orthogonal: its rows, or its columns where it has more rows. */
  static void orthogonal(DeviceBuffer tensor, int blockRows, SplittableRandom random) {
    int columns = Math.toIntExact(tensor.shape()[1]);
    double[] values = new double[Transfers.arrayLength(tensor)];
    int count = Math.min(blockRows, columns);
    int length = Math.max(blockRows, columns);
    for (int block = 0; block < values.length / (blockRows * columns); block++) {
      double[][] vectors = orthonormal(count, length, random);
      for (int row = 0; row < blockRows; row++) {
        for (int column = 0; column < columns; column++) {
          double value = blockRows <= columns ? vectors[row][column] : vectors[column][row];
          values[(block * blockRows + row) * columns + column] = (float) value;
        }
      }
    }
    tensor.write(values);
  }

  /** Gram-Schmidt over Gaussian vectors, twice over each, which is exact to rounding. */
  private static double[][] orthonormal(int count, int length, SplittableRandom random) {
    double[][] vectors = new double[count][length];
    for (int v = 0; v < count; v++) {
      double[] vector = vectors[v];
      Arrays.setAll(vector, k -> random.nextGaussian());
      for (int pass = 0; pass < 2; pass++) {
        for (int u = 0; u < v; u++) {
          double along = dot(vector, vectors[u]);
          double[] other = vectors[u];
          Arrays.setAll(vector, k -> vector[k] - along * other[k]);
        }
        double norm = Math.sqrt(dot(vector, vector));
        Arrays.setAll(vector, k -> vector[k] / norm);
      }
    }
    return vectors;
  }

  private static double dot(double[] a, double[] b) {
    double sum = 0;
    for (int k = 0; k < a.length; k++) {
      sum += a[k] * b[k];
    }
    return sum;
  }
}
