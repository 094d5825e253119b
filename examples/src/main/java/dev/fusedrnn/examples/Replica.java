package dev.fusedrnn.examples;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.Device;
import dev.fusedrnn.GlobalNormClip;
import dev.fusedrnn.NonFinite;
import dev.fusedrnn.Optimizer;
import dev.fusedrnn.Rnn;
import dev.fusedrnn.RnnConfig;
import dev.fusedrnn.RnnParameters;
import dev.fusedrnn.RnnSequence;
import dev.fusedrnn.TensorArena;
import dev.fusedrnn.TrainingBatch;
import dev.fusedrnn.TrainingStep;
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

  private final TensorArena parameters;
  private final TensorArena gradients;
  private final RnnParameters layers;
  private final RnnParameters layerGradients;
  private final RnnSequence sequence;
  private final Optimizer optimizer;
  private final GlobalNormClip clip;
  private final TrainingStep step;

  /**
   * Allocates a copy and draws its parameters.
   *
   * @param device the rank's own
   * @param steps T
   * @param batch B, this rank's part of the whole batch
   * @param seed the same on all ranks
   * @param ranks averages the gradients; stays the caller's
   */
  public Replica(Device device, int steps, int batch, long seed, AllReduce ranks) {
    RnnConfig config =
        RnnConfig.builder(Cell.LSTM).inputSize(FEATURES).hiddenSize(HIDDEN).layers(2).build();
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
    sequence.call().parameters(layers).gradients(layerGradients);
    optimizer =
        Optimizer.create(
            Optimizer.Kind.ADAM, List.of(parameters.flat()), List.of(gradients.flat()));
    clip = GlobalNormClip.create(optimizer.tensors(), 1, LIMIT);
    optimizer.learningRate(0.01).clip(clip.nonFinite(NonFinite.SKIP));
    step =
        TrainingStep.builder(sequence)
            .output(
                parameters.get("output.weight"),
                parameters.get("output.bias"),
                gradients.get("output.weight"),
                gradients.get("output.bias"))
            .carryState(false)
            .afterBackward(stream -> ranks.average(gradients.flat(), stream))
            .optimizer(optimizer, clip)
            .build();
  }

  /**
   * Makes one step of training.
   *
   * @param x [T, B, FEATURES]
   * @param classes [T, B]
   * @return the mean loss of this rank's part, in nats
   */
  public double step(float[] x, int[] classes) {
    TrainingBatch batch = step.nextBatch();
    batch.inputs().asFloatBuffer().put(0, x);
    batch.targets().put(0, classes);
    return step.loss(step.run(batch)).mean();
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
    step.close();
    clip.close();
    optimizer.close();
    sequence.close();
    layerGradients.close();
    layers.close();
    gradients.close();
    parameters.close();
  }
}
