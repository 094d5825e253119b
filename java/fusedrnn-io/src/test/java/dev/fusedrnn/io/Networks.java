package dev.fusedrnn.io;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.Parameter;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnConfigBuilder;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeSet;

/** Networks of odd sizes with drawn weights, and what the oracle computes with them. */
final class Networks {
  static final int STEPS = 4;
  static final int BATCH = 1;

  private Networks() {}

  /** A double-precision network of three inputs and five units. */
  static RnnConfigBuilder builder(Cell cell) {
    return RnnConfig.builder(cell).inputSize(3).hiddenSize(5).dtype(DType.F64);
  }

  /** One and two layers, one and two directions, with and without bias, of each cell. */
  static List<RnnConfig> plain(Cell... cells) {
    List<RnnConfig> configs = new ArrayList<>();
    for (Cell cell : cells) {
      for (int shape = 0; shape < 8; shape++) {
        configs.add(
            builder(cell)
                .layers(1 + (shape & 1))
                .bidirectional((shape & 2) != 0)
                .bias((shape & 4) != 0)
                .build());
      }
    }
    return configs;
  }

  static double[] draw(int count, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[] values = new double[count];
    Arrays.setAll(values, k -> random.nextDouble(-1, 1));
    return values;
  }

  static HostTensor tensor(long seed, long... shape) {
    return new HostTensor(draw((int) Arrays.stream(shape).reduce(1, (a, b) -> a * b), seed), shape);
  }

  /** Weights with no two alike. */
  static RnnWeights weights(RnnConfig config, long seed) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    for (int layer = 0; layer < config.layers(); layer++) {
      for (int direction = 0; direction < config.directions(); direction++) {
        for (Parameter parameter : config.parameters()) {
          tensors.put(
              parameter.torchName(layer, direction),
              tensor(seed + tensors.size(), config.shape(parameter, layer)));
        }
      }
    }
    return new RnnWeights(config, tensors);
  }

  static double[] input(RnnConfig config) {
    return draw(STEPS * BATCH * (int) config.inputSize(), 99);
  }

  /** The output of every step, by the oracle. */
  static double[] run(RnnWeights weights, double[] x) {
    try (Device device = Device.open("reference")) {
      Rnn network = Rnn.create(device, weights.config());
      try (RnnParameters parameters = network.newParameters();
          RnnSequence sequence = network.newSequence(STEPS, BATCH, false)) {
        weights.writeTo(parameters);
        sequence.call().parameters(parameters);
        sequence.x().write(x);
        sequence.forward(device.defaultStream());
        return sequence.y().readDoubles();
      }
    }
  }

  /** Where two sets of weights differ: {@code name[block]}, blocks of H rows. */
  static TreeSet<String> differences(RnnWeights one, RnnWeights two) {
    TreeSet<String> found = new TreeSet<>();
    int hidden = (int) one.config().hiddenSize();
    one.tensors()
        .forEach(
            (name, tensor) -> {
              double[] a = tensor.values();
              double[] b = two.tensors().get(name).values();
              int blocks = (int) (tensor.shape()[0] / (name.contains("peephole") ? 1 : hidden));
              for (int k = 0; k < a.length; k++) {
                if (a[k] != b[k]) {
                  found.add(name + "[" + k / (a.length / blocks) + "]");
                }
              }
            });
    return found;
  }

  /** A copy with one element moved. */
  static HostTensor moved(HostTensor tensor, int index) {
    double[] values = tensor.values().clone();
    values[index] += 0.25;
    return new HostTensor(values, tensor.shape());
  }

  static double sigmoid(double value) {
    return 1 / (1 + Math.exp(-value));
  }

  /** Column {@code column} of row-vector times matrix [rows, columns]. */
  static double dot(double[] vector, HostTensor matrix, int column) {
    int columns = (int) matrix.shape()[1];
    double sum = 0;
    for (int row = 0; row < vector.length; row++) {
      sum += vector[row] * matrix.values()[row * columns + column];
    }
    return sum;
  }
}
