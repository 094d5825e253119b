package dev.fusedrnn;

import java.util.ArrayList;
import java.util.List;

/** What has to be known before an {@link Optimizer} allocates its state. */
public final class OptimizerBuilder {
  private final Optimizer.Kind kind;
  private final List<DeviceBuffer> parameters;
  private final List<DeviceBuffer> gradients;
  private List<DeviceBuffer> copies = List.of();
  private int states;

  OptimizerBuilder(
      Optimizer.Kind kind, List<DeviceBuffer> parameters, List<DeviceBuffer> gradients) {
    if (parameters.isEmpty()) {
      throw new IllegalArgumentException("parameters: expected at least one tensor, got none");
    }
    if (gradients.isEmpty()) {
      throw new IllegalArgumentException("gradients: expected at least one tensor, got none");
    }
    this.kind = kind;
    this.parameters = List.copyOf(parameters);
    this.gradients = List.copyOf(gradients);
    this.states = kind.states();
  }

  /**
   * Keeps copies of the parameters in 16 bits, written in the same pass: the parameters are then
   * the master weights, and nets read the copies.
   *
   * @param buffers for each parameter one of as many elements, all {@link DType#BF16} or all {@link
   *     DType#F16}
   * @return this
   */
  public OptimizerBuilder copies(List<DeviceBuffer> buffers) {
    if (!buffers.isEmpty() && buffers.get(0).dtype().bytes() != 2) {
      throw new IllegalArgumentException(
          "copies: expected bf16 or f16, got " + buffers.get(0).dtype().label());
    }
    copies = List.copyOf(buffers);
    return this;
  }

  /**
   * Leaves out the state that only momentum needs, and its memory traffic; for {@link
   * Optimizer.Kind#SGD} and {@link Optimizer.Kind#RMSPROP}.
   *
   * @return this
   */
  public OptimizerBuilder withoutMomentum() {
    states = kind.leastStates();
    return this;
  }

  /**
   * Makes the optimiser; its state starts at zero.
   *
   * @return to be closed
   * @throws IllegalArgumentException naming the tensor that does not fit
   */
  public Optimizer build() {
    Device device = parameters.get(0).device();
    DType master = parameters.get(0).dtype();
    if (master.bytes() == 2) {
      throw new IllegalArgumentException(
          "parameters: expected f32, got "
              + master.label()
              + "; keep f32 parameters and give these as copies");
    }
    List<DType> types = new ArrayList<>(List.of(master, gradients.get(0).dtype()));
    List<List<DeviceBuffer>> lists = new ArrayList<>(List.of(parameters, gradients));
    addCopies(types, lists);
    TensorList.of(device, types, lists).close(); // refuses before anything is allocated
    if (!copies.isEmpty()) { // they stand behind the state
      types.remove(2);
      lists.remove(2);
    }
    List<DeviceBuffer> owned = new ArrayList<>();
    for (int state = 0; state < states; state++) {
      List<DeviceBuffer> list = new ArrayList<>();
      for (DeviceBuffer parameter : parameters) {
        DeviceBuffer buffer = device.allocate(master, parameter.shape());
        buffer.zero(device.defaultStream());
        list.add(buffer);
        owned.add(buffer);
      }
      types.add(master);
      lists.add(list);
    }
    addCopies(types, lists);
    device.synchronize();
    return new Optimizer(kind, TensorList.of(device, types, lists), owned);
  }

  private void addCopies(List<DType> types, List<List<DeviceBuffer>> lists) {
    if (!copies.isEmpty()) {
      types.add(copies.get(0).dtype());
      lists.add(copies);
    }
  }
}
