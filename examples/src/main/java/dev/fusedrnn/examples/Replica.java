package dev.fusedrnn.examples;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.DeviceBuffer;
import dev.fusedrnn.GlobalNormClip;
import dev.fusedrnn.Linear;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.SoftmaxCrossEntropy;
import dev.fusedrnn.Stream;
import dev.fusedrnn.TensorArena;
import java.util.List;

/**
 * One rank's copy of a model, two LSTM layers and a linear layer to scores of classes, with all
 * gradients in one arena. All ranks begin with the same parameters and make the same steps.
 */
public final class Replica implements AutoCloseable {
  /** Inputs, and classes to choose from. */
  public static final int FEATURES = 5;

  private static final int HIDDEN = 19;
  private static final double LIMIT = 0.25;

  private final int rows;
  private final Stream stream;
  private final TensorArena parameters;
  private final TensorArena gradients;
  private final RnnParameters layers;
  private final RnnParameters layerGradients;
  private final RnnSequence sequence;
  private final DeviceBuffer scores;
  private final DeviceBuffer targets;
  private final Linear output;
  private final SoftmaxCrossEntropy loss;
  private final Optimizer optimizer;
  private final GlobalNormClip clip;

  /**
   * Allocates a copy and draws its parameters.
   *
   * @param device the rank's own
   * @param steps T
   * @param batch B, this rank's part of the whole batch
   * @param seed the same on all ranks
   */
  public Replica(Device device, int steps, int batch, long seed) {
    RnnConfig config =
        RnnConfig.builder(Cell.LSTM).inputSize(FEATURES).hiddenSize(HIDDEN).layers(2).build();
    rows = steps * batch;
    stream = device.defaultStream();
    parameters =
        TensorArena.builder(device, DType.F32)
            .add("rnn.", config)
            .add("output.weight", FEATURES, HIDDEN)
            .add("output.bias", FEATURES)
            .build();
    gradients = parameters.newLike();
    Rnn rnn = Rnn.create(device, config);
    layers = parameters.parameters("rnn.", rnn).initializeUniform(seed).forgetBias(1);
    layerGradients = gradients.gradients("rnn.", rnn);
    sequence = rnn.newSequence(steps, batch, true);
    sequence.call().parameters(layers).gradients(layerGradients).dx(null).dhT(null).dcT(null);
    scores = device.allocate(DType.F32, rows, FEATURES);
    targets = device.allocate(DType.I32, rows);
    output = Linear.create(device, DType.F32, rows, HIDDEN, FEATURES);
    output.x(sequence.y().view(rows, HIDDEN)).dx(sequence.dy().view(rows, HIDDEN));
    output.y(scores).dy(scores); // the loss writes the gradient of the scores over the scores
    output.w(parameters.get("output.weight")).b(parameters.get("output.bias"));
    output.dw(gradients.get("output.weight")).db(gradients.get("output.bias"));
    loss = SoftmaxCrossEntropy.create(device, DType.F32, rows, FEATURES);
    loss.logits(scores).dlogits(scores).targets(targets).scale(1.0 / rows);
    optimizer =
        Optimizer.create(
            Optimizer.Kind.ADAM, List.of(parameters.flat()), List.of(gradients.flat()));
    clip = GlobalNormClip.create(optimizer.tensors(), 1, LIMIT);
    optimizer.learningRate(0.01).clip(clip, true);
  }

  /**
   * Makes one step of training.
   *
   * @param x [T, B, FEATURES]
   * @param classes [T, B]
   * @param ranks averages the gradients, between backward and clip
   * @return the mean loss of this rank's part, in nats
   */
  public double step(float[] x, int[] classes, AllReduce ranks) {
    sequence.x().write(x);
    targets.write(classes);
    sequence.forward(stream);
    output.forward(stream);
    loss.run(stream);
    output.backward(stream);
    sequence.backward(stream);
    ranks.average(gradients.flat(), stream);
    clip.measure(stream);
    optimizer.step(stream);
    return loss.read().mean();
  }

  /**
   * The parameters.
   *
   * @return by name
   */
  public TensorArena parameters() {
    return parameters;
  }

  @Override
  public void close() {
    clip.close();
    optimizer.close();
    loss.close();
    output.close();
    targets.close();
    scores.close();
    sequence.close();
    layerGradients.close();
    layers.close();
    gradients.close();
    parameters.close();
  }
}
