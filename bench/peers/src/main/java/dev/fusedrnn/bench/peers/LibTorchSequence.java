package dev.fusedrnn.bench.peers;

import dev.fusedrnn.testkit.NetCase;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.T_TensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * {@code torch.lstm}, {@code torch.gru} or {@code torch.rnn_tanh}, and {@code autograd::grad},
 * which makes new gradients and adds them to nothing.
 */
@SuppressWarnings("try") // scopes and guards act by being there
final class LibTorchSequence extends ManyWays {
  private static final List<String> PARAMETERS =
      List.of("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0");

  private static final Way PLAIN = new Way("without oneDNN", true, false);

  private static final List<Way> INFERENCE =
      List.of(PLAIN, new Way("no_grad", true, true), new Way("grad mode", false, true));

  private static final List<Way> TRAINING = List.of(PLAIN, new Way("oneDNN", true, true));

  private final Map<String, Tensor> tensors = new LinkedHashMap<>();
  private final Map<String, Tensor> results = new HashMap<>();
  private final TensorVector parameters = new TensorVector();
  private final TensorVector states = new TensorVector();
  private final TensorVector inputs = new TensorVector();
  private final TensorVector upstream = new TensorVector();
  private final List<String> gradients;

  /** What the last run made; freed before the next, as a loop in C++ would. */
  private PointerScope last = new PointerScope();

  LibTorchSequence(NetCase sizes, boolean training) {
    super(sizes, training);
    last.close();
    data.forEach(
        (name, values) -> {
          Tensor tensor = Tensor.create(values, shape(name));
          if (name.equals("dy")) {
            upstream.push_back(tensor);
          } else {
            tensor.set_requires_grad(training);
            inputs.push_back(tensor);
          }
          tensors.put(name, tensor);
        });
    gradients =
        tensors.keySet().stream().filter(name -> !name.equals("dy")).map(n -> "d" + n).toList();
    PARAMETERS.forEach(name -> parameters.push_back(tensor(name)));
    states.push_back(tensor("h0"));
    if (sizes.cell().hasCellState()) {
      states.push_back(tensor("c0"));
    }
    choose(training ? TRAINING : INFERENCE);
  }

  @Override
  void use(Way next) {
    torch.globalContext().setUserEnabledMkldnn(next.oneDnn());
  }

  /** PyTorch's states have a dimension for layers. */
  private long[] shape(String name) {
    int[] shape = sizes.shape(name);
    boolean state = name.equals("h0") || name.equals("c0");
    long[] wide = new long[shape.length + (state ? 1 : 0)];
    wide[0] = 1;
    for (int k = 0; k < shape.length; k++) {
      wide[wide.length - shape.length + k] = shape[k];
    }
    return wide;
  }

  private Tensor tensor(String name) {
    Tensor tensor = results.containsKey(name) ? results.get(name) : tensors.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException("no tensor of the name " + name);
    }
    return tensor;
  }

  @Override
  public void put(String name, float[] values) {
    try (PointerScope scope = new PointerScope()) {
      tensor(name).data_ptr_float().put(values);
    }
  }

  @Override
  public double[] get(String name) {
    try (PointerScope scope = new PointerScope()) {
      Tensor whole = tensor(name).detach().contiguous();
      float[] values = new float[Math.toIntExact(whole.numel())];
      whole.data_ptr_float().get(values);
      double[] wide = new double[values.length];
      for (int k = 0; k < wide.length; k++) {
        wide[k] = values[k];
      }
      return wide;
    }
  }

  private Tensor layer() {
    Tensor x = tensor("x");
    T_TensorTensor_T two;
    switch (sizes.cell()) {
      case LSTM:
        T_TensorTensorTensor_T three =
            torch.lstm(x, states, parameters, true, 1, 0.0, training, false, false);
        results.put("y", three.get0());
        results.put("hT", three.get1());
        results.put("cT", three.get2());
        return three.get0();
      case GRU:
        two = torch.gru(x, states.get(0), parameters, true, 1, 0.0, training, false, false);
        break;
      default:
        two = torch.rnn_tanh(x, states.get(0), parameters, true, 1, 0.0, training, false, false);
    }
    results.put("y", two.get0());
    results.put("hT", two.get1());
    return two.get0();
  }

  @Override
  public void forward() {
    last.close();
    last = new PointerScope();
    if (!way().guard()) {
      layer();
      return;
    }
    try (NoGradGuard inference = new NoGradGuard()) {
      layer();
    }
  }

  @Override
  public void train() {
    last.close();
    last = new PointerScope();
    Tensor y = layer();
    TensorVector made =
        torch.grad(new TensorVector(y), inputs, upstream, new BoolOptional(), false, false);
    for (int k = 0; k < gradients.size(); k++) {
      results.put(gradients.get(k), made.get(k));
    }
  }

  @Override
  public String who() {
    return "LibTorch";
  }

  @Override
  public void close() {
    last.close();
    results.clear();
    for (TensorVector vector : List.of(parameters, states, inputs, upstream)) {
      vector.close();
    }
    tensors.values().forEach(Tensor::close);
  }
}
