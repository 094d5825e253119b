package dev.fusedrnn;

import dev.fusedrnn.internal.Engines;
import dev.fusedrnn.internal.Fields;
import dev.fusedrnn.internal.Flags;
import dev.fusedrnn.internal.NetArguments;
import dev.fusedrnn.internal.Struct;

/**
 * A question to the planner of sequence kernels: which kernel would run a network's loop over time,
 * where the recurrent weights would lie, what a step is expected to cost and why. The answer is one
 * JSON object; nothing is allocated or run.
 *
 * @param config the network
 * @param steps T, at least 0
 * @param batch B, at least 0
 * @param training whether a backward pass will follow; the answer then has it too
 * @param allowTf32 whether products may be rounded to TF32
 * @param kernel which kernel to force, or {@link SequenceKernel#AUTO}
 */
public record PlanQuestion(
    RnnConfig config,
    long steps,
    long batch,
    boolean training,
    boolean allowTf32,
    SequenceKernel kernel) {

  /**
   * Asks for a device that need not be here.
   *
   * @param model {@code h200}, {@code a100}, {@code l4}, {@code rtx4090} or {@code tiny}, a made-up
   *     small one
   * @return one JSON object: device, steps, batch, directions, and for each layer the plans of its
   *     passes
   * @throws FusedRnnException naming why the forced kernel cannot run this, or the known models
   */
  public String explainFor(String model) {
    return Engines.explain(model, arguments(), toString());
  }

  /**
   * Asks for an open device, by what it reports of itself.
   *
   * @param device of the backend cuda or emulated
   * @return as {@link #explainFor}
   * @throws FusedRnnException naming why the forced kernel cannot run this, or that the backend has
   *     one way to run a sequence
   */
  public String explainOn(Device device) {
    long[] status = new long[1];
    String json = device.engine().explain(arguments(), status);
    device.check((int) status[0], "explain " + this);
    return json;
  }

  private NetArguments arguments() {
    Struct<Fields.Net> net = new Struct<>(Fields.Net.class);
    Rnn.fill(net, config, steps, batch, training);
    if (allowTf32) {
      net.set(Fields.Net.FLAGS, net.get(Fields.Net.FLAGS) | Flags.ALLOW_TF32);
    }
    net.set(Fields.Net.KERNEL, kernel.ordinal());
    return new NetArguments(net, config.layers() * config.directions());
  }

  @Override
  public String toString() {
    return config
        + " T="
        + steps
        + " B="
        + batch
        + (training ? " training" : "")
        + (allowTf32 ? " TF32" : "")
        + (kernel == SequenceKernel.AUTO ? "" : " " + kernel.label());
  }
}
