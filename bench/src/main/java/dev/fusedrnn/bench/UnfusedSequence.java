package dev.fusedrnn.bench;

import dev.fusedrnn.Cell;
import dev.fusedrnn.DType;
import dev.fusedrnn.bench.Operators.Block;
import dev.fusedrnn.testkit.NetCase;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The baseline: layers as loops over time without fusion, one after another. */
final class UnfusedSequence extends CheckedSequence {
  private final Operators on;
  private final List<UnfusedLayer> layers = new ArrayList<>();
  private final Map<String, Block> tensors = new HashMap<>();

  /**
   * Allocates and uploads.
   *
   * @param on who computes; closed with this
   * @param sizes an LSTM or a GRU of one direction
   * @param precision F32, or TF32 where the operators were opened so
   * @param training whether {@link #train()} will be called
   */
  UnfusedSequence(Operators on, NetCase sizes, Precision precision, boolean training) {
    super(sizes, precision, training);
    this.on = on;
    int count = sizes.config(DType.F32).layers();
    int steps = sizes.steps();
    int batch = sizes.batch();
    int hidden = sizes.hidden();
    Block x = on.matrix(steps * batch, sizes.input());
    tensors.put("x", x);
    for (String name : List.of("h0", "c0", "hT", "cT", "dhT", "dcT", "dh0", "dc0")) {
      tensors.put(name, on.matrix(count * batch, hidden));
    }
    for (int layer = 0; layer < count; layer++) {
      Block input = layer == 0 ? x : layers.get(layer - 1).output();
      layers.add(
          sizes.cell() == Cell.LSTM
              ? new UnfusedLstm(on, steps, input, hidden)
              : new UnfusedGru(on, steps, input, hidden));
      name(layer, layers.get(layer));
    }
    UnfusedLayer last = layers.get(count - 1);
    tensors.put("y", last.output());
    tensors.put("dy", on.matrix(steps * batch, hidden));
    tensors.put("dx", layers.get(0).dx);
    for (int layer = 0; layer < count; layer++) {
      Block dy = layer == count - 1 ? tensor("dy") : layers.get(layer + 1).dx;
      layers.get(layer).build(states(layer, batch), dy);
    }
    putAll();
  }

  private void name(int layer, UnfusedLayer l) {
    tensors.put("weight_ih_l" + layer, l.weightIh);
    tensors.put("weight_hh_l" + layer, l.weightHh);
    tensors.put("bias_ih_l" + layer, l.biasIh);
    tensors.put("bias_hh_l" + layer, l.biasHh);
    tensors.put("dweight_ih_l" + layer, l.dWeightIh);
    tensors.put("dweight_hh_l" + layer, l.dWeightHh);
    tensors.put("dbias_ih_l" + layer, l.dBiasIh);
    tensors.put("dbias_hh_l" + layer, l.dBiasHh);
  }

  private UnfusedLayer.States states(int layer, int batch) {
    int first = layer * batch;
    return new UnfusedLayer.States(
        tensor("h0").rows(first, batch),
        tensor("c0").rows(first, batch),
        tensor("hT").rows(first, batch),
        tensor("cT").rows(first, batch),
        tensor("dhT").rows(first, batch),
        tensor("dcT").rows(first, batch),
        tensor("dh0").rows(first, batch),
        tensor("dc0").rows(first, batch));
  }

  private Block tensor(String name) {
    Block block = tensors.get(name);
    if (block == null) {
      throw new IllegalArgumentException("no tensor of the name " + name);
    }
    return block;
  }

  @Override
  public void put(String name, float[] values) {
    on.write(tensor(name).tensor(), tensor(name).offset(), values);
  }

  @Override
  public double[] get(String name) {
    Block block = tensor(name);
    float[] values = on.read(block.tensor(), block.offset(), block.rows() * block.columns());
    double[] wide = new double[values.length];
    for (int k = 0; k < wide.length; k++) {
      wide[k] = values[k];
    }
    return wide;
  }

  @Override
  public void forward() {
    enqueueForward();
    on.synchronize();
  }

  @Override
  public void train() {
    enqueueForward();
    for (int layer = layers.size() - 1; layer >= 0; layer--) {
      for (Runnable operation : layers.get(layer).backward) {
        operation.run();
      }
    }
    on.synchronize();
  }

  private void enqueueForward() {
    for (UnfusedLayer layer : layers) {
      for (Runnable operation : layer.forward) {
        operation.run();
      }
    }
  }

  @Override
  public String who() {
    return on.who();
  }

  @Override
  public void close() {
    on.close();
  }
}
