package dev.fusedrnn;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The net of a {@link TrainingStep} around its recurrent layers, and the memory of its data. */
final class TrainingModel implements AutoCloseable {
  private final TrainingFeed feed;
  private final @Nullable Embedding embedding;
  private final boolean embeddingLearnt;
  private final Linear linear;
  private final DeviceBuffer scores;
  private final TrainingLoss loss;

  TrainingModel(TrainingStepBuilder parts) {
    RnnCall call = parts.layers.call();
    Device device = call.rnn().device();
    DType dtype = call.rnn().config().dtype();
    DeviceBuffer weight = Objects.requireNonNull(parts.weight);
    long rows = call.steps() * call.batch();
    long features = call.rnn().config().inputSize();
    long hidden = call.rnn().config().outputSize();
    long outputs = lastSize("weight", weight, hidden);
    boolean hasIds = parts.table != null;
    long inputBytes = rows * (hasIds ? DType.I32.bytes() : features * dtype.bytes());
    boolean classes = parts.crossEntropy;
    long targetBytes = rows * (classes ? DType.I32.bytes() : outputs * dtype.bytes());
    feed = new TrainingFeed(device, inputBytes, hasIds, targetBytes, classes);
    scores = device.allocate(dtype, rows, outputs);
    linear = Linear.create(device, dtype, rows, hidden, outputs);
    linear.x(parts.layers.y().view(rows, hidden)).y(scores).w(weight).b(parts.bias);
    // A loss writes the gradient of the scores over the scores.
    linear.dy(scores).dx(parts.layers.dy().view(rows, hidden));
    linear.dw(parts.weightGradient).db(parts.biasGradient);
    loss = classes ? crossEntropy(parts, rows, outputs) : squaredError(parts, dtype, rows, outputs);
    call.dhT(null).dcT(null).dh0(null).dc0(null);
    embeddingLearnt = parts.tableGradient != null;
    embedding = hasIds ? embedding(parts, rows, features) : null;
    if (!hasIds) {
      call.x(feed.inputs(dtype, call.sequenceShape(features)));
    }
    call.dx(embeddingLearnt ? parts.layers.dx() : null);
  }

  private TrainingLoss crossEntropy(TrainingStepBuilder parts, long rows, long classes) {
    SoftmaxCrossEntropy made =
        SoftmaxCrossEntropy.create(scores.device(), scores.dtype(), rows, classes)
            .logits(scores)
            .dlogits(scores)
            .targets(feed.targets(DType.I32, rows))
            .ignoreIndex(parts.ignoreIndex)
            .labelSmoothing(parts.labelSmoothing)
            .lossScale(lossScale(parts))
            .mean(true);
    return new TrainingLoss(made::run, made.result(), made::close);
  }

  private TrainingLoss squaredError(
      TrainingStepBuilder parts, DType dtype, long rows, long features) {
    MeanSquaredError made =
        MeanSquaredError.create(scores.device(), dtype, rows, features)
            .y(scores)
            .dy(scores)
            .targets(feed.targets(dtype, rows, features))
            .lossScale(lossScale(parts))
            .mean(true);
    return new TrainingLoss(made::run, made.result(), made::close);
  }

  /** The scale that the clip takes out again; null where there is none. */
  private static @Nullable DeviceBuffer lossScale(TrainingStepBuilder parts) {
    LossScale scale = parts.clip == null ? null : parts.clip.lossScaleOrNull();
    return scale == null ? null : scale.buffer();
  }

  private static long lastSize(String name, DeviceBuffer buffer, long columns) {
    if (columns == 0 || buffer.length() % columns != 0 || buffer.length() == 0) {
      throw new IllegalArgumentException(
          name + ": expected [O, " + columns + "], got " + buffer.length() + " elements");
    }
    return buffer.length() / columns;
  }

  private Embedding embedding(TrainingStepBuilder parts, long rows, long features) {
    DeviceBuffer table = Objects.requireNonNull(parts.table);
    RnnCall call = parts.layers.call();
    DType dtype = call.rnn().config().dtype();
    long vocabulary = lastSize("table", table, features);
    Embedding made =
        Embedding.create(call.rnn().device(), dtype, rows, vocabulary, features)
            .ids(feed.inputs(DType.I32, rows))
            .table(table)
            .y(parts.layers.x().view(rows, features));
    if (parts.tableGradient != null) {
      made.dy(parts.layers.dx().view(rows, features)).dtable(parts.tableGradient);
    }
    return made;
  }

  TrainingFeed feed() {
    return feed;
  }

  /** What the loss measured, as {@link LossResult} has it. */
  DeviceBuffer result() {
    return loss.result();
  }

  /** Enqueues everything up to the loss and the gradient of the scores. */
  void forward(RnnSequence layers, Stream stream) {
    if (embedding != null) {
      embedding.forward(stream);
    }
    layers.forward(stream);
    linear.forward(stream);
    loss.run().accept(stream);
  }

  /** Enqueues all gradients. */
  void backward(RnnSequence layers, Stream stream) {
    linear.backward(stream);
    layers.backward(stream);
    if (embedding != null && embeddingLearnt) {
      embedding.backward(stream);
    }
  }

  @Override
  public void close() {
    if (embedding != null) {
      embedding.close();
    }
    loss.close().run();
    linear.close();
    scores.close();
    feed.close();
  }
}
