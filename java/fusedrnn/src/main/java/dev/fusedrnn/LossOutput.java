package dev.fusedrnn;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Where a loss leaves what it measured, and the workspace that it measures in. */
final class LossOutput implements AutoCloseable {
  private final DeviceBuffer result;
  private final DeviceBuffer workspace;

  /**
   * Allocates both.
   *
   * @param device where the loss runs
   * @param slots doubles of the workspace
   */
  LossOutput(Device device, long slots) {
    result = device.allocate(DType.F64, LossResult.BYTES / 8);
    workspace = device.allocate(DType.F64, slots);
  }

  /** The words of {@code frnn_loss_result}. */
  DeviceBuffer result() {
    return result;
  }

  /** Binds both to a loss's arguments. */
  <F extends Enum<F>> void bind(
      Arguments<F> arguments, F resultField, F workspaceField, F workspaceBytesField) {
    arguments.bind(resultField, "result", result, DType.F64, LossResult.BYTES / 8);
    arguments.bindBytes(workspaceField, workspaceBytesField, "workspace", workspace);
  }

  /** Waits for the device and reads the result. */
  LossResult read() {
    ByteBuffer words = ByteBuffer.allocateDirect(LossResult.BYTES).order(ByteOrder.nativeOrder());
    result.readInto(words);
    return LossResult.of(words.rewind());
  }

  @Override
  public void close() {
    result.close();
    workspace.close();
  }
}
