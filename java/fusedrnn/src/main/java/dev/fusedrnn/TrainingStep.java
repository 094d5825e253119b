package dev.fusedrnn;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * One step of training, again and again: embedding (or x as it comes), recurrent layers, linear
 * layer, loss, backward, clip, optimiser, all in stream order with no wait of the host between
 * them. The first step runs plainly; the second is captured into a {@link Graph}, which is launched
 * from then on, so that a step costs the host a copy, a launch and an event. Data and state vary
 * without a new capture; so does the learning rate.
 *
 * <pre>{@code
 * for (int n = 0; n < steps; n++) {
 *   TrainingBatch batch = step.nextBatch();
 *   batch.ids().put(0, ids);
 *   batch.targets().put(0, targets);
 *   step.run(batch);
 * }
 * }</pre>
 *
 * <p>Batches are a ring of page-locked buffers. {@link #nextBatch} waits only where the host is a
 * whole ring ahead of the device. A steady step allocates nothing, on the device or in the Java
 * heap. Losses stay for a ring of steps and are read without stopping the stream.
 *
 * <p>Owns what it allocates, not the layers, parameters, gradients and optimiser. The layers must
 * have been made with training, their parameters and gradients bound; no gradient flows into the
 * state of the step before. Threads: one at a time.
 */
public final class TrainingStep implements AutoCloseable {
  private final Device device;
  private final RnnSequence layers;
  private final @Nullable Optimizer optimizer;
  private final @Nullable GlobalNormClip clip;
  private final @Nullable Consumer<Stream> afterBackward;
  private final boolean carryState;
  private final boolean capture;
  private final List<Runnable> closers = new ArrayList<>();
  private final Stream stream;
  private final TrainingModel model;
  private final TrainingRing ring;
  private final Runnable beforeHook;
  private @Nullable Graph graph;
  private @Nullable Graph updateGraph; // where a hook stands between
  private boolean warm;
  private long step;

  TrainingStep(TrainingStepBuilder parts) {
    this.layers = parts.layers;
    this.device = layers.call().rnn().device();
    this.optimizer = parts.optimizer;
    this.clip = parts.clip;
    this.afterBackward = parts.afterBackward;
    this.carryState = parts.carryState;
    this.capture = parts.capture && device.servesGraphs();
    this.beforeHook = afterBackward == null ? this::enqueueAll : this::enqueuePasses;
    try {
      this.stream = device.newStream();
      closers.add(stream::close);
      this.model = new TrainingModel(parts);
      closers.add(model::close);
      this.ring = new TrainingRing(model.feed(), layers.call().batch(), parts.ring);
      closers.add(ring::close);
      layers.call().seed(parts.seed, 0).maskOffset(model.feed().step());
      device.synchronize();
    } catch (RuntimeException e) {
      close();
      throw e;
    }
  }

  /**
   * Begins to describe a step.
   *
   * @param layers made with training, parameters and gradients bound
   * @return what to say the rest to
   */
  public static TrainingStepBuilder builder(RnnSequence layers) {
    return new TrainingStepBuilder(layers);
  }

  /**
   * The next batch to fill. Waits where the device has not yet done the step that used it last, a
   * ring of steps ago.
   *
   * @return the batch whose turn it is
   * @throws FusedRnnException for what the device found
   */
  public TrainingBatch nextBatch() {
    return ring.next(step);
  }

  /**
   * Makes a step with a batch; enqueued.
   *
   * @param batch what {@link #nextBatch} gave
   * @return the number of the step, from 0, by which its loss is asked for
   */
  public long run(TrainingBatch batch) {
    ring.enqueueData(batch, step, stream);
    batch.enqueueResets(layers, stream);
    if (optimizer != null) {
      optimizer.writeSettings(stream);
    }
    if (graph == null && warm && capture) {
      captureStep();
    }
    if (graph != null) {
      graph.launch(stream);
    } else {
      beforeHook.run();
    }
    if (afterBackward != null) {
      afterBackward.accept(stream);
      if (updateGraph != null) {
        updateGraph.launch(stream);
      } else {
        enqueueUpdate();
      }
    }
    warm = true;
    ring.enqueueResult(model.result(), step, stream);
    return step++;
  }

  private void captureStep() {
    Graph first = stream.capture(beforeHook);
    try {
      updateGraph = afterBackward == null ? null : stream.capture(this::enqueueUpdate);
    } catch (RuntimeException e) {
      first.close();
      throw e;
    }
    graph = first;
  }

  private void enqueueAll() {
    enqueuePasses();
    enqueueUpdate();
  }

  private void enqueuePasses() {
    model.forward(layers, stream);
    model.backward(layers, stream);
    if (carryState) {
      layers.carryState(stream);
    }
  }

  private void enqueueUpdate() {
    if (clip != null) {
      clip.measure(stream);
    }
    if (optimizer != null) {
      optimizer.step(stream);
    }
  }

  /**
   * Whether the loss of a step can be read without waiting.
   *
   * @param number what {@link #run} answered
   * @return true when the device has done that step
   * @throws IllegalArgumentException for a step that was not made, or more than a ring ago
   */
  public boolean isDone(long number) {
    return ring.isDone(number, step);
  }

  /**
   * The loss of a step; waits for that step, not for those behind it.
   *
   * @param number what {@link #run} answered
   * @return sum and rows
   * @throws IllegalArgumentException for a step that was not made, or more than a ring ago
   * @throws FusedRnnException where a target was neither a class nor the ignored index
   */
  public LossResult loss(long number) {
    return ring.loss(number, step);
  }

  /**
   * Lets the next step be captured anew: for changes to numbers that a capture holds, such as a
   * clip's limit, or an optimiser's decay rates and schedule. A learning rate set on the optimiser
   * needs none.
   */
  public void recapture() {
    if (graph != null) {
      graph.close();
      graph = null;
    }
    if (updateGraph != null) {
      updateGraph.close();
      updateGraph = null;
    }
  }

  /**
   * Whether steps are launches of a graph by now.
   *
   * @return false before the second step, without capture, and on the reference backend
   */
  public boolean isCaptured() {
    return graph != null;
  }

  /**
   * How many steps may be on their way, and for how many the loss is kept.
   *
   * @return at least 1
   */
  public int ring() {
    return ring.size();
  }

  /**
   * Where everything is enqueued; to be waited for, or made to wait.
   *
   * @return owned by this step
   */
  public Stream stream() {
    return stream;
  }

  /**
   * Steps made so far; the number of the next.
   *
   * @return from 0
   */
  public long stepCount() {
    return step;
  }

  /**
   * Continues a count, after parameters, states and the optimiser were restored. Masks depend on
   * it.
   *
   * @param count at least 0
   */
  public void stepCount(long count) {
    stream.synchronize();
    step = Failures.atLeast(0, "stepCount", count);
    ring.forget();
  }

  /** Waits for its stream and frees what this step allocated; idempotent. */
  @Override
  public void close() {
    if (closers.isEmpty()) {
      return;
    }
    stream.synchronize();
    recapture();
    layers.call().maskOffset(null);
    for (int k = closers.size() - 1; k >= 0; k--) {
      closers.get(k).run();
    }
    closers.clear();
  }
}
