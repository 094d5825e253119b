package dev.fusedrnn.bench.peers;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.internal.NDArrayEx;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.recurrent.RNN;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.GradientCollector;
import dev.fusedrnn.testkit.NetCase;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * DJL's recurrent operations. They add gradients to what is there, so those of the run before are
 * zeroed, as DJL's own trainer does.
 */
@SuppressWarnings("try") // a collector acts by being there
final class DjlSequence extends ManyWays {
  private static final List<String> RESULTS = List.of("y", "hT", "cT");

  private static final List<Way> INFERENCE =
      List.of(new Way("grad mode", false, true), new Way("no_grad", true, true));

  private static final List<Way> TRAINING = List.of(new Way("", false, true));

  private final Engine engine;
  private final NDManager manager;
  private final Map<String, NDArray> arrays = new LinkedHashMap<>();
  private final List<PtNDArray> leaves = new ArrayList<>();
  private final NDList parameters = new NDList();
  private final NDList states = new NDList();
  private NDList last = new NDList();
  private boolean hasGradients;

  DjlSequence(Engine engine, NDManager parent, NetCase sizes, boolean training) {
    super(sizes, training);
    this.engine = engine;
    this.manager = parent.newSubManager();
    data.forEach((name, values) -> arrays.put(name, manager.create(values, shape(name))));
    for (String name : List.of("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")) {
      parameters.add(array(name));
    }
    states.add(array("h0"));
    if (sizes.cell().hasCellState()) {
      states.add(array("c0"));
    }
    if (training) {
      arrays.forEach(
          (name, array) -> {
            if (!name.equals("dy")) {
              array.setRequiresGradient(true);
              leaves.add((PtNDArray) array);
            }
          });
    }
    choose(training ? TRAINING : INFERENCE);
  }

  @Override
  void use(Way next) {
    JniUtils.setGradMode(!next.guard());
  }

  private Shape shape(String name) {
    int[] shape = sizes.shape(name);
    Shape plain = new Shape(Arrays.stream(shape).asLongStream().toArray());
    return name.equals("h0") || name.equals("c0") ? new Shape(1).addAll(plain) : plain;
  }

  private NDArray array(String name) {
    NDArray array = arrays.get(name);
    if (array == null) {
      throw new IllegalArgumentException("no tensor of the name " + name);
    }
    return array;
  }

  @Override
  public void put(String name, float[] values) {
    array(name).set(values);
  }

  @Override
  public double[] get(String name) {
    int result = RESULTS.indexOf(name);
    if (result >= 0) {
      return wide(last.get(result));
    }
    try (NDArray gradient = array(name.substring(1)).getGradient()) {
      return wide(gradient);
    }
  }

  private static double[] wide(NDArray array) {
    float[] values = array.toFloatArray();
    double[] wide = new double[values.length];
    for (int k = 0; k < wide.length; k++) {
      wide[k] = values[k];
    }
    return wide;
  }

  private void layer() {
    last.close();
    NDArray x = array("x");
    NDArrayEx operations = x.getNDArrayInternal();
    last =
        switch (sizes.cell()) {
          case LSTM -> operations.lstm(x, states, parameters, true, 1, 0, training, false, false);
          case GRU ->
              operations.gru(x, states.get(0), parameters, true, 1, 0, training, false, false);
          default ->
              operations.rnn(
                  x,
                  states.get(0),
                  parameters,
                  true,
                  1,
                  RNN.Activation.TANH,
                  0,
                  training,
                  false,
                  false);
        };
  }

  @Override
  public void forward() {
    layer();
  }

  @Override
  public void train() {
    if (hasGradients) {
      leaves.forEach(JniUtils::zeroGrad);
    }
    hasGradients = true;
    try (GradientCollector collector = engine.newGradientCollector()) {
      layer();
      JniUtils.backward((PtNDArray) last.get(0), (PtNDArray) array("dy"), false, false);
    }
  }

  @Override
  public String who() {
    return "DJL";
  }

  @Override
  public void close() {
    last.close();
    manager.close();
  }
}
