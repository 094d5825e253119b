package dev.fusedrnn.internal;

import java.nio.ByteBuffer;
import org.bytedeco.javacpp.annotation.Cast;
import org.bytedeco.javacpp.annotation.Name;
import org.bytedeco.javacpp.annotation.NoException;
import org.bytedeco.javacpp.annotation.Platform;
import org.jspecify.annotations.Nullable;

/**
 * The C door {@code fusedrnn.h}, function by function; the only class that names the generated
 * natives. JavaCPP generates {@code libjnifusedrnn.so} from it. Structs go as the address of a
 * {@link Struct}, so that a call makes no object.
 */
@Platform(
    include = {"<cstdint>", "fusedrnn.h"},
    link = "fusedrnn",
    library = "jnifusedrnn")
@NoException
final class Natives {
  private Natives() {}

  /** Where a direct buffer's memory lies, whatever its position, which JavaCPP adds. */
  static long addressOf(ByteBuffer direct) {
    return address(direct) - direct.position();
  }

  @Name("reinterpret_cast<std::intptr_t>")
  private static native @Cast("int64_t") long address(ByteBuffer direct);

  static native String frnn_version();

  static native String frnn_build_info();

  static native String frnn_last_error();

  static native int frnn_set_option(String key, String value);

  static native int frnn_device_count(String backend, @Cast("int64_t*") long[] count);

  static native int frnn_device_open(String backend, long ordinal, @Cast("int64_t*") long[] device);

  static native int frnn_device_close(long device);

  static native String frnn_device_describe(long device);

  static native int frnn_device_set(long device, String key, long value);

  static native int frnn_device_counter(long device, String key, @Cast("int64_t*") long[] value);

  static native int frnn_device_synchronize(long device);

  static native int frnn_alloc(long device, long bytes, @Cast("int64_t*") long[] address);

  static native int frnn_free(long device, long address);

  static native int frnn_copy(
      long device, long destination, long source, long bytes, long kind, long stream);

  static native int frnn_fill(long device, long address, long byteValue, long bytes, long stream);

  static native int frnn_stream_create(long device, @Cast("int64_t*") long[] stream);

  static native int frnn_stream_destroy(long device, long stream);

  static native int frnn_stream_synchronize(long device, long stream);

  static native int frnn_stream_wait(long device, long stream, long event);

  static native int frnn_event_create(long device, @Cast("int64_t*") long[] event);

  static native int frnn_event_destroy(long device, long event);

  static native int frnn_event_record(long device, long event, long stream);

  static native int frnn_event_synchronize(long device, long event);

  static native int frnn_event_done(long device, long event, @Cast("int64_t*") long[] done);

  static native int frnn_event_elapsed_us(long device, long start, long end, double[] micros);

  static native int frnn_host_register(long device, long address, long bytes);

  static native int frnn_host_unregister(long device, long address);

  static native int frnn_capture_begin(long device, long stream);

  static native int frnn_capture_end(
      long device, long stream, @Cast("int64_t*") long @Nullable [] graph);

  static native int frnn_graph_launch(long device, long graph, long stream);

  static native int frnn_graph_destroy(long device, long graph);

  static native int frnn_net_bytes(
      String backend, @Cast("const frnn_net*") long net, @Cast("frnn_rnn_sizes*") long sizes);

  static native @Nullable String frnn_explain(
      long device, @Nullable String model, @Cast("const frnn_net*") long net);

  static native int frnn_net_forward(long device, @Cast("const frnn_net*") long net);

  static native int frnn_net_backward(long device, @Cast("const frnn_net*") long net);

  static native int frnn_net_packed_bytes(
      String backend, @Cast("const frnn_net*") long net, @Cast("int64_t*") long[] bytes);

  static native int frnn_net_pack(long device, @Cast("const frnn_net*") long net);

  static native int frnn_write_word(long device, long address, long word, long stream);

  static native int frnn_table_bytes(
      @Cast("const frnn_tensors*") long tensors, @Cast("frnn_table_sizes*") long sizes);

  static native int frnn_table_write(
      long device,
      @Cast("const frnn_tensors*") long tensors,
      long table,
      long tableBytes,
      long stream);

  static native int frnn_clip_by_global_norm(long device, @Cast("const frnn_clip*") long clip);

  static native int frnn_optimizer_step(long device, @Cast("const frnn_optimizer*") long optimizer);

  static native int frnn_linear_bytes(
      String backend,
      @Cast("const frnn_linear*") long linear,
      @Cast("int64_t*") long[] workspaceBytes);

  static native int frnn_linear_forward(long device, @Cast("const frnn_linear*") long linear);

  static native int frnn_linear_backward(long device, @Cast("const frnn_linear*") long linear);

  static native int frnn_embedding_bytes(
      String backend,
      @Cast("const frnn_embedding*") long embedding,
      @Cast("int64_t*") long[] workspaceBytes);

  static native int frnn_embedding_forward(
      long device, @Cast("const frnn_embedding*") long embedding);

  static native int frnn_embedding_backward(
      long device, @Cast("const frnn_embedding*") long embedding);

  static native int frnn_softmax_xent_forward_backward(
      long device, @Cast("const frnn_softmax_xent*") long xent);

  static native int frnn_mse_forward_backward(long device, @Cast("const frnn_mse*") long mse);

  static native int frnn_sample_rows(long device, @Cast("const frnn_sample*") long sample);
}
